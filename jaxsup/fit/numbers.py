"""Arrays that people hand over, as real numbers: nothing is dropped on the way, no mask or part."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy.typing import ArrayLike

from jaxsup._internal.validation import fail

_EXPECTED = "an array of real numbers"


def read_numbers(
    name: str, values: ArrayLike, most: int | None = None
) -> tuple[Float[np.ndarray, "*shape"], Bool[np.ndarray, "*shape"]]:
    """Real numbers as float64, NaN where they are masked, and where that is.

    Arguments:
        name: what they are called in an error.
        values: array, sequence or number.
        most: numbers that are not too many; None: any count.

    Raises:
        ValueError: there are too many of them, rows differ in length, or they are no real numbers:
            complex, boolean, text, times, objects.
    """
    shape = getattr(values, "shape", None)
    size = math.prod(shape) if isinstance(shape, tuple) else _length(values)
    if most is not None and size > most:
        do = "keep some 100 steps a decade, they hold all that a fit can use"
        raise fail(name, f"at most {most:,} numbers", f"{size:,}", do, described=True)
    try:
        array = _join(values) if isinstance(values, Sequence) else np.asanyarray(values)
    except (TypeError, ValueError):
        do = "give every row the same length"
        raise fail(name, _EXPECTED, "rows of several lengths", do, described=True) from None
    check_real(name, array)
    numbers = np.ma.asarray(array.astype(float))
    mask = np.ma.getmaskarray(numbers)
    return np.where(mask, np.nan, numbers.data), mask


def check_real(name: str, array: Shaped[np.ndarray, "..."]) -> None:
    """Raise unless an array holds real numbers, if anything.

    Arguments:
        name: what it is called in the error.
        array: of any type.

    Raises:
        ValueError: its numbers are complex or boolean, or it holds something else.
    """
    # Types of half precision that numpy doesn't know are of the kind "V".
    real = array.dtype.kind in "iuf" or (array.dtype.kind == "V" and array.dtype.names is None)
    if array.size and not real:
        do = "convert it with numpy.asarray(..., float) if that is what it means"
        raise fail(name, _EXPECTED, f"dtype {array.dtype}", do, described=True)


def _join(values: Sequence[object]) -> np.ndarray:
    """A sequence as an array, masked where its rows or numbers are."""
    if any(isinstance(value, np.ma.MaskedArray) for value in values):  # `np.ma.masked` is one too
        return np.ma.stack([np.ma.asarray(value) for value in values])
    return np.asarray(values)


def _length(values: ArrayLike) -> int:
    """Numbers in a sequence, or in its first row times its rows, without making an array of it."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        return 1
    first = values[0] if len(values) else 0
    return len(values) * (len(first) if isinstance(first, Sequence) else 1)
