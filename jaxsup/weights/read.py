"""Weight matrices from files: which tensor, which way round, and only finite real numbers."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxsup._internal.paths import local_path
from jaxsup._internal.system import free_memory
from jaxsup._internal.validation import check_choice, fail, suggest
from jaxsup.weights.formats import StoredTensor, list_tensors

ORIENTATIONS = ("latent-features", "features-latent")
"""What the rows and the columns of a stored matrix are, in this order."""

_LISTED = 12  # tensors that an error message names
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
        assumed: whether the orientation is the default: the longer side is the features.
    """

    matrix: Float[np.ndarray, "latent features"]
    path: Path
    tensor: str | None
    shape: tuple[int, int]
    dtype: str
    orientation: str
    assumed: bool

    def describe_orientation(self) -> str:
        """One line: what rows and columns of the file are, and who says so."""
        rows, columns = self.orientation.split("-")
        why = "as given"
        if self.assumed and self.shape[0] == self.shape[1]:
            why = "assumed, as it is square; --orientation turns it"
        elif self.assumed:
            why = "assumed: the longer side is the features; --orientation turns it"
        return f"rows are {rows}, columns are {columns} ({why})"


def read_weights(
    path: str | Path, *, tensor: str | None = None, orientation: str | None = None
) -> Weights:
    """Read W [latent, features] from a .npy, .npz or .safetensors file.

    Arguments:
        path: the file. Nothing in it is unpickled, and no other tensor is read (but where the type
            is float8, which takes the whole file).
        tensor: name of the matrix; not needed where the file holds a single one.
        orientation: what rows and columns of the stored matrix are; by default the longer side is
            taken for the features, and the columns of a square.

    Returns:
        The matrix as finite float32 or float64, with what the file says of it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not what its ending says or is damaged; there is no such tensor, or
            no single matrix; the tensor is no matrix, is empty, or holds anything but finite real
            numbers.
    """
    if orientation is not None:
        check_choice("orientation", orientation, ORIENTATIONS)
    chosen = _choose(str(path), list_tensors(path), tensor)
    what = f"{path}: {chosen.name}" if chosen.name else str(path)
    _check_matrix(what, chosen)
    rows, columns = chosen.shape
    settled = orientation or ("features-latent" if rows > columns else "latent-features")
    dtype = np.float32 if chosen.dtype.startswith("float8") or chosen.dtype in _SINGLE else float
    _check_memory(what, chosen, np.dtype(dtype))
    stored = chosen.load()
    turned = stored.T if settled == "features-latent" else stored
    matrix = np.asarray(turned.astype(dtype, order="C"))
    _check_finite(what, matrix if settled == "latent-features" else matrix.T)
    return Weights(
        matrix=matrix,
        path=local_path(path),
        tensor=chosen.name or None,
        shape=(rows, columns),
        dtype=chosen.dtype,
        orientation=settled,
        assumed=orientation is None,
    )


def _choose(path: str, tensors: Sequence[StoredTensor], name: str | None) -> StoredTensor:
    """The tensor of this name, or the only matrix."""
    if name is not None:
        for stored in tensors:
            if stored.name == name:
                return stored
        names = [stored.name for stored in tensors if stored.name]
        if not names:
            raise fail("tensor", f"no name, as {path} names none", name, "leave it out")
        do = suggest(name, names)
        if len(names) > _LISTED and not do.startswith("did"):
            do = f"choose one of {_listed(tensors)}"
        raise fail("tensor", f"the name of a tensor in {path}", name, do)
    matrices = [stored for stored in tensors if len(stored.shape) == 2]
    if len(tensors) == 1 or len(matrices) == 1:
        return (matrices or tensors)[0]
    if not matrices:
        text, do = _listed(tensors) or "no tensors", "save the matrix under a name"
        raise fail(path, "a matrix", text, do, described=True)
    do = f"name one with --tensor: {_listed(matrices)}"
    raise fail(path, "one matrix", f"{len(matrices)} of them", do, described=True)


def _listed(tensors: Sequence[StoredTensor]) -> str:
    parts = [f"{stored.name} {list(stored.shape)}" for stored in tensors[:_LISTED]]
    more = len(tensors) - len(parts)
    return ", ".join(parts) + (f" and {more} more (--list shows all)" if more else "")


def _check_matrix(what: str, stored: StoredTensor) -> None:
    if stored.problem:
        do = "save an array of numbers"
        if stored.dtype == "|V2":
            do = "NumPy files lose the name of bfloat16: save float32, or a .safetensors file"
        elif "complex" in stored.problem:
            do = "save the real part, or stack real and imaginary parts along the latent axis"
        raise fail(what, "finite real numbers", stored.problem, do, described=True)
    if len(stored.shape) != 2:
        text = f"a tensor of shape {stored.shape}"
        do = "save one matrix, or name another tensor"
        raise fail(what, "a matrix, 2 axes", text, do, described=True)
    if 0 in stored.shape:
        text, do = f"a matrix of shape {stored.shape}", "save a matrix that is not empty"
        raise fail(what, "at least one row and one column", text, do, described=True)


def _check_memory(what: str, stored: StoredTensor, dtype: np.dtype) -> None:
    """Raise unless the tensor as stored, and again as W, fits in the memory that is free."""
    entries = math.prod(stored.shape)
    need, free = stored.nbytes + entries * dtype.itemsize, free_memory()
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
