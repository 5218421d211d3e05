"""The settings of a sweep as fits see them: recorded steps, trained seeds, theory, start-up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Num

from jaxsup._internal.validation import check_number, fail
from jaxsup.fit.curves import Losses, read_losses
from jaxsup.fit.numbers import check_real
from jaxsup.fit.tables.references import setting_references

if TYPE_CHECKING:
    import xarray as xr

PENDING, DIVERGED = -1, 1
"""Values of a sweep's ``status``."""
_UNKNOWN = -2  # in place of a status where there is none
UNTRAINED = "not trained yet"
ALL_DIVERGED = "all seeds diverged"
NOTHING_RECORDED = "nothing recorded"
NOTHING_POSITIVE = "nothing positive"
TOO_SHORT = "too short"
STARTING = "still in its start-up"
OUTSIDE = "outside of the record"
_FEWEST = 3  # steps that a fit asks for


class Setting(NamedTuple):
    """One curve of a sweep, its seeds together.

    Attributes:
        steps: steps > 0 that all seeds recorded, the start-up left out, [steps].
        loss: of the seeds that are trained, NaN where one diverged, [seeds, steps].
        losses: the same as fits read it; None where there is nothing to fit.
        theory: loss of the linear student without superposition at those steps; NaN where none.
        after: step before which none is used; 0 where nothing is left out.
        dropped: seeds that diverged.
        partial: steps left out because some of the seeds did not record them.
        problem: why there is nothing to fit, in short; empty where there is.
        reason: the same as a sentence.
    """

    steps: Num[np.ndarray, " steps"]
    loss: Float[np.ndarray, "seeds steps"]
    losses: Losses | None
    theory: Float[np.ndarray, " steps"]
    after: float
    dropped: int
    partial: int
    problem: str
    reason: str

    def explain(self, nothing: str) -> str:
        """Why there is no result, after `nothing`, which says what is missing; "" if there is."""
        untold = not self.problem or self.problem == UNTRAINED
        return self.reason if untold else nothing + self.reason


def read_settings(dataset: xr.Dataset, after: float | None) -> Iterator[Setting]:
    """Every setting of a sweep, in the order of its axes.

    Where ``status`` says that a seed was trained and did not diverge, NaN is a step that it did not
    record; without a status, NaN where another seed has a loss is divergence.

    Arguments:
        dataset: result of `jaxsup.run`, with ``loss`` over (axis names..., "seed", "step"), and
            perhaps ``status`` over (axis names..., "seed").
        after: step before which none is used; None: where the setting's start-up ends, or, where
            that is not known, the warm-up of its learning rate.

    Raises:
        ValueError: `after` is no finite number, or later than every recorded step; losses or steps
            are no real numbers.
    """
    loss = dataset["loss"].transpose(..., "seed", "step")
    steps, values = loss["step"].values, loss.values
    check_real("loss", values)
    check_real("step", steps)
    _check_after(after, steps, values)
    status = np.full(loss.shape[:-1], _UNKNOWN, np.int8)
    told = status_of(dataset)
    if told is not None:
        status = told.transpose(*loss.dims[:-1]).values
    settings = zip(np.ndindex(loss.shape[:-2]), setting_references(dataset, loss), strict=True)
    for index, (reference, theory, warmup) in settings:
        start = warmup if reference is None else reference.start_up
        first = start if after is None else after
        setting = _setting(steps, values[index], status[index], theory, first)
        if after is None and setting.problem == OUTSIDE:
            known = "the warm-up" if reference is None else "the start-up, by theory"
            reason = f"{setting.reason}: {known}"
            setting = setting._replace(problem=STARTING, reason=reason)
        yield setting


def check_curves(dataset: xr.Dataset) -> None:
    """Raise unless a dataset has losses over seeds and steps, one at least, and counts the steps.

    Where it has a status too, that has to be of the same settings and seeds. No seed may be there
    twice: what it left would count as two independent runs.

    Arguments:
        dataset: a sweep, or a selection of one.

    Raises:
        ValueError: it has not.
    """
    loss = dataset.get("loss")
    if loss is None or not {"seed", "step"} <= set(loss.dims):
        text = "none" if loss is None else f"one over {', '.join(map(str, loss.dims))}"
        do = "take the dataset of a sweep, and of its seeds and steps lists or slices"
        raise fail("dataset", 'a loss over "seed" and "step"', text, do, described=True)
    if empty := [str(name) for name, size in loss.sizes.items() if not size]:
        text, do = f"nothing along {', '.join(empty)}", "select what is there"
        raise fail("dataset", "losses of a setting, a seed and a step", text, do, described=True)
    if "step" not in loss.coords:
        do = "assign the update count of each entry, dataset.assign_coords(step=...)"
        raise fail("dataset", 'a coordinate "step"', "none", do, described=True)
    told, wanted = status_of(dataset), [dim for dim in loss.dims if dim != "step"]
    if told is not None and {*told.dims} != {*wanted}:
        of, text = (", ".join(map(str, dims)) for dims in (wanted, told.dims))
        do = "select or average the whole dataset, or drop it, dataset.drop_vars('status')"
        raise fail("dataset", f"a status over {of}", f"one over {text}", do, described=True)
    seeds = loss["seed"].to_index()
    if seeds.has_duplicates:
        text = f"{seeds[seeds.duplicated()][0]} twice or more often"
        do = "drop the copies, or number them anew by dataset.assign_coords(seed=...)"
        raise fail("dataset", "each seed once", text, do, described=True)


def status_of(dataset: xr.Dataset) -> xr.DataArray | None:
    """The status over settings and seeds, if a dataset has one.

    ``dataset.where(dataset["step"] >= 100)`` lays it along the steps as well, NaN where it masks.
    """
    status = dataset.get("status")
    return status.max("step") if status is not None and "step" in status.dims else status


def name_apart(dataset: xr.Dataset, columns: Iterable[str]) -> xr.Dataset:
    """The dataset, axes and coordinates that are called as columns of a table renamed.

    Arguments:
        dataset: a sweep. An axis "theory" becomes "theory_axis", say.
        columns: names of a table's variables, and of what its records hold beside them.
    """
    taken = {*dataset.dims, *dataset.coords} & set(columns)
    return dataset.rename({name: f"{name}_axis" for name in taken})


def _setting(
    steps: Num[np.ndarray, " steps"],
    loss: Float[np.ndarray, "seeds steps"],
    status: Num[np.ndarray, " seeds"],
    theory: Float[np.ndarray, " steps"],
    after: float,
) -> Setting:
    """The part of a setting's records that a fit may use, or why there is none."""
    # A diverged run belongs to no fit, its finite beginning neither.
    diverged = status == DIVERGED
    loss = np.where(diverged[:, None], np.nan, loss)
    there = ~np.isnan(loss) & (steps > 0)
    present = (status != PENDING) & there.any(1)
    recorded, partial = _recorded(there[present], status[present])
    use = recorded & (steps >= after)
    kept = present | diverged
    finite = np.isfinite(loss[present][:, use]).all(1)
    lost, losses, problem, reason = int(diverged.sum()), None, "", ""
    dropped = lost + int(np.sum(~finite))
    if (status == PENDING).all():
        problem = reason = UNTRAINED
    elif not present.any() and (lost or (status == _UNKNOWN).any()):
        dropped, problem = lost or len(loss), ALL_DIVERGED
    elif not present.any():
        problem, reason = NOTHING_RECORDED, "no loss is recorded at a step > 0"
    elif recorded.any() and not use.any():
        problem = OUTSIDE
        ends = f"{steps[recorded][0]:g} to {steps[recorded][-1]:g}"
        reason = f"recorded steps {ends} are all before {after:.4g}"
    elif np.sum(use) < _FEWEST:
        problem = TOO_SHORT
        last = f", the last at {steps[recorded][-1]:g}" if recorded.any() else ""
        reason = f"too short, {use.sum()} recorded steps from {after:.4g} on{last}"
    elif not finite.any():
        problem = ALL_DIVERGED
    elif not (losses := read_losses(steps[use], loss[kept][:, use])).steps.size:
        problem, reason = NOTHING_POSITIVE, "no finite positive loss"
    if problem == ALL_DIVERGED:
        reason = f"{ALL_DIVERGED}, {dropped} of {dropped}"
    left_out = int(np.sum(partial & (steps >= after)))
    return Setting(
        steps[use],
        loss[kept][:, use],
        None if problem else losses,
        theory[use],
        after,
        dropped,
        left_out,
        problem,
        reason,
    )


def _recorded(
    there: Bool[np.ndarray, "seeds steps"], status: Num[np.ndarray, " seeds"]
) -> tuple[Bool[np.ndarray, " steps"], Bool[np.ndarray, " steps"]]:
    """Steps that all seeds recorded, and those that only some did.

    Without a status a gap is divergence, which leaves out a seed and no steps. Settings may record
    other steps than their neighbors: what none of its seeds has is no gap.
    """
    count = np.sum(there, axis=0)
    some = count > 0
    if (status == _UNKNOWN).any():
        return some, np.zeros_like(some)
    every = some & (count == len(there))
    return every, some & ~every


def _check_after(
    after: Any, steps: Num[np.ndarray, " steps"], loss: Float[np.ndarray, "*settings seeds steps"]
) -> None:
    """Raise unless `after` is None or one finite number, and some step is recorded from there on.

    Where nothing is recorded at all each setting has a reason of its own.
    """
    if after is None:
        return
    do = "give the first step to use"
    if isinstance(after, str) or np.ndim(after):
        raise fail("after", "a finite number", after, do)
    check_number("after", after, do)
    anywhere = ~np.isnan(loss).all(tuple(range(loss.ndim - 1)))
    recorded = steps[anywhere & (steps > 0)]
    if recorded.size and after > recorded.max():
        do = f"choose it within the recorded steps {recorded.min():g} to {recorded.max():g}"
        raise fail("after", "a part of the record", after, do)
