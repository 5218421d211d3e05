"""Settings of a dataset by values of its axes and of what goes along them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int

from jaxsup._internal.aliases import both_names
from jaxsup._internal.validation import fail

if TYPE_CHECKING:
    import xarray as xr

# Relative: what decimal numbers and spacings lose to rounding.
_ALIKE = 1e-9
_LISTED = 8  # values that an error names


def select(
    dataset: xr.Dataset,
    values: Mapping[str, Any],
    *,
    method: str | None = None,
    tolerance: Any = None,
    drop: bool = False,
) -> xr.Dataset:
    """The part of a dataset with these values.

    Arguments:
        dataset: a sweep.
        values: of dimensions, and of coordinates along one.
        method, tolerance, drop: as in ``xarray.Dataset.sel``.

    Raises:
        ValueError: nothing has such a value, or all of them.
    """
    found: dict[Any, list[Int[np.ndarray, " positions"]]] = {}
    single: dict[Any, bool] = {}
    by_xarray = {}
    for name, value in values.items():
        coordinate = dataset.coords.get(name)
        plain = method is None and tolerance is None and not hasattr(value, "dims")
        if name in dataset.dims and (not plain or coordinate is None or isinstance(value, slice)):
            by_xarray[name] = value
            continue
        if not plain or isinstance(value, slice):
            text, advice = f"{value!r}, method={method!r}", "name its values"
            expected = f"values of {both_names(name)}, which is no axis of its own"
            raise fail("sel", expected, text, advice, described=True)
        assert coordinate is not None
        (dim,) = coordinate.dims
        found.setdefault(dim, []).append(_positions(name, coordinate.values, value))
        single[dim] = single.get(dim, True) and np.ndim(value) == 0
    places: dict[Any, Any] = {}
    for dim, each in found.items():
        shared = each[0][np.all([np.isin(each[0], other) for other in each], axis=0)]
        if not shared.size:
            names = ", ".join(both_names(n) for n in values if dataset[n].dims == (dim,))
            text, advice = "none that has all of them", "look at the coordinates along it"
            raise fail("sel", f"a setting with these {names}", text, advice, described=True)
        places[dim] = int(shared[0]) if single[dim] and shared.size == 1 else shared
    chosen = dataset.isel(places, drop=drop)
    if not by_xarray:
        return chosen
    try:
        return chosen.sel(by_xarray, method=method, tolerance=tolerance, drop=drop)
    except (KeyError, IndexError) as error:
        names = ", ".join(map(both_names, by_xarray))
        raise fail("sel", f"values of {names}", f"{by_xarray}", f"see {error}") from None


def check_positions(dataset: xr.Dataset, positions: Mapping[str, Any]) -> None:
    """Check that integers, and lists of them, are positions of a dataset.

    Raises:
        ValueError: one is not.
    """
    for name, given in positions.items():
        numbers = np.asarray([] if isinstance(given, slice) or hasattr(given, "dims") else given)
        size = dataset.sizes[name]
        if numbers.size and numbers.dtype.kind not in "iub":
            advice = "take sel for values"
            raise fail("isel", f"positions of {both_names(name)}", given, advice)
        if numbers.dtype.kind == "b" and numbers.size and numbers.shape != (size,):
            expected = f"{size} of True and False along {both_names(name)}"
            text, advice = f"{numbers.size}", "give one a position, or positions"
            raise fail("isel", expected, text, advice, described=True)
        if numbers.dtype.kind in "iu" and numbers.size:
            outside = numbers[(numbers >= size) | (numbers < -size)]
            if outside.size:
                expected = f"positions 0..{size - 1} of {both_names(name)}"
                raise fail("isel", expected, int(outside.flat[0]), "count from 0")


def _positions(name: str, labels: np.ndarray, wanted: Any) -> Int[np.ndarray, " positions"]:
    """Where a coordinate has one of these values, in the order of the values.

    Raises:
        ValueError: it has one of them nowhere.
    """
    numbers = labels.dtype.kind in "iuf"  # others may have no order
    places, order = [], np.argsort(labels, kind="stable") if numbers else np.zeros(0, int)
    for value in np.ravel(np.asarray(wanted, object)).tolist():
        number = numbers and isinstance(value, int | float | np.number)
        if number:  # by halves: there may be as many values as labels
            slack = _ALIKE * abs(value) if np.isfinite(value) else 0.0
            first = np.searchsorted(labels, value - slack, "left", sorter=order)
            where = np.sort(order[first : np.searchsorted(labels, value + slack, "right", order)])
        else:
            where = np.flatnonzero(labels == value)
        if not where.size:
            known = [f"{label:.10g}" if number else f"{label}" for label in labels[:_LISTED]]
            more = f" and {len(labels) - _LISTED} more" if len(labels) > _LISTED else ""
            expected = f"values of {both_names(name)}: {', '.join(known)}{more}"
            advice = "choose one, or add method='nearest'"
            raise fail("sel", expected, value, advice)
        places.append(where)
    return np.concatenate([np.zeros(0, int), *places])
