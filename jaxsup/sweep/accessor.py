"""``dataset.jaxsup``: what a sweep's dataset says, and parts of it by short names.

Every xarray dataset has it once `jaxsup` is imported, in whatever order the two are, also one that
``xarray.open_zarr`` opened.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jaxsup.sweep.pictures import Kind


@xr.register_dataset_accessor("jaxsup")
class SweepAccessor:
    """Fits, pictures and selections of a sweep: ``dataset.jaxsup``.

    Axes go by their names or their aliases: ``dataset.jaxsup.sel(a=1.5, K=16)`` is
    ``dataset.sel({"features.exponent": 1.5, "student.latent": 16})``. ``jaxsup list aliases``
    prints them all, `aliases` holds those of this dataset.

    Arguments:
        dataset: result of `jaxsup.run`, or any with ``loss`` over (axis names..., "seed", "step").
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def __repr__(self) -> str:
        from jaxsup._internal.display import named

        sizes = (f"{size} {name}" for name, size in self._dataset.sizes.items())
        return named(self, f"{', '.join(sizes)}; exponents, regimes, local_exponents, plot, sel")

    @property
    def aliases(self) -> dict[str, str]:
        """The aliases of what lies along an axis, and what they stand for."""
        from jaxsup._internal.aliases import ALIASES

        return {alias: name for alias, name in ALIASES.items() if name in self._names()}

    def exponents(
        self,
        *,
        window: tuple[float, float] | None = None,
        after: float | None = None,
        floor: bool = False,
        confidence: float = 0.95,
    ) -> xr.Dataset:
        """The power law of every setting: `jaxsup.measure_exponents`, with its arguments."""
        from jaxsup.fit.tables.exponents import measure_exponents

        options: Any = {"window": window, "after": after, "floor": floor}
        return measure_exponents(self._curves(), confidence=confidence, **options)

    def regimes(
        self, *, after: float | None = None, confidence: float = 0.95, **options: Any
    ) -> xr.Dataset:
        """The regimes of every setting: `jaxsup.fit.measure_regimes`, with its arguments."""
        from jaxsup.fit import measure_regimes

        return measure_regimes(self._curves(), after=after, confidence=confidence, **options)

    def local_exponents(
        self, *, after: float = 0, confidence: float = 0.95, **options: Any
    ) -> xr.Dataset:
        """Local exponents: `jaxsup.fit.measure_local_exponents`, with its arguments."""
        from jaxsup.fit import measure_local_exponents

        curves = self._curves()
        return measure_local_exponents(curves, after=after, confidence=confidence, **options)

    def plot(
        self,
        kind: Kind | None = None,
        ax: Axes | None = None,
        *,
        window: tuple[float, float] | None = None,
        after: float | None = None,
        regimes: bool = False,
    ) -> Axes:
        """Draw the sweep, as ``jaxsup plot`` does.

        Arguments:
            kind: "loss" for loss curves, "local" for local exponents, "ratio" for the exponent
                against N/K, "map" for its map over (a, b). Default: what suits the axes.
            ax: axis to draw on; default: a new one.
            window, after: of the fits, as in `exponents`.
            regimes: mark the regimes of loss curves.

        Raises:
            ValueError: the dataset has no loss, more axes than the picture has room for, or an
                argument does not suit the kind.
        """
        from jaxsup.sweep.pictures import check_room, draw, guess_kind

        dataset = self._curves()
        chosen = kind or guess_kind(dataset)
        check_room(dataset, chosen, "dataset", _advise)
        return draw(dataset, chosen, ax, window=window, after=after, regimes=regimes)

    def sel(
        self,
        indexers: Mapping[Any, Any] | None = None,
        *,
        method: str | None = None,
        tolerance: Any = None,
        drop: bool = False,
        **values: Any,
    ) -> xr.Dataset:
        """The settings with these values, as ``dataset.sel`` has them, by names or aliases.

        Also by what goes along a joint axis or with another: N/K, or the fields that change
        together. Numbers are found to 9 digits. Of an axis a single value drops the dimension; of
        fields of a joint axis it does so where a single setting has it.

        Arguments:
            indexers: values by name, or lists of them; slices of axes.
            method, tolerance: as in xarray, to take the nearest value of an axis.
            drop: leave out coordinates of what is chosen.
            values: the same, by keywords.

        Raises:
            ValueError: there is no such name, or nothing with these values.
        """
        from jaxsup.sweep.selection import select

        given = self._resolved("sel", {**(indexers or {}), **values})
        return select(self._dataset, given, method=method, tolerance=tolerance, drop=drop)

    def isel(
        self, indexers: Mapping[Any, Any] | None = None, *, drop: bool = False, **positions: Any
    ) -> xr.Dataset:
        """The settings at these positions, as ``dataset.isel`` has them, by names or aliases.

        Arguments:
            indexers: positions by name of an axis, from 0, or lists or slices of them.
            drop: leave out coordinates of what is chosen.
            positions: the same, by keywords.

        Raises:
            ValueError: there is no such axis, or no such position on it.
        """
        from jaxsup.sweep.selection import check_positions

        given = self._resolved("isel", {**(indexers or {}), **positions})
        check_positions(self._dataset, given)
        return self._dataset.isel(given, drop=drop)

    def _curves(self) -> xr.Dataset:
        """The dataset, which has loss curves.

        Raises:
            ValueError: it has none.
        """
        from jaxsup.fit.tables.settings import check_curves

        check_curves(self._dataset)
        return self._dataset

    def _names(self) -> list[Hashable]:
        """What settings can be told apart by: dimensions, and coordinates along one."""
        along = [name for name, coord in self._dataset.coords.items() if coord.ndim == 1]
        return list(dict.fromkeys([*self._dataset.dims, *along]))

    def _resolved(self, call: str, given: Mapping[Any, Any]) -> dict[str, Any]:
        """What is given by full names.

        Raises:
            ValueError: a name is not of an axis, or two are one.
        """
        from jaxsup._internal.aliases import find_name
        from jaxsup._internal.validation import fail

        names = self._names() if call == "sel" else list(self._dataset.dims)
        found: dict[str, Any] = {}
        for name, value in given.items():
            meant = find_name(call, "an axis of the dataset", name, names)
            if meant in found:
                text, advice = f"{meant} twice", "drop its alias"
                raise fail(call, "each axis once", text, advice, described=True)
            found[meant] = value
        return found


def _advise(axis: str) -> str:
    """How to choose a position of an axis, in Python."""
    from jaxsup._internal.aliases import ALIASES

    names = [axis, *(alias for alias, name in ALIASES.items() if name == axis)]
    words = next((f"{name}=0" for name in names if name.isidentifier()), f'{{"{axis}": 0}}')
    return f"choose a position, as .jaxsup.isel({words})"
