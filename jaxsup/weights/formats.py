"""What .npy, .npz and .safetensors files hold: names, shapes and types first, numbers on demand.

Nothing is ever unpickled, and headers are checked against the size of the file before a byte of
data is read.
"""

import dataclasses
import json
import math
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import IO

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open

from jaxsup._internal.validation import fail

ENDINGS = (".npy", ".npz", ".safetensors")

_SAFETENSORS_TYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": jnp.bfloat16,
    "F8_E4M3": jnp.float8_e4m3fn,
    "F8_E5M2": jnp.float8_e5m2,
    "C64": np.complex64,
    "BOOL": np.bool_,
    **{f"{kind}{8 * size}": f"{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)},
}
# First bytes, and what a file that begins with them is.
_MAGIC = (
    (b"\x93NUMPY", ".npy", "a NumPy array"),
    (b"PK\x03\x04", ".npz", "a ZIP archive"),
    (b"PK\x05\x06", ".npz", "a ZIP archive"),
    (b"\x89HDF", None, "a HDF5 file"),
    (b"\x80", None, "a Python pickle"),
)
_BAD_HEADER = (ValueError, TypeError, SyntaxError, tokenize.TokenError)
_BAD_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)


@dataclasses.dataclass(frozen=True)
class StoredTensor:
    """One tensor of a file, not yet read."""

    name: str
    """Its name in the file; empty in a .npy, which holds one array without a name."""
    shape: tuple[int, ...]
    dtype: str
    """Type of the numbers, as in "float32" or "bfloat16"."""
    problem: str
    """Why it cannot be read as real numbers; empty where it can."""
    load: Callable[[], np.ndarray]
    """Read it: memory-mapped where the file allows that."""


def list_tensors(path: str | Path) -> list[StoredTensor]:
    """The tensors of a .npy, .npz or .safetensors file, in the order of the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the ending is another, the content is not what the ending says, or the file is
            cut short or damaged.
    """
    file = Path(path)
    ending = file.suffix.lower()
    if ending not in ENDINGS:
        got = f"a name that ends in {ending!r}" if ending else "a name without an ending"
        raise fail(str(file), ".npy, .npz or .safetensors", got, "save the weights as one of these")
    if not file.exists():
        raise FileNotFoundError(f"{file}: expected a file; got none there; check the path")
    if not file.is_file():
        raise fail(str(file), "a file", "a directory or device", "give the file with the weights")
    try:
        _check_magic(file, ending)
        return {".npy": _open_npy, ".npz": _open_npz, ".safetensors": _open_safetensors}[ending](
            file
        )
    except OSError as error:
        got = f"a refusal: {error.strerror or error}"
        raise fail(str(file), "a file that can be read", got, "check its permissions") from None


def _check_magic(file: Path, ending: str) -> None:
    """Raise unless the first bytes are those of the format that the ending names."""
    with file.open("rb") as stream:
        head = stream.read(9)
    seen, what = None, "a file of unknown content" if head else "a file of 0 bytes"
    if head[8:] == b"{":
        seen, what = ".safetensors", "a safetensors file"
    for magic, kind, text in () if seen else _MAGIC:
        if head.startswith(magic):
            seen, what = kind, text
            break
    if seen != ending:
        do = f"rename it to {seen}" if seen else "save the weights again"
        raise fail(str(file), f"the content of a {ending} file", what, do)


def _open_npy(file: Path) -> list[StoredTensor]:
    with file.open("rb") as stream:
        shape, dtype = _read_header(stream, str(file))
        _check_size(str(file), shape, dtype, file.stat().st_size - stream.tell())
    load = partial(np.load, file, mmap_mode="r", allow_pickle=False)
    return [StoredTensor("", shape, str(dtype), _problem(dtype), load)]


def _open_npz(file: Path) -> list[StoredTensor]:
    found = []
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(".npy"):
                    continue
                name = member.filename.removesuffix(".npy")
                with archive.open(member) as stream:
                    shape, dtype = _read_header(stream, f"{file}: {name}")
                    size = member.file_size - stream.tell()
                _check_size(f"{file}: {name}", shape, dtype, size)
                load = partial(_load_member, file, member.filename)
                found.append(StoredTensor(name, shape, str(dtype), _problem(dtype), load))
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise _damaged(str(file), error) from None
    return found


def _load_member(file: Path, member: str) -> np.ndarray:
    try:
        with zipfile.ZipFile(file) as archive, archive.open(member) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)
    except _BAD_ARCHIVE as error:
        raise _damaged(f"{file}: {member.removesuffix('.npy')}", error) from None


def _open_safetensors(file: Path) -> list[StoredTensor]:
    try:
        with safe_open(file, framework="numpy"):
            pass  # the library checks the header: types, sizes, overlaps, the length of the file
    except SafetensorError as error:
        raise _damaged(str(file), error) from None
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    header.pop("__metadata__", None)
    found = []
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"][0]):
        known = _SAFETENSORS_TYPES.get(entry["dtype"])
        dtype = None if known is None else np.dtype(known)
        load = partial(_map_bytes, file, dtype, entry["shape"], 8 + length, entry["data_offsets"])
        text = entry["dtype"] if dtype is None else str(dtype)
        problem = f"a tensor of type {text}" if dtype is None else _problem(dtype)
        found.append(StoredTensor(name, tuple(entry["shape"]), text, problem, load))
    return found


def _map_bytes(
    file: Path, dtype: np.dtype | None, shape: list[int], start: int, offsets: list[int]
) -> np.ndarray:
    size = offsets[1] - offsets[0]
    raw = np.memmap(file, np.uint8, "r", offset=start + offsets[0], shape=(size,))
    return raw.view(np.uint8 if dtype is None else dtype).reshape(shape)


def _read_header(stream: IO[bytes] | BufferedIOBase, what: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array in NumPy's format; the stream then stands at its data."""
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    except _BAD_HEADER as error:
        raise _damaged(what, error) from None
    return tuple(shape), dtype


def _check_size(what: str, shape: tuple[int, ...], dtype: np.dtype, size: int) -> None:
    wanted = math.prod(shape) * dtype.itemsize
    if not dtype.hasobject and (size < wanted or min(shape, default=0) < 0):
        got = f"a rest of {size:,} bytes"
        raise fail(what, f"{wanted:,} bytes of data", got, "copy or save the file again")


def _problem(dtype: np.dtype) -> str:
    """Why numbers of this type are no real numbers."""
    if dtype.hasobject:
        return "a pickle of Python objects"
    if dtype.kind == "c":
        return "a tensor of complex numbers"
    if dtype.kind in "fiu" or jnp.issubdtype(dtype, jnp.floating):
        return ""
    return f"a tensor of type {dtype}"


def _damaged(what: str, error: BaseException) -> ValueError:
    got = f"a damaged one: {' '.join(str(error).split()) or type(error).__name__}"
    return fail(what, "a file that can be read", got, "copy or save the file again")
