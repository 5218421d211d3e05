"""Weight files that are none, and command lines that make no sense, each through the command.

A trial holds if the command ends with status 2 and says so (one line; of what the parser of the
command line refuses, its box) without control characters and traceback, or if it prints the
numbers that NumPy's or safetensors' own reader finds in the same file.
"""

import contextlib
import io
import json
import re
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from helpers import FORM
from safetensors.numpy import load as load_safetensors
from trials.outcome import Outcome
from weight_files import write_safetensors

from jaxsup.cli.main import main

SHAPE = (3, 5)
ENDINGS = ("npy", "npz", "packed.npz", "safetensors")
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
VALUES = (
    *("", "-1", "0", "1", "2.5", "nan", "-inf", "1e400", "9" * 400, "0x10", "true", "None", "1/0"),
    *("\x1b[2J", "\x1b]0;title\x07", "a\nb", "\u202egnp", "ü", "~", "~/none/x.png", "/dev/null"),
    *("s3://bucket/x.png", "file:///x.npy", "..", "no/x.png", "x.gif", "x.png", "w.npy", "=", "--"),
)
OPTIONS = {
    "spectrum": (
        *("--tensor", "--orientation", "--tolerance", "--cluster-tolerance", "--out", "--features"),
        *("--component", "--full", "--list", "--json", "--force"),
    ),
    "fit": (
        *("--window", "--after", "--floor", "--regimes", "--local", "--seeds", "--json", "--step"),
        *("--loss", "--by", "--out", "--force"),
    ),
    "plot": (
        *("--out", "--kind", "--at", "--window", "--after", "--regimes", "--seeds", "--force"),
        *("--step", "--loss", "--by"),
    ),
    "info": ("--json",),
    "sweep": ("--out", "--seeds", "--memory", "--chunk", "--shard", "--devices", "--process-id"),
    "reproduce": ("--scale", "--out", "--weights", "--tensor", "--resume"),
}
FLAGS = (
    *("--full", "--list", "--json", "--force", "--floor", "--regimes", "--local", "--seeds"),
    *("--resume",),
)
SOURCES = ("w.npy", "curves.csv", "none.toml", "none.npy", ".", "real-weights", *VALUES[15:20])


class Ended(NamedTuple):
    """How a command ended.

    Attributes:
        status: exit status; None where it ended by an exception.
        out, err: what it printed.
    """

    status: int | None
    out: str
    err: str


def command(*arguments: str) -> Ended:
    """The command in this process, with these arguments."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["jaxsup", *arguments]),
        patch.object(sys, "stdout", out),
        patch.object(sys, "stderr", err),
        # Devices are settled once a process, before this.
        patch("jaxsup.cli.spectrum.configure_devices"),
        patch("jaxsup.cli.sweep.configure_devices"),
        patch("jaxsup.cli.reproduce.configure_devices"),
    ):
        try:
            main()
            status = 0
        except SystemExit as stopped:
            status = stopped.code if isinstance(stopped.code, int) else 1
        except BaseException as error:  # any other end is a traceback to the user
            return Ended(None, out.getvalue(), f"{type(error).__name__}: {error}")
    return Ended(status, out.getvalue(), err.getvalue())


def is_refused(ended: Ended) -> bool:
    """Whether it was refused in one line, or in the box of the parser, and nothing printed."""
    line = ended.err.removesuffix("\n")
    told = line.startswith("jaxsup: ") and "\n" not in line and FORM.search(line)
    return ended.status == 2 and not ended.out and bool(told or "For full helptext, " in line)


def is_clean(ended: Ended) -> bool:
    """Whether no control character and no traceback was printed."""
    text = ended.out + ended.err
    return ended.status is not None and not CONTROL.search(text) and "Traceback" not in text


def stored_matrix(path: Path) -> np.ndarray | None:
    """The only matrix of a file as other readers have it; None where they have none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path.suffix == ".safetensors":
                arrays = list(load_safetensors(path.read_bytes()).values())
            else:
                content = np.load(path, allow_pickle=False)
                arrays = [content[name] for name in content] if path.suffix == ".npz" else [content]
            matrices = [array for array in arrays if array.ndim == 2] or arrays
            return np.asarray(matrices[0], np.float64) if len(matrices) == 1 else None
    except Exception:  # whatever these readers raise: they have none
        return None


def try_file(kind: str, case: str, path: Path) -> Outcome:
    """`jaxsup spectrum FILE --json` of a file that may be bad."""
    ended = command("spectrum", str(path), "--orientation", "latent-features", "--json")
    held = is_clean(ended) and is_refused(ended)
    if is_clean(ended) and ended.status == 0:
        matrix, found = stored_matrix(path), json.loads(ended.out)
        if matrix is not None and found["shape"] == list(matrix.shape):
            norms = np.linalg.norm(matrix, axis=0)
            held = np.allclose(found["per_feature"]["norms"], norms, rtol=1e-4, atol=1e-6)
    got = (ended.err or ended.out).strip()[:300]
    return Outcome(kind, f"{path.name!r}: {case}", bool(held), f"status {ended.status}: {got!r}")


def good_file(folder: Path, ending: str, matrix: np.ndarray, name: str = "w") -> Path:
    """A file that holds one matrix."""
    path = folder / f"w.{ending}"
    if ending == "npy":
        np.save(path, matrix)
    elif ending == "safetensors":
        kind = {"f": f"F{8 * matrix.dtype.itemsize}", "i": f"I{8 * matrix.dtype.itemsize}"}
        write_safetensors(path, {name: (kind[matrix.dtype.kind], matrix.shape, matrix.tobytes())})
    else:
        pack = zipfile.ZIP_DEFLATED if ending.startswith("packed") else zipfile.ZIP_STORED
        stream = io.BytesIO()
        np.save(stream, matrix)
        with zipfile.ZipFile(path, "w", pack) as archive:
            archive.writestr(f"{name}.npy", stream.getvalue())
    return path


def cut(folder: Path, rng: np.random.Generator) -> Outcome:
    """A file that ends too early."""
    path = good_file(folder, str(rng.choice(ENDINGS)), rng.standard_normal(SHAPE))
    content = path.read_bytes()
    length = int(rng.integers(len(content)))
    path.write_bytes(content[:length])
    return try_file("weights file cut short", f"{length} of {len(content)} bytes", path)


def flip(folder: Path, rng: np.random.Generator) -> Outcome:
    """One bit of a file; half of them in its first 200 bytes."""
    path = good_file(folder, str(rng.choice(ENDINGS)), rng.standard_normal(SHAPE))
    content = bytearray(path.read_bytes())
    place = int(rng.integers(min(200, len(content)) if rng.integers(2) else len(content)))
    bit = int(rng.integers(8))
    content[place] ^= 1 << bit
    path.write_bytes(content)
    return try_file("one bit of a weights file flipped", f"bit {bit} of byte {place}", path)


def header(folder: Path, rng: np.random.Generator) -> Outcome:
    """A header that promises something else than the bytes behind it."""
    shape = str(
        rng.choice(["(True, True)", "(-3, 5)", "(3, 5)", "(5,)", "(2**40, 5)", "'x'", "()"])
    )
    kind = str(rng.choice(["<f4", "<f8", ">f4", "|O", "<c8", "|V2", "<U3", "[('a', '<f4')]", "?"]))
    data = rng.standard_normal(SHAPE).astype(np.float32).tobytes()
    if rng.integers(2):
        path, version = folder / "w.npy", int(rng.choice([0, 1, 2, 3, 9, 255]))
        quoted = kind if kind.startswith("[") else repr(kind)
        text = (
            f"{{'descr': {quoted}, 'fortran_order': {rng.choice(['True', '0'])}, 'shape': {shape}}}"
        )
        length = len(text).to_bytes(2 if version == 1 else 4, "little")
        path.write_bytes(b"\x93NUMPY" + bytes([version, 0]) + length + text.encode() + data)
    else:
        path = folder / "w.safetensors"
        text = json.dumps(
            {
                "w": {
                    "dtype": str(rng.choice(["F32", "F64", "C64", "F9", "BOOL", "I8", "F8_E4M3"])),
                    "shape": [int(n) for n in rng.choice([-1, 0, 1, 3, 5, 15, 2**62], 2)],
                    "data_offsets": [int(n) for n in rng.choice([-4, 0, 4, 60, 2**63], 2)],
                }
            }
        )
        length = int(rng.choice([len(text), len(text), 0, 2**40]))
        path.write_bytes(length.to_bytes(8, "little") + text.encode() + data)
    return try_file("header of a weights file made up", text, path)


def array(folder: Path, rng: np.random.Generator) -> Outcome:
    """A file that is whole, of numbers that may be no matrix of weights."""
    shape = ((3, 5), (3, 5), (1, 1), (3, 0), (), (5,), (2, 3, 5))[rng.integers(7)]
    numbers = rng.standard_normal(shape)
    worth = (1.0, 0.0, np.nan, np.inf, 1e300, 1e-300, 1e30, 1e16)[rng.integers(8)]
    spoilt = np.where(rng.random(shape) < rng.random(), worth, numbers)
    kinds = ("f8", "f4", "f2", ">f8", "i4", "u8", "c16", "?", "U5", "O", "M8[s]", "g")
    kind = kinds[rng.integers(len(kinds))]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stored = np.asarray(spoilt * (3 if kind[0] in "iu" else 1))
        stored = (
            np.nan_to_num(stored, posinf=9).astype(kind)
            if kind[0] in "iuM"
            else stored.astype(kind)
        )
    path = folder / "w.npy"
    np.save(path, stored, allow_pickle=True)
    case = f"{stored.dtype} of shape {shape}, some {worth}"
    return try_file("array of any shape, type and size of numbers", case, path)


def names(folder: Path, rng: np.random.Generator) -> Outcome:
    """A tensor and a file with any name."""
    letters = [
        *"ab/ .$%{}[]\\",
        "\x1b[31m",
        "\x07",
        "\n",
        "\r",
        "\x9b",
        "\u202e",
        "ü",
        "\udcff",
        "🐍",
    ]
    name = "".join(letters[k] for k in rng.integers(len(letters), size=6))
    inner = name.replace("\udcff", "")  # JSON in UTF-8 has none
    path = good_file(folder, "safetensors", rng.standard_normal(SHAPE), inner or "w")
    renamed = path.rename(folder / f"{name.replace('/', '')}.safetensors")
    wanted = ("--tensor", str(rng.choice([inner, "other"]))) if rng.integers(2) else ()
    options = wanted or (("--list",) if rng.integers(2) else ())
    ended = command("spectrum", str(renamed), *options)
    renamed.unlink()
    held = is_clean(ended) and (ended.status == 0 or is_refused(ended))
    got = f"status {ended.status}: {(ended.err or ended.out).strip()[:300]!r}"
    return Outcome("names with control characters", f"{name!r} {options}", held, got)


def line(folder: Path, rng: np.random.Generator) -> Outcome:
    """A command line drawn from options and values that need not fit."""
    np.save(folder / "w.npy", np.eye(*SHAPE))
    (folder / "curves.csv").write_text(
        "step,loss\n" + "".join(f"{t},{1 / t}\n" for t in range(1, 60))
    )
    for picture in folder.glob("*.png"):
        picture.unlink()
    names = list(OPTIONS)
    name = names[rng.integers(len(names))]
    words = [name, SOURCES[rng.integers(len(SOURCES))]]
    if rng.integers(2):
        words[1] = {"spectrum": "w.npy", "fit": "curves.csv", "plot": "curves.csv"}.get(name, ".")
    if name in ("sweep", "reproduce"):  # nothing is to be trained
        words[1] = "none.toml" if name == "sweep" else str(rng.choice(["real-weights", "none"]))
    if name in ("plot", "sweep") and rng.integers(4):
        words += ["--out", VALUES[rng.integers(len(VALUES))]]
    for _ in range(rng.integers(1, 3)):
        option = OPTIONS[name][rng.integers(len(OPTIONS[name]))]
        usual = {"--window": 2}.get(option, int(option not in FLAGS))
        size = usual if rng.integers(8) else rng.integers(3)
        words += [option, *(VALUES[k] for k in rng.integers(len(VALUES), size=size))]
    ended = command(*words)
    held = is_clean(ended) and (ended.status == 0 or is_refused(ended))
    got = f"status {ended.status}: {(ended.err or ended.out).strip()[:300]!r}"
    return Outcome("command line of any options and values", repr(words), held, got)


KINDS: tuple[Callable[[Path, np.random.Generator], Outcome], ...] = (
    *(cut, flip, header, array, names, line),
)


def trials(folder: Path, count: int, seed: int) -> Iterator[Outcome]:
    """Try `count` cases of each kind."""
    for number, make in enumerate(KINDS):
        for case in range(count):
            rng = np.random.default_rng([seed, number, case])
            with contextlib.chdir(folder):
                outcome = make(folder, rng)
            yield outcome
