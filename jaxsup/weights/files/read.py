"""Weight matrices from files: which tensor, which way round, and only finite real numbers."""

import dataclasses
import math
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxsup._internal.display import named
from jaxsup._internal.system import free_memory
from jaxsup._internal.text import plain_name
from jaxsup._internal.validation import check_choice, fail
from jaxsup.weights.files.formats import StoredTensor
from jaxsup.weights.files.orientation import ORIENTATIONS, Orientation, Reason, settle_orientation
from jaxsup.weights.files.shards import list_checkpoint
from jaxsup.weights.files.tensors import select_tensors, single_matrix

# Types whose every number is also a float32.
_SINGLE = {"float32", "float16", "bfloat16", "int8", "uint8", "int16", "uint16"}


@dataclasses.dataclass(frozen=True, eq=False)
class Weights:
    """A weight matrix, turned to [latent, features], and where it comes from.

    Attributes:
        matrix: W: float32 where that holds every number of the stored type, else float64.
        path: the file.
        tensor: name in the file; None in a .npy.
        shape: as stored.
        dtype: as stored.
        orientation: what rows and columns of the stored matrix are.
        reason: who says so; see `jaxsup.weights.files.orientation`.
    """

    matrix: Float[np.ndarray, "latent features"]
    path: Path
    tensor: str | None
    shape: tuple[int, int]
    dtype: str
    orientation: str
    reason: Reason

    def __repr__(self) -> str:
        latent, features = self.matrix.shape
        where = f"{self.tensor} in {self.path.name}" if self.tensor else self.path.name
        text = f"[{latent:,}, {features:,}], stored as {self.dtype}, {where}"
        return named(self, plain_name(text))

    @property
    def assumed(self) -> bool:
        """Whether the orientation is a default, and not given."""
        return self.reason != "given"

    def describe_orientation(self) -> str:
        """One line: what rows and columns of the file are, and who says so."""
        return Orientation(self.orientation, self.reason).describe()


def read_weights(
    path: str | Path, *, tensor: str | None = None, orientation: str | None = None
) -> Weights:
    """Read W [latent, features] from a .npy, .npz or .safetensors file, or from a checkpoint.

    Arguments:
        path: the file, the .safetensors.index.json of a model in several files, or a folder in
            which just one of these lies. Nothing in it is unpickled, and no other tensor is read
            (but where the type is float8, which takes the whole file).
        tensor: name of the matrix, or a pattern as "*.wte.weight" that fits a single one; not
            needed where the file holds a single one.
        orientation: what rows and columns of the stored matrix are; by default rows of what has the
            name of an embedding are features, else the longer side, and the columns of a square;
            see `jaxsup.weights.files.orientation`.

    Returns:
        The matrix as finite float32 or float64, with what the file says of it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not what its ending says or is damaged, or a folder holds none or
            several; there is no such tensor, or no single matrix; the tensor is no matrix, is
            empty, or holds anything but finite real numbers.
    """
    if orientation is not None:
        check_choice("orientation", orientation, ORIENTATIONS)
    patterns = () if tensor is None else (tensor,)
    selection = select_tensors(str(path), list_checkpoint(path), patterns)
    stored = single_matrix(str(path), selection.chosen)
    return read_matrix(stored, orientation=orientation)


def read_matrix(stored: StoredTensor, *, orientation: str | None = None, spare: int = 0) -> Weights:
    """Read one tensor as a matrix.

    Arguments:
        stored: of `jaxsup.weights.files.shards.list_checkpoint`.
        orientation: what rows and columns are; default: see `read_weights`.
        spare: bytes of memory that must be free besides.

    Raises:
        ValueError: it is no matrix, is empty, does not fit in the free memory, or holds anything
            but finite real numbers.
    """
    what = f"{stored.path}: {stored.name}" if stored.name else str(stored.path)
    _check_matrix(what, stored)
    rows, columns = stored.shape
    settled = settle_orientation(stored.name, (rows, columns), orientation)
    dtype = np.dtype(np.float32 if _holds_single(stored.dtype) else np.float64)
    _check_memory(what, stored, dtype, spare)
    numbers = stored.load()
    turned = numbers.T if settled.value == "features-latent" else numbers
    matrix = np.asarray(turned.astype(dtype, order="C"))
    _check_finite(what, matrix if settled.value == "latent-features" else matrix.T)
    return Weights(
        matrix=matrix,
        path=stored.path,
        tensor=stored.name or None,
        shape=(rows, columns),
        dtype=stored.dtype,
        orientation=settled.value,
        reason=settled.reason,
    )


def _holds_single(dtype: str) -> bool:
    """Whether every number of a type, whatever its byte order, is also a float32."""
    name = np.dtype(dtype).name if dtype.startswith((">", "<")) else dtype
    return name.startswith("float8") or name in _SINGLE


def _check_matrix(what: str, stored: StoredTensor) -> None:
    if stored.problem:
        do = "save an array of numbers"
        if stored.dtype == "|V2":
            do = "NumPy files lose the name of bfloat16: save float32, or a .safetensors file"
        elif "complex" in stored.problem:
            do = "stack real and imaginary parts along the latent axis, 2K x N"
        raise fail(what, "finite real numbers", stored.problem, do, described=True)
    if len(stored.shape) != 2:
        text = f"a tensor of shape {stored.shape}"
        do = "save one matrix, or name another tensor"
        raise fail(what, "a matrix, 2 axes", text, do, described=True)
    if 0 in stored.shape:
        text, do = f"a matrix of shape {stored.shape}", "save a matrix that is not empty"
        raise fail(what, "at least one row and one column", text, do, described=True)


def _check_memory(what: str, stored: StoredTensor, dtype: np.dtype, spare: int) -> None:
    """Raise unless the tensor as stored, again as W, and `spare` bytes fit in the free memory."""
    entries = math.prod(stored.shape)
    need, free = stored.nbytes + entries * dtype.itemsize + spare, free_memory()
    if need > free:
        expected = f"a matrix that fits in the {free / 2**30:.3g} GiB of free memory"
        text = f"{stored.shape[0]:,} x {stored.shape[1]:,} numbers that take {need / 2**30:.3g} GiB"
        raise fail(what, expected, text, "save fewer rows or columns", described=True)


def _check_finite(what: str, matrix: Float[np.ndarray, "rows columns"]) -> None:
    finite = np.isfinite(matrix)
    if finite.all():
        return
    row, column = np.argwhere(~finite)[0]
    text = f"{finite.size - int(finite.sum()):,} NaN or infinite entries, "
    text += f"the first at [{row}, {column}]"
    raise fail(what, "finite real numbers", text, "leave out runs that diverged", described=True)
