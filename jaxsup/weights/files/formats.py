"""What .npy, .npz and .safetensors files hold: names, shapes and types first, numbers on demand.

Nothing is ever unpickled, and headers are checked against the size of the file before a byte of
data is read: of safetensors, by the library of that name.
"""

import dataclasses
import math
import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import IO, Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped
from safetensors import SafetensorError, deserialize, safe_open

from jaxsup._internal.paths import local_path
from jaxsup._internal.validation import fail

ENDINGS = (".npy", ".npz", ".safetensors")

# What safetensors' names of types are in NumPy; a type that is not here is refused.
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
    (b"version https://git-lfs", None, "a Git LFS pointer"),
)
_LONGEST_HEADER = 10_000  # bytes, as NumPy has it
_BAD_HEADER = (ValueError, TypeError, SyntaxError, tokenize.TokenError)
_BAD_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)


@dataclasses.dataclass(frozen=True)
class StoredTensor:
    """One tensor of a file, not yet read.

    Attributes:
        path: the file.
        name: in the file; empty in a .npy, which holds one array without a name.
        shape: as stored.
        dtype: type of the numbers, as in "float32" or "bfloat16".
        problem: why it cannot be read as real numbers; empty where it can.
        nbytes: bytes of memory that reading it takes.
        load: reads it and no other (but see `_load_float8`); a .npy is memory-mapped.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: str
    problem: str
    nbytes: int
    load: Callable[[], Shaped[np.ndarray, "..."]]


def list_tensors(path: str | Path) -> list[StoredTensor]:
    """The tensors of a .npy, .npz or .safetensors file, in the order of the file.

    Arguments:
        path: the file; its ending says what it holds.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the ending is another, the content is not what the ending says, or the file is
            cut short or damaged.
    """
    file = local_path(path)
    ending = file.suffix.lower()
    if ending not in ENDINGS:
        text = f"a name that ends in {ending!r}" if ending else "a name without an ending"
        do = "save the weights as one of these"
        expected = ".npy, .npz or .safetensors, a .safetensors.index.json or a folder"
        raise fail(str(file), expected, text, do, described=True)
    check_file(file)
    try:
        _check_magic(file, ending)
        return {".npy": _open_npy, ".npz": _open_npz, ".safetensors": _open_safetensors}[ending](
            file
        )
    except OSError as error:
        raise refusal(file, "a file", error) from None


def check_file(file: Path) -> None:
    """Raise unless a file is there: a device would be read without end."""
    if not file.exists():
        raise FileNotFoundError(f"{file}: expected a file; got none there; check the path")
    if not file.is_file():
        do = "give the file with the weights"
        raise fail(str(file), "a file", "a device or pipe", do, described=True)


def refusal(path: Path, kind: str, error: OSError) -> ValueError:
    """The error for a file or folder that the machine does not let this process read."""
    text = f"a refusal: {error.strerror or error}"
    expected, do = f"{kind} that can be read", "check its permissions"
    return fail(str(path), expected, text, do, described=True)


def _check_magic(file: Path, ending: str) -> None:
    """Raise unless the first bytes are those of the format that the ending names."""
    with file.open("rb") as stream:
        head = stream.read(32)
    content, text = None, "a file of unknown content" if head else "a file of 0 bytes"
    if head[8:9] == b"{":
        content, text = ".safetensors", "a safetensors file"
    for magic, kind, description in () if content else _MAGIC:
        if head.startswith(magic):
            content, text = kind, description
            break
    if content != ending:
        do = f"rename it to {content}" if content else "save the weights again"
        if "LFS" in text:
            do = "fetch the file itself with `git lfs pull`"
        raise fail(str(file), f"the content of a {ending} file", text, do, described=True)


def _open_npy(file: Path) -> list[StoredTensor]:
    with file.open("rb") as stream:
        shape, dtype = _read_header(stream, str(file))
        _check_size(str(file), shape, dtype, file.stat().st_size - stream.tell())
    load = partial(np.load, file, mmap_mode="r", allow_pickle=False)
    return [StoredTensor(file, "", shape, str(dtype), _problem(dtype), 0, load)]


def _open_npz(file: Path) -> list[StoredTensor]:
    tensors = []
    try:
        with zipfile.ZipFile(file) as archive:
            members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
            for name, count in Counter(m.filename for m in members).items():
                if count > 1:
                    text = f"{count} called {name.removesuffix('.npy')!r}"
                    expected, do = "tensors of different names", "save the archive again"
                    raise fail(str(file), expected, text, do, described=True)
            for member in members:
                name = member.filename.removesuffix(".npy")
                with archive.open(member) as stream:
                    shape, dtype = _read_header(stream, f"{file}: {name}")
                    size = member.file_size - stream.tell()
                _check_size(f"{file}: {name}", shape, dtype, size)
                load = partial(_load_member, file, member.filename)
                problem, nbytes = _problem(dtype), math.prod(shape) * dtype.itemsize
                tensors.append(StoredTensor(file, name, shape, str(dtype), problem, nbytes, load))
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise _damaged(str(file), error) from None
    return tensors


def _load_member(file: Path, member: str) -> Shaped[np.ndarray, "..."]:
    try:
        with zipfile.ZipFile(file) as archive, archive.open(member) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)
    except _BAD_ARCHIVE as error:
        raise _damaged(f"{file}: {member.removesuffix('.npy')}", error) from None


def _open_safetensors(file: Path) -> list[StoredTensor]:
    try:
        # The library checks the header: types, sizes, overlaps, the length of the file.
        with safe_open(file, framework="numpy") as content:
            slices = {name: content.get_slice(name) for name in content.offset_keys()}
            return [_describe_slice(file, name, stored) for name, stored in slices.items()]
    except SafetensorError as error:
        raise _damaged(str(file), error) from None


def _describe_slice(file: Path, name: str, stored: Any) -> StoredTensor:
    kind, shape = stored.get_dtype(), tuple(stored.get_shape())
    if kind not in _SAFETENSORS_TYPES:
        load = partial(_load_safetensor, file, name)
        return StoredTensor(file, name, shape, kind, f"a tensor of type {kind}", 0, load)
    dtype = np.dtype(_SAFETENSORS_TYPES[kind])
    # Of float8 the whole file is read, and its tensors are copied out of it.
    whole = 2 * file.stat().st_size if kind.startswith("F8") else 0
    load = partial(_load_float8 if whole else _load_safetensor, file, name)
    nbytes = whole or math.prod(shape) * dtype.itemsize
    return StoredTensor(file, name, shape, str(dtype), _problem(dtype), nbytes, load)


def _load_safetensor(file: Path, name: str) -> Shaped[np.ndarray, "..."]:
    with safe_open(file, framework="numpy") as content:
        return content.get_tensor(name)


def _load_float8(file: Path, name: str) -> Shaped[np.ndarray, "..."]:
    """A tensor of float8, for which `safe_open` has no NumPy type: the whole file is read."""
    stored = dict(deserialize(file.read_bytes()))[name]
    dtype = np.dtype(_SAFETENSORS_TYPES[stored["dtype"]])
    return np.frombuffer(stored["data"], dtype).reshape(stored["shape"])


def _read_header(stream: IO[bytes] | BufferedIOBase, what: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array in NumPy's format; the stream then stands at its data."""
    try:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise ValueError(f"version {version[0]}.{version[1]} of the format is unknown")
        head = stream.read(2 if version == (1, 0) else 4)
        length = int.from_bytes(head, "little")
        if length > _LONGEST_HEADER:  # it may unpack from little, and is read as a whole
            raise ValueError(f"a header of {length:,} bytes")
        header = BytesIO(head + stream.read(length))
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(header)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(header)
        if any(type(size) is not int or size < 0 for size in shape):
            raise ValueError(f"a shape {shape}")
    except _BAD_HEADER as error:
        raise _damaged(what, error) from None
    return tuple(shape), dtype


def _check_size(what: str, shape: tuple[int, ...], dtype: np.dtype, size: int) -> None:
    length = math.prod(shape) * dtype.itemsize
    if not dtype.hasobject and size < length:
        text, do = f"{size:,} bytes", "copy or save the file again"
        raise fail(what, f"{length:,} bytes of data", text, do, described=True)


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
    text = f"a damaged one: {' '.join(str(error).split()) or type(error).__name__}"
    do = "copy or save the file again"
    return fail(what, "a file that can be read", text, do, described=True)
