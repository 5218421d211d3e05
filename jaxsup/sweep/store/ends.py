"""The parameters with which the networks of a dataset ended, in the order of another sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from jaxsup._internal.validation import fail
from jaxsup.experiment.hidden_layer import HiddenLayerStudent
from jaxsup.experiment.students import Student
from jaxsup.sweep.grid import Sweep
from jaxsup.sweep.store.coordinates import coordinates_of
from jaxsup.training.state import DIVERGED, FINISHED

if TYPE_CHECKING:
    import xarray as xr

_PARAMETERS = {*Student.parameter_dims, *HiddenLayerStudent.parameter_dims}


def ends_of(dataset: xr.Dataset, sweep: Sweep, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays with which networks ended, [axes..., seed, ...] of another sweep.

    Arguments:
        dataset: result of `jaxsup.run`, or a selection of one. Where steps are left to choose, each
            network's last is taken; networks that diverged have NaN.
        sweep: whose networks start there. Its axes are matched by name and value, its seeds by
            value; axes that the dataset does not have have size 1.
        names: arrays of its students.

    Raises:
        ValueError: it keeps no parameters of the end, networks that are wanted are not trained or
            not there, or it has other axes.
    """
    wanted = {*_PARAMETERS, *names}
    found = [str(name) for name in dataset if name in wanted]
    if not found or not {"status", "last_step"} <= set(dataset):
        text = "one without parameters"
        advice = "train it with record.parameter_steps = [its last step]"
        raise fail("initial", "a dataset that keeps them", text, advice, described=True)
    if "step" in (*dataset["status"].dims, *dataset["last_step"].dims):
        text, advice = "one that `where` masked along its steps", "mask it along its axes or seeds"
        raise fail("initial", "a dataset of whole networks", text, advice, described=True)
    chosen = _matched(dataset[[*found, "status", "last_step"]], sweep)
    grid = [*(axis.name for axis in sweep.axes), "seed"]
    chosen = chosen.expand_dims([dim for dim in grid if dim not in chosen["status"].dims])
    status, last = (chosen[n].transpose(*grid).values for n in ("status", "last_step"))
    pending = int((~np.isin(status, (FINISHED, DIVERGED))).sum())
    if pending:
        text, advice = f"{pending} that are not trained", "finish it first, by --resume"
        raise fail("initial", "finished networks", text, advice, described=True)
    arrays = {}
    for name in found:
        values = chosen[name].transpose(*grid, ...).values
        if "kept_step" in chosen.dims:
            values = _ends(values, chosen["kept_step"].values, status, last)
        lost = status.reshape(*status.shape, *[1] * (values.ndim - status.ndim)) == DIVERGED
        arrays[name] = np.where(lost, np.nan, values)
    return arrays


def _matched(dataset: xr.Dataset, sweep: Sweep) -> xr.Dataset:
    """The part of a dataset that the networks of a sweep start from, in their order."""
    inner = {"step", "kept_step", "key_word"}
    grid = {dim for dim in dataset["status"].dims if dim not in inner}
    ours = {axis.name: list(axis.fields) for axis in sweep.axes} | {"seed": ["seed"]}
    for dim in sorted(map(str, grid - set(ours))):
        if dataset.sizes[dim] > 1:
            text, advice = (
                f"the axis {dim!r} as well",
                f"select one by dataset.isel({{{dim!r}: 0}})",
            )
            raise fail("initial", "axes of the sweep", text, advice, described=True)
        dataset = dataset.isel({dim: 0})
    coordinates = coordinates_of(sweep, np.zeros(0, int), np.zeros(0, int))
    for dim in sorted(map(str, grid & set(ours))):
        fields = [name for name in ours[dim] if name in dataset.coords]
        if not fields:
            text, advice = f"an axis {dim!r} of others", "name the axis otherwise"
            expected = f"an axis of {', '.join(ours[dim])}"
            raise fail("initial", expected, text, advice, described=True)
        wanted = list(zip(*(np.asarray(coordinates[f][1]).tolist() for f in fields), strict=True))
        there = list(zip(*(np.ravel(dataset[f].values).tolist() for f in fields), strict=True))
        if dim == "seed" and len(set(there)) < len(there):  # of sweeps that were laid together
            text, advice = "one of them more often", "select the network of each to start from"
            raise fail("initial", "each seed once", text, advice, described=True)
        places: dict[Any, int] = {}
        for place, values in enumerate(there):
            places.setdefault(values, place)
        missing = [values for values in wanted if values not in places]
        if missing:
            pairs = zip(fields, missing[0], strict=True)
            expected = "a network with " + ", ".join(f"{f} {value}" for f, value in pairs)
            advice = "start networks that it has, or select one for all"
            text = f"{len(there)} others along {dim!r}"
            raise fail("initial", expected, text, advice, described=True)
        dataset = dataset.isel({dim: [places[values] for values in wanted]})
    return dataset


def _ends(
    values: Float[np.ndarray, ...],
    kept: Int[np.ndarray, " kept"],
    status: Int[np.ndarray, "*grid"],
    last: Int[np.ndarray, "*grid"],
) -> Float[np.ndarray, ...]:
    """What was kept of each network at its last step, of [axes..., seed, kept, ...].

    Raises:
        ValueError: of one that finished nothing was.
    """
    column = np.minimum(np.searchsorted(kept, last), len(kept) - 1)
    lost = last[(status == FINISHED) & (kept[column] != last)]
    if lost.size:
        expected, step = f"parameters of the last step {lost[0]}", int(lost[0])
        text = f"those of {kept.tolist()}"
        advice = f"train it with record.parameter_steps = [{step}]"
        raise fail("initial", expected, text, advice, described=True)
    index = column.reshape(*column.shape, *[1] * (values.ndim - column.ndim))
    return np.take_along_axis(values, index, column.ndim).squeeze(column.ndim)
