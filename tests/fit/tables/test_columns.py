"""Which columns of a file are taken for what, how runs are told apart and rows merged."""

import io
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from helpers import assert_one_line_error

import jaxsup
from jaxsup.fit.tables.files import read_curves

LONG = """run,step,train_loss,val_loss,lr
a,10,2.0,2.1,1
b,10,3.0,3.1,1
b,20,2.5,,1
a,20,1.5,1.6,1
a,40,1.2,1.3,1
"""


def read(folder: Path, text: str, name: str = "a.csv", **options: Any) -> xr.Dataset:
    (folder / name).write_text(text)
    return read_curves(folder / name, **options)


def test_columns_called_loss_are_taken_alone_and_the_others_told(tmp_path: Path) -> None:
    text = "epoch,step,Train Loss,acc,val_loss\n0,1,3,.1,3.5\n0,2,2,.2,2.5\n"
    dataset = read(tmp_path, text)
    assert dataset["curve"].values.tolist() == ["Train Loss", "val_loss"]
    assert dataset.attrs["left_out"] == ["epoch", "acc"]
    told = "took Train Loss, val_loss for losses, left out epoch, acc; --loss NAME takes what it"
    assert dataset.attrs["notes"][0].startswith(told)
    named = read(tmp_path, text, loss=["acc", "val_loss", "acc"], step="step")
    assert named["curve"].values.tolist() == ["acc", "val_loss"]
    assert named.attrs["left_out"] == named.attrs["notes"] == []
    assert read(tmp_path, text, loss="acc")["curve"].values.tolist() == ["acc"]


def test_columns_of_text_are_no_curves_unless_named(tmp_path: Path) -> None:
    text = "note,step,a,b\nx,1,3,4\n,2,2,3\n"
    dataset = read(tmp_path, text)
    assert dataset["curve"].values.tolist() == ["a", "b"]
    assert dataset.attrs["left_out"] == ["note"]
    message = r"note: expected numbers; got a column with text \('x' in row 1\); name other"
    assert_one_line_error(lambda: read(tmp_path, text, loss="note"), message)


def test_the_first_column_holds_steps_where_none_is_called_so(tmp_path: Path) -> None:
    dataset = read(tmp_path, "tokens,a\n8,1\n4,2\n")
    assert dataset["step"].values.tolist() == [4, 8]
    assert dataset.attrs["notes"] == [
        "took 'tokens', the first column, for the steps; --step NAME takes another"
    ]
    assert dataset["step"].attrs == {"long_name": "tokens"}
    other = read(tmp_path, "a,tokens\n1,8\n2,4\n", step="tokens")
    assert other["step"].values.tolist() == [4, 8]


def test_rows_of_one_step_are_merged(tmp_path: Path) -> None:
    """As Lightning writes them: a row for what training has, one for what validation has."""
    text = (
        "epoch,step,train_loss,val_loss\n0,9,2.0,\n0,19,1.9,\n0,19,,2.1\n1,29,1.8,2.0\n1,29,1.8,\n"
    )
    dataset = read(tmp_path, text)
    assert dataset["step"].values.tolist() == [9, 19, 29]
    assert dataset["step"].attrs["units"] == "updates"
    np.testing.assert_array_equal(dataset["loss"][:, 0], [[2.0, 1.9, 1.8], [np.nan, 2.1, 2.0]])
    assert (dataset["status"] == 0).all()


def test_runs_are_curves_or_seeds(tmp_path: Path) -> None:
    a, b = [2.0, 1.5, 1.2], [3.0, 2.5, np.nan]
    one = read(tmp_path, LONG, by="run", loss="train_loss")
    assert one["curve"].values.tolist() == ["a", "b"]
    np.testing.assert_array_equal(one["loss"][:, 0], [a, b])
    both = read(tmp_path, LONG, by="run")
    assert both["curve"].values.tolist() == [
        *("a, train_loss", "a, val_loss", "b, train_loss", "b, val_loss"),
    ]
    np.testing.assert_array_equal(both["loss"][[0, 2], 0], [a, b])
    seeds = read(tmp_path, LONG, by="run", loss="train_loss", seeds=True)
    assert seeds["loss"].dims == ("seed", "step")
    np.testing.assert_array_equal(seeds["loss"], [a, b])
    several = read(tmp_path, LONG, by="run", seeds=True)
    assert several["loss"].dims == ("curve", "seed", "step")
    assert several["status"].dims == ("curve", "seed")
    assert several["curve"].values.tolist() == ["train_loss", "val_loss"]
    np.testing.assert_array_equal(several["loss"][0], [a, b])


def test_seeds_of_a_long_file_are_fitted_together(tmp_path: Path) -> None:
    rng, steps = np.random.default_rng(3), np.unique(np.round(np.geomspace(1, 1e4, 60)))
    loss = steps**-0.7 * np.exp(0.02 * rng.standard_normal((4, steps.size)))
    lines = [f"{t:g},{k},{loss[k, i]:.9g}" for k in range(4) for i, t in enumerate(steps)]
    dataset = read(tmp_path, "\n".join(["step,seed,loss", *lines]), by="seed", seeds=True)
    table = jaxsup.measure_exponents(dataset)
    direct = jaxsup.fit_power_law(steps, loss)
    assert int(table["seeds_used"]) == 4
    assert float(table["exponent"]) == pytest.approx(direct.exponent, rel=1e-6)
    assert direct.exponent == pytest.approx(0.7, abs=0.01)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", "step\tloss, mean\n1\t2\n2\t1\n"),
        ("a.txt", "step,loss\n1, 2\n2, 1\n"),
        ("a.txt", "\ufeff  step loss\n  1    2\n  2   1.0\n"),
        ("a.txt", "step\tloss\n1\t2\n2\t1\n"),
        ("noending", "run,step,loss\na,1,2\na,2,1\n"),
        ("a.LOG", "step loss\r\n1 2\r\n2 1\r\n"),
        ("a.txt", "step 1, loss 2\nstep 2, loss 1\n"),
        ("a.txt", '{"step": [1, 2], "loss": [2, 1]}'),
    ],
)
def test_what_separates_cells_is_seen(name: str, text: str, tmp_path: Path) -> None:
    dataset = read(tmp_path, text, name)
    assert dataset["step"].values.tolist() == [1, 2]
    np.testing.assert_array_equal(dataset["loss"], [[[2, 1]]])


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def pipe(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    pipe(b"step,loss\n1,2\n2,1\n")
    assert read_curves("-")["loss"].values.tolist() == [[[2, 1]]]
    for content in (b"\x93NUMPY\x01\x00", b"PK\x03\x04\xff", b"a\x00b"):
        pipe(content)
        message = "standard input: expected text; got bytes that are none; give the path of a .npy"
        assert_one_line_error(lambda: read_curves("-"), message)
    pipe(b"loss\xff")
    assert_one_line_error(lambda: read_curves("-"), "expected text; got .* can't decode byte 0xff")
    pipe(b"step,loss\n1,2\n2,1\n")
    monkeypatch.setattr("jaxsup.fit.tables.files.free_memory", lambda: 600)
    message = "standard input: expected at most 0 MiB of text, .*; got more; keep some 100 steps"
    assert_one_line_error(lambda: read_curves("-"), message)
    monkeypatch.setattr(sys, "stdin", None)
    assert_one_line_error(lambda: read_curves("-"), "an open one; got a closed one; pipe a file")


def test_tables_of_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"step": [1, 2], "loss": [2.0, None], "run": ["a", None]})
    path = tmp_path / "a.parquet"
    try:
        frame.to_parquet(path)
    except ImportError:
        path.touch()
        message = "expected pyarrow or fastparquet; got neither; install pyarrow"
        assert_one_line_error(lambda: read_curves(path), message)
        return
    np.testing.assert_array_equal(read_curves(path)["loss"], [[[2, np.nan]]])
    assert_one_line_error(lambda: read_curves(path, by="run"), "got nothing in row 2")
    path.write_bytes(b"PAR1")
    assert_one_line_error(lambda: read_curves(path), "a Parquet file; got one that cannot be read")


def test_what_reads_parquet_may_be_missing_or_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    path.touch()
    for error, message in (
        (ImportError("no engine"), "expected pyarrow or fastparquet; got neither; install pyarrow"),
        (OSError("no magic"), r"a Parquet file; got one that cannot be read \(no magic\); save it"),
    ):
        monkeypatch.setattr(pd, "read_parquet", Mock(side_effect=error))
        assert_one_line_error(lambda: read_curves(path), message)


def test_files_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.touch()
    monkeypatch.setattr(Path, "open", Mock(side_effect=PermissionError(13, "Permission denied")))
    message = "a file that can be read; got a refusal: Permission denied; check its permissions"
    assert_one_line_error(lambda: read_curves(path), message)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no column": ({"loss": "test_loss"}, "--loss: .*; got 'test_loss'; did you mean '(train|val)_"),
    "far": ({"step": "zzz"}, "got 'zzz'; choose one of run, step, train_loss, val_loss, lr"),
    "step as loss": ({"loss": "step"}, "--loss: expected another column than that of the steps"),
    "step as run": ({"by": "step"}, "--by: expected another column than that of the steps"),
    "loss as run": ({"by": "lr", "loss": "lr"}, "--by: expected another column than those of the"),
    "runs": ({}, r"got step 10 twice, with 2 and 3 in train_loss; .* with --by \(run, lr\)"),
    "told apart": ({"by": "lr"}, "got step 10 twice, .*; give each run its steps once"),
    "no run": (
        {"by": "val_loss"},
        "val_loss: expected a name of the run in every row; got nothing",
    ),
    "text": ({"step": "run"}, r"run: expected numbers; got a column with text \('a' in row 1\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_other_columns_are_refused(case: str, tmp_path: Path) -> None:
    options, message = BAD[case]
    assert_one_line_error(lambda: read(tmp_path, LONG, **options), message)


def test_steps_that_are_infinite(tmp_path: Path) -> None:
    message = "step: expected a step in every row; got inf in row 2; give each row its step"
    assert_one_line_error(lambda: read(tmp_path, "step,loss\n1,2\ninf,1\n"), message)


def test_more_losses_than_fits_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxsup.fit.tables.runs._MOST", 11)
    text = "at most 11 losses; got 2 runs of 2 columns at 3 steps; keep some 100 steps"
    assert_one_line_error(lambda: read(tmp_path, LONG, by="run"), text)


def test_files_of_other_endings(tmp_path: Path) -> None:
    message = "expected .csv, .tsv, .*; got a name that ends in '.xlsx'; save it as one of these"
    assert_one_line_error(lambda: read(tmp_path, "x", "a.xlsx"), message)
