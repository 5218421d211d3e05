"""Loss curves from a file of a table, of arrays or of a log, labeled as a sweep's are."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxsup._internal.paths import local_path
from jaxsup._internal.system import free_memory
from jaxsup._internal.validation import fail
from jaxsup.fit.tables.arrays import read_npy, read_npz
from jaxsup.fit.tables.columns import Table, choose_columns
from jaxsup.fit.tables.logs import parse_json, read_json, read_log, table_of_json
from jaxsup.fit.tables.runs import arrange_curves

if TYPE_CHECKING:
    import xarray as xr

STANDARD_INPUT = "-"
"""What stands for a file that a pipe brings."""
ENDINGS = (
    *(".csv", ".tsv", ".npy", ".npz", ".json", ".jsonl", ".ndjson", ".parquet", ".log", ".txt"),
)
"""Files that `read_curves` reads; of .log and .txt the content says what they are."""
_DO = "give a header, a column of steps and one for each curve"
_MEMORY = 60  # bytes that a byte of text takes on its way; 35 in JSON lines of one digit a number
_MARK = re.compile(r"\A\s*#+ *(?=[^\s,#])")  # what numpy.savetxt puts before a header
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|[-+]?(nan|inf)", re.IGNORECASE)


def read_curves(
    path: str | Path,
    *,
    step: str | None = None,
    loss: str | Sequence[str] = (),
    by: str | None = None,
    seeds: bool = False,
) -> xr.Dataset:
    """Loss curves of a file: columns of a table, arrays, or the lines of a trainer's log.

    Tables have a header, also one as numpy.savetxt writes it, "# step loss": .csv, .tsv, columns in
    a .txt, and .parquet where pandas has what reads it. Empty cells are steps that a curve did not
    record, as are NA, NULL and None; a curve that ends in NaN or holds an infinity diverged. A .npz
    holds an array for each column, or losses [runs, steps]; a .npy a structured array, or [rows,
    columns] with steps in column 0, or losses at steps 0, 1, 2, ... A .json is a dictionary of
    lists, a list of dictionaries, or the trainer_state.json of Hugging Face's transformers. Of a
    log (.log, .txt, .jsonl) each line counts that has a step, or an epoch, and another number:
    JSON, "step 250: train loss 2.04, val loss 2.1", "step=300 loss=2.5". Nothing is unpickled or
    evaluated. Rows are sorted by step, and those of one step merged.

    Arguments:
        path: the file; "-" is text from standard input, and its content says what it is.
        step: column of the steps. Default: that called step, steps, global_step, iter,
            iteration(s), update(s) or t, in any case, or the first; in a log without any, epoch.
        loss: column of losses, or several. Default: those with "loss" in their name, but loss
            scales and those with a single number; without any, all others with numbers in them.
        by: column that tells runs apart, where the rows of several stand below each other.
        seeds: the runs are seeds of one setting, not settings of their own; without `by`, so are
            the columns.

    Returns:
        ``loss`` over ("curve", "seed", "step"), ``curve`` naming column or run; with `seeds`, over
        ("seed", "step"), or of several columns with `by` over ("curve", "seed", "step"). ``status``
        over the same but "step": 1 where a curve diverged, else 0. The attributes ``left_out``,
        columns that a default left out, and ``notes``, sentences about what was assumed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such file, or a column is not there or holds other things than numbers;
            a step is negative or missing, or a run has two losses at one step.
    """
    wanted = [loss] if isinstance(loss, str) else list(loss)
    table = _read_table(path, step, wanted, by)
    choice = choose_columns(table, step=step, loss=wanted, by=by)
    return arrange_curves(table, choice, seeds=seeds)


def _read_table(path: str | Path, step: str | None, wanted: list[str], by: str | None) -> Table:
    """The columns of a file of any kind."""
    if str(path) == STANDARD_INPUT:
        return _read_text("standard input", _piped_bytes(), "", step, by)
    file = local_path(path)
    ending = file.suffix.lower()
    if file.is_dir():
        do = "name a file in it, or open a sweep's folder with jaxsup.open_store"
        raise fail(str(file), "a file of curves", "a folder", do, described=True)
    if not file.exists():
        raise FileNotFoundError(
            f"{file}: expected a file of curves; got none there; check the path"
        )
    if ending not in ENDINGS and file.is_file() and ending:
        text, do = f"a name that ends in {ending!r}", "save it as one of these, a log as .log"
        raise fail(str(file), ", ".join(ENDINGS), text, do, described=True)
    if ending == ".npy":
        return read_npy(file)
    if ending == ".npz":
        return read_npz(file, step, wanted)
    if ending == ".parquet":
        return _read_parquet(file)
    try:
        with file.open("rb") as stream:
            content = _read_bytes(str(file), stream)
    except OSError as error:
        text, do = f"a refusal: {error.strerror or error}", "check its permissions"
        raise fail(str(file), "a file that can be read", text, do, described=True) from None
    return _read_text(str(file), content, ending, step, by)


def _read_text(source: str, content: bytes, ending: str, step: str | None, by: str | None) -> Table:
    """The columns of a text, by its ending, or by what it looks like where that says nothing."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = "\0"
        if not content.startswith((b"\x93NUMPY", b"PK", b"PAR1", b"\x80")):
            do = "save it as UTF-8"
            raise fail(source, "text", str(error), do, described=True) from None
    if "\0" in text:
        do = "give the path of a .npy, .npz or .parquet file, or save text"
        raise fail(source, "text", "bytes that are none", do, described=True)
    if not text.strip():
        raise fail(source, "a file of curves", "an empty file", _DO, described=True)
    plain = _MARK.sub("", text, count=1)
    if ending in (".csv", ".tsv"):
        return _read_cells(source, plain, "," if ending == ".csv" else "\t")
    if ending == ".json":
        return read_json(source, text, step, by)
    if ending in ("", ".log", ".txt"):
        if isinstance(value := parse_json(text), dict | list):
            return table_of_json(source, value, step)
        for table in (plain, text):  # a column may be called #
            if (delimiter := _delimiter(table)) is not None:
                return _read_cells(source, table, delimiter)
    return read_log(source, text, step, by)


def _delimiter(text: str) -> str | None:
    r"""What separates the cells of a table with a header: a tab, a comma or blanks; None: no table.

    >>> _delimiter("step, loss\n1, 2.5"), _delimiter("step loss\n1 2.5")
    (',', '\\s+')
    >>> _delimiter("step 1, loss 2.5\nstep 2, loss 2.4")
    """
    lines = [line.strip(" ") for line in text[: 2**16].splitlines() if line.strip()][:2]
    if len(lines) < 2:
        return None
    for delimiter in ("\t", ",", r"\s+"):
        header, row = ([cell.strip(" \"'") for cell in re.split(delimiter, line)] for line in lines)
        numbers = [bool(_NUMBER.fullmatch(cell)) for cell in row]
        enough = all(numbers) if delimiter == r"\s+" else any(numbers)
        alike = len(header) == len(row) > 1
        if alike and enough and not any(_NUMBER.fullmatch(cell) for cell in header):
            return delimiter
    return None


def _read_cells(source: str, text: str, delimiter: str) -> Table:
    """The columns of a table with a header, their cells as text.

    Raises:
        ValueError: it is no table.
    """
    import pandas as pd

    expected = "a table"
    try:
        table = pd.read_csv(
            io.StringIO(text), sep=delimiter, skipinitialspace=True, dtype=str, na_filter=False
        )
    except ValueError as error:  # pandas' own errors are ValueErrors
        text = f"one that cannot be read ({error})"
        raise fail(source, expected, text, "mend that line", described=True) from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas' answer to rows longer than the header
        text = "rows with more cells than the header"
        raise fail(source, expected, text, "give each column its name", described=True)
    # pandas tells columns of one name apart: 1, 1.1.
    if len(table.columns) and all(_NUMBER.fullmatch(str(name)) for name in table.columns):
        text = "numbers in its first line, which would be lost as names of columns"
        raise fail(source, "a table with a header", text, "name the columns", described=True)
    return Table(source, _columns(table))


def _read_parquet(file: Path) -> Table:
    """The columns of a Parquet file.

    Raises:
        ValueError: nothing is installed that reads it, or it is none.
    """
    import pandas as pd

    try:
        table = pd.read_parquet(file)
    except ImportError:
        do = "install pyarrow (pip install pyarrow), or save a CSV file"
        raise fail(str(file), "pyarrow or fastparquet", "neither", do, described=True) from None
    except Exception as error:  # of either library's own kind
        text, do = f"one that cannot be read ({error})", "save it again"
        raise fail(str(file), "a Parquet file", text, do, described=True) from None
    return Table(str(file), _columns(table))


def _columns(table: object) -> dict[str, np.ndarray]:
    """The columns of a table of pandas; None where a cell of text or of objects is missing."""
    import pandas as pd

    assert isinstance(table, pd.DataFrame)
    columns = {}
    for place, name in enumerate(table.columns):
        column = table.iloc[:, place]
        plain = isinstance(column.dtype, np.dtype) and column.dtype.kind != "O"
        columns[str(name).strip()] = (
            column.to_numpy()
            if plain
            else column.astype(object).where(column.notna(), None).to_numpy()
        )
    return columns


def _piped_bytes() -> bytes:
    """What standard input brings.

    Raises:
        ValueError: it is closed.
    """
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        do = "pipe a file into the command, or name it"
        raise fail("standard input", "an open one", "a closed one", do, described=True)
    return _read_bytes("standard input", stream)


def _read_bytes(source: str, stream: io.BufferedIOBase | object) -> bytes:
    """All bytes of a stream, if what becomes of them fits in memory.

    Raises:
        ValueError: it does not.
    """
    most = free_memory() // _MEMORY
    content = stream.read(most + 1)  # pyright: ignore[reportAttributeAccessIssue]
    if len(content) > most:
        do = "keep some 100 steps a decade, or save it as .npz"
        expected = f"at most {most / 2**20:,.0f} MiB of text, for the memory that is free"
        raise fail(source, expected, "more", do, described=True)
    return content
