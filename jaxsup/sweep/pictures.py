"""Which picture shows a sweep, and how it is drawn from the dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from jaxsup._internal.validation import check_choice, fail

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

Kind: TypeAlias = Literal["loss", "local", "ratio", "map"]
KINDS: tuple[Kind, ...] = ("loss", "local", "ratio", "map")
"""Loss curves, local exponents, exponent against N/K, or its map over (a, b)."""


def axes_of(dataset: xr.Dataset) -> list[str]:
    """Names of the axes of a sweep's settings."""
    return [str(dim) for dim in dataset["loss"].dims if dim not in ("seed", "step")]


def guess_kind(dataset: xr.Dataset) -> Kind:
    """Which picture suits the axes of a sweep."""
    if set(dataset["loss"].dims) == {"features.exponent", "teacher.exponent", "seed", "step"}:
        return "map"
    ratio = dataset.coords.get("superposition_ratio")
    return "ratio" if ratio is not None and ratio.dims else "loss"


def check_room(dataset: xr.Dataset, kind: str, argument: str, advise: Callable[[str], str]) -> None:
    """Raise if a picture has no room for all axes of a sweep.

    Arguments:
        dataset: a sweep.
        kind: one of `KINDS`.
        argument: what an error calls the dataset.
        advise: tells how to choose a position of an axis that the picture does not need.

    Raises:
        ValueError: there are more than it shows.
    """
    axes = axes_of(dataset)
    room = 1 if kind in ("loss", "local") else 2
    if len(axes) > room:
        ratio = dataset.coords.get("superposition_ratio")
        shown = {
            "ratio": () if ratio is None else ratio.dims,
            "map": ("features.exponent", "teacher.exponent"),
        }.get(kind, ())
        other = next(axis for axis in reversed(axes) if axis not in shown)
        expected = f"at most {room} ax{'es' if room > 1 else 'is'} in a picture of kind {kind}"
        raise fail(argument, expected, ", ".join(axes), advise(other), described=True)


def draw(
    dataset: xr.Dataset,
    kind: str,
    ax: Axes | None = None,
    *,
    window: tuple[float, float] | None = None,
    after: float | None = None,
    regimes: bool = False,
) -> Axes:
    """Draw one kind of picture. Where the loss has a closed form it is laid over its curves.

    Arguments:
        dataset: a sweep.
        kind: one of `KINDS`.
        ax: axis to draw on; default: a new one.
        window, after: of the fits, as `jaxsup.measure_exponents` takes them.
        regimes: mark the regimes of loss curves.

    Raises:
        ValueError: there is no such kind, an argument is of another kind, or the dataset does not
            suit it.
    """
    from jaxsup import fit, plot
    from jaxsup.fit.tables.exponents import measure_exponents
    from jaxsup.fit.tables.settings import status_of
    from jaxsup.sweep.closed_forms import theory_curves

    check_choice("kind", kind, KINDS)
    place: Any = ax  # of what is None, the picture makes one
    if regimes and kind != "loss":
        raise fail("regimes", "loss curves", kind, "leave it out or take kind 'loss'")
    if window is not None and kind in ("loss", "local"):
        raise fail("window", "a picture of fits", kind, "leave it out or take kind 'ratio'")
    if kind == "loss":
        status = status_of(dataset)
        dataset = dataset if status is None else dataset.assign(status=status)
        theory = theory_curves(dataset) if "configuration" in dataset.attrs else None
        marks = fit.measure_regimes(dataset, after=after) if regimes else None
        return plot.loss_curves(dataset, place, theory=theory, regimes=marks)
    if kind == "local":
        return plot.local_exponents(fit.measure_local_exponents(dataset, after=after or 0), place)
    picture = plot.exponent_against_ratio if kind == "ratio" else plot.exponent_map
    return picture(measure_exponents(dataset, window=window, after=after), place)
