"""The theory beside the fits of a sweep: its limit, and its exponent at this N and window."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Num

from jaxsup.fit.curves import bin_curve, read_losses

if TYPE_CHECKING:
    import xarray as xr

    from jaxsup.theory.references import LinearReference

_POINTS_PER_DECADE = 16  # as `fit_power_law` bins
_SECTIONS = ("features", "teacher", "optimizer", "reduction", "importance", "training_set")
_FIELDS = ("student", "student.bias", "student.core", "student.hidden_noise")
"""What the reference depends on: these sections, and these fields of a student."""


def setting_references(
    dataset: xr.Dataset, loss: xr.DataArray
) -> Iterator[tuple[LinearReference | None, Float[np.ndarray, " steps"], float]]:
    """The linear student without superposition of every setting, in their order.

    Arguments:
        dataset: a sweep.
        loss: its loss, [settings..., seeds, steps].

    Yields:
        The reference, None where there is none or no telling; its loss at the steps > 0, NaN
        elsewhere; and the updates of the setting's warm-up.
    """
    from jaxsup.theory.references import linear_reference

    base = json.loads(dataset.attrs.get("configuration", "{}"))
    setting = loss.isel(seed=0, step=0, drop=True)
    if _is_untold(dataset, setting.dims):
        base = {}
    scanned = {
        str(name): np.ravel(coordinate.broadcast_like(setting).transpose(*setting.dims)).tolist()
        for name, coordinate in dataset.coords.items()
        if _matters(str(name)) and set(coordinate.dims) <= set(setting.dims)
    }
    names = sorted(scanned, key=lambda name: name.count("."))  # whole objects, then their fields
    steps = loss["step"].values
    later, nothing = steps > 0, np.full(steps.shape, math.nan)
    known: dict[tuple[Any, ...], tuple[LinearReference | None, np.ndarray, float]] = {}
    given = "initial" in dataset.attrs  # the reference starts at zero
    for position in range(setting.size):
        values = tuple(scanned[name][position] for name in names)
        if values not in known:
            table = base
            for name, value in zip(names, values, strict=True):
                table = _changed(table, name, value)
            reference, curve = None if given else linear_reference(table), nothing
            if reference is not None:
                curve = nothing.copy()
                with contextlib.suppress(MemoryError):  # no fit is lost to what stands beside it
                    curve[later] = reference.loss(steps[later])
            known[values] = reference, curve, _warmup(table)
        yield known[values]


def untold(dataset: xr.Dataset, dims: Iterable[Hashable]) -> list[str]:
    """What differs between settings and is told by no coordinate of theirs.

    ``drop=True``, another name for an axis, and a mean along one leave a dataset's configuration as
    it was: of what was scanned it has a value that need not be of any setting that is there.

    Arguments:
        dataset: a sweep, or what was made of one.
        dims: of its settings.

    Returns:
        Fields that were scanned; and dimensions that are no axes of the sweep and have no field
        along them, say the one that `xarray.concat` put sweeps along.
    """
    configuration = json.loads(dataset.attrs.get("configuration", "{}"))
    axes: Mapping[str, Any] = configuration.get("axes", {})
    told = {str(name): c.dims for name, c in dataset.coords.items() if {*c.dims} <= {*dims}}
    along = {dim for n, ds in told.items() if n.partition(".")[0] in configuration for dim in ds}
    fields = scanned_fields(dataset)
    return [f for f in fields if f not in told] + [str(d) for d in dims if d not in {*axes, *along}]


def scanned_fields(dataset: xr.Dataset) -> list[str]:
    """The fields on the axes of a dataset's configuration, in their order."""
    axes: Mapping[str, Any] = json.loads(dataset.attrs.get("configuration", "{}")).get("axes", {})
    return [f for name, v in axes.items() for f in (v if isinstance(v, Mapping) else [name])]


def _is_untold(dataset: xr.Dataset, dims: Iterable[Hashable]) -> bool:
    """Whether theory depends on something that is."""
    return any(name in dims or _matters(name) for name in untold(dataset, dims))


def _matters(field: str) -> bool:
    """Whether the reference depends on a field."""
    return field in _FIELDS or field.partition(".")[0] in _SECTIONS


def _warmup(table: Mapping[str, Any]) -> float:
    """Updates of a configuration's warm-up, as far as it tells."""
    schedule = (table.get("optimizer") or {}).get("schedule") or {}
    return float(schedule.get("warmup", 0))


def log_slope(
    steps: Num[np.ndarray, " steps"],
    loss: Float[np.ndarray, " steps"],
    window: tuple[float, float],
) -> float:
    """-d log L / d log t over the bins of a window, as `PowerLawFit.slope` is; NaN without two.

    NaN too where the curve ends inside of the window, at 0 or at what is not finite.

    Arguments:
        steps: of the fit that it is compared with: bins count from the first.
        loss: a curve at those steps.
        window: first and last step.
    """
    inside = (steps >= window[0]) & (steps <= window[1]) & (steps > 0)
    if np.sum(inside) < 2:
        return math.nan
    losses = read_losses(steps, loss, window)
    if losses.steps.size < np.sum(inside):
        return math.nan
    curve = bin_curve(losses, _POINTS_PER_DECADE)
    if len(curve.x) < 2:
        return math.nan
    return -float(np.polyfit(curve.x - curve.x[0], curve.y, 1)[0])


def theory_limit(table: xr.Dataset, like: xr.DataArray) -> xr.DataArray:
    """(a + 2b - 1)/a of every setting; NaN where a or b has no value, a <= 0 or a + 2b <= 1.

    It is of SGD at a constant rate from a start at random, on fresh samples and the plain loss: NaN
    everywhere in a sweep that starts from given parameters, or has training sets, schedules, noise
    in the hidden layer, weighted losses, or other optimizers, and where `untold` names what counts.

    Arguments:
        table: a sweep's coordinates and attributes.
        like: a variable over the settings.
    """
    a = _exponent_of(table, "features", ("power-law", "gaussian"))
    b = _exponent_of(table, "teacher", ("diagonal",))
    limit = ((a + 2 * b - 1) / a.where(a > 0)).broadcast_like(like)
    tables = json.loads(table.attrs.get("configuration", "{}"))
    descends = _of_each(table, "optimizer", _descends)
    quiet = _of_each(table, "student", lambda entry: "hidden_noise" not in entry)
    plain = descends & quiet & _is_plain(table, tables) & (not _is_untold(table, like.dims))
    limit = limit.where((limit > 0) & plain).transpose(*like.dims)
    label = "exponent without superposition of infinitely many features, (a + 2b - 1)/a"
    return limit.drop_vars(limit.coords).assign_attrs(long_name=label)


def _descends(entry: Mapping[str, Any]) -> bool:
    """Whether an optimizer is SGD at a constant rate."""
    return entry.get("kind", "sgd") == "sgd" and "schedule" not in entry


def _is_plain(table: xr.Dataset, configuration: Mapping[str, Any]) -> bool:
    """Whether a sweep trains at a constant rate, from scratch, without noise, on the plain loss."""
    names = {str(name) for name in table.coords} | set(configuration)
    for section in ("optimizer", "student"):
        names |= {f"{section}.{name}" for name in configuration.get(section) or ()}
    others = {"training_set", "optimizer.schedule", "student.hidden_noise"}
    weighted = configuration.get("importance", 1.0) != 1 or "importance" in table.coords
    return not weighted and "initial" not in table.attrs and not names & others


def _exponent_of(table: xr.Dataset, section: str, kinds: tuple[str, ...]) -> xr.DataArray:
    """a or b along the axes that scan it; NaN for classes that are not of these kinds."""
    entry = json.loads(table.attrs.get("configuration", "{}")).get(section, {})
    scanned = section not in table.coords and f"{section}.exponent" in table.coords
    if scanned and entry.get("kind", kinds[0]) in kinds:
        return table.coords[f"{section}.exponent"]
    return _of_each(
        table,
        section,
        lambda entry: float(entry["exponent"]) if entry.get("kind") in kinds else math.nan,
    )


def _of_each(
    table: xr.Dataset, section: str, value: Callable[[Mapping[str, Any]], float]
) -> xr.DataArray:
    """What a section's entry says, along the axis that scans it as a whole, if one does."""
    import xarray as xr

    if section in table.coords:  # each object is written as JSON
        texts = table.coords[section]
        values = [value(json.loads(text)) for text in np.ravel(texts.values).tolist()]
        return xr.DataArray(np.reshape(values, texts.shape), dims=texts.dims)
    entry = json.loads(table.attrs.get("configuration", "{}")).get(section) or {}
    return xr.DataArray(value(entry))


def _changed(table: Mapping[str, Any], path: str, value: object) -> dict[str, Any]:
    """The configuration with the entry at a dotted path replaced; text is JSON where it can be."""
    head, _, rest = path.partition(".")
    if rest:
        owner = table.get(head)
        return {**table, head: _changed(owner if isinstance(owner, dict) else {}, rest, value)}
    if isinstance(value, str):
        with contextlib.suppress(json.JSONDecodeError):  # else a name, of an activation, say
            value = json.loads(value)
    return {**table, head: value}
