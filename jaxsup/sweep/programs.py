"""From a grid of points to a few compiled programs.

Points of one structure run as one vmapped program. Scans over the latent dimension K are padded:
the widths that a scan uses are chosen so that the padding costs least for a given number of
programs.
"""

import dataclasses
import functools
import itertools
import operator
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Int

from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.observables import Observable
from jaxsup.experiment.tables import is_outside
from jaxsup.sweep.grid import Sweep
from jaxsup.sweep.initial import Initial
from jaxsup.sweep.keys import seed_keys
from jaxsup.training.state import State, observe, start
from jaxsup.training.updates import AbstractUpdate

_LATENT = ("latent", "latent_in")


@dataclasses.dataclass(frozen=True)
class Program:
    """Points that one compiled program trains.

    Attributes:
        points: flat indices into the sweep's grid, [points].
        varying: the experiment's leaves that differ between points, with a leading axis [points];
            None elsewhere.
        fixed: the leaves that all points share; None elsewhere.
        update: how their updates are computed, with room for all of them.
        first: the experiment of the first point as its user wrote it, without padding.
        initial: parameters that its networks start from; None: drawn.
    """

    points: np.ndarray
    varying: Experiment
    fixed: Experiment
    update: AbstractUpdate
    first: Experiment
    initial: Initial | None = None

    @property
    def width(self) -> int:
        """The latent dimensions that the program's arrays hold."""
        return self.fixed.student.latent

    @property
    def shares_frozen(self) -> bool:
        """Whether the replicas of a seed hold one copy of the arrays that are not learned."""
        if self.initial is not None or jax.tree.leaves(self.varying.student):
            return False
        return self.update.shares_frozen

    @property
    def example(self) -> Experiment:
        """The experiment of the first point, as the program holds it."""
        first = jax.tree.map(lambda leaf: leaf[0], self.varying)
        return eqx.combine(first, self.fixed)

    @property
    def latents(self) -> Int[np.ndarray, " points"]:
        """The latent dimensions that each point's network has."""
        student = eqx.combine(self.varying, self.fixed).student
        # A padded student's field, of all points at once.
        used = getattr(student, "used", student.latent)
        return np.broadcast_to(np.asarray(used, int), self.points.shape)

    @property
    def padded_axes(self) -> dict[str, list[int]]:
        """The axes of parameters by name along which arrays hold more than networks may have."""
        student = type(self.fixed.student)
        if student is type(self.first.student):
            return {}
        return {
            name: [axis for axis, dim in enumerate(dims) if dim in _LATENT]
            for name, dims in student.parameter_dims.items()
        }


def shapes_of(program: Program) -> tuple[State, dict[str, Any]]:
    """Shapes and types of a replica's arrays, and of what is recorded of it."""
    key = jax.eval_shape(lambda: seed_keys(np.arange(1))[0])
    state = eqx.filter_eval_shape(start, program.example, key)
    return state, eqx.filter_eval_shape(observe, program.example, program.update, key, state)


def plan_programs(sweep: Sweep, widths: int) -> list[Program]:
    """Group a sweep's points, each group of scanned latent dimensions into at most `widths`.

    The update of a program has room for what any point of its group needs.
    """
    groups: dict[object, list[tuple[np.ndarray, Experiment]]] = {}
    updates: dict[object, AbstractUpdate] = {}
    padded: dict[object, object] = {}
    for points, experiment, found in sweep.structures:
        update = functools.reduce(lambda a, b: a.covering(b), found)
        own = _form(experiment)
        if own not in padded:  # many settings of a joint axis have one form
            padded[own] = _form(_padded(sweep, experiment, experiment.features.count))
        name = padded[own], type(update)
        groups.setdefault(name, []).append((points, experiment))
        updates[name] = updates[name].covering(update) if name in updates else update
    return [
        _stack(sweep, members_of_width, updates[name])
        for name, members in groups.items()
        for members_of_width in _split(sweep, members, widths)
    ]


def _form(experiment: Experiment) -> object:
    """What experiments of one compiled program have in common: all but their numbers."""
    leaves, structure = jax.tree.flatten(experiment)
    return structure, tuple(np.shape(leaf) for leaf in leaves)


def _padded(sweep: Sweep, experiment: Experiment, width: int) -> Experiment:
    """The same student held in `width` latent dimensions, where that can be done.

    Optimizers and observables of the package leave the rows of zeros alone, but for Adam without
    eps, which divides 0 by 0. Others may take a mean over all entries, and are given the network as
    it is.
    """
    others = [item for item in experiment.record.observables if isinstance(item, Observable)]
    if others or is_outside(experiment.optimizer) or _divides_by_zero(sweep, experiment):
        return experiment
    student = experiment.student.padded(width)
    if student is None:
        return experiment
    # Not checked again: which update suits was settled by the student that its user wrote.
    return eqx.tree_at(lambda e: e.student, experiment, student)


def _divides_by_zero(sweep: Sweep, experiment: Experiment) -> bool:
    """Whether the optimizer's eps is 0 to the dtype's smallest, in any setting."""
    scanned = [axis.fields.get("optimizer.eps", ()) for axis in sweep.axes]
    eps = getattr(experiment.optimizer, "eps", 1.0), *itertools.chain(*scanned)
    return min(eps) < float(jax.numpy.finfo(jax.numpy.result_type(float)).tiny)


def _split(sweep: Sweep, members: "_Members", widths: int) -> Iterator["_Members"]:
    """Members by compiled width; those that share one K need no padding."""
    latents = sorted({experiment.student.latent for _, experiment in members})
    weights = {
        k: sum(len(points) for points, e in members if e.student.latent == k) for k in latents
    }
    count = members[0][1].features.count
    for group in choose_widths(latents, [weights[k] for k in latents], count, widths):
        chosen = [(points, e) for points, e in members if e.student.latent in group]
        if len(group) > 1:
            chosen = [(points, _padded(sweep, e, max(group))) for points, e in chosen]
        yield chosen


def choose_widths(
    latents: list[int], points: list[int], count: int, widths: int
) -> list[tuple[int, ...]]:
    """Cut sorted `latents` into at most `widths` runs, each padded to its largest, at least cost.

    The cost of a step at width K is taken as N K + K^2: the products with W and with B. Latents of
    students that cannot be padded never share a call: their structures differ.

    >>> choose_widths([16, 32, 64, 128], [1, 1, 1, 1], 256, 2)
    [(16, 32, 64), (128,)]
    """
    n = len(latents)

    @functools.cache
    def best(first: int, remaining: int) -> tuple[float, tuple[int, ...]]:
        if first == n:
            return 0.0, ()
        if remaining == 0:
            return np.inf, ()
        options = []
        for stop in range(first + 1, n + 1):
            width = latents[stop - 1]
            here = (count * width + width**2) * sum(points[first:stop])
            rest, cuts = best(stop, remaining - 1)
            options.append((here + rest, (stop, *cuts)))
        return min(options)

    cuts = best(0, widths)[1]
    return [tuple(latents[a:b]) for a, b in zip((0, *cuts), cuts, strict=False)]


def _stack(sweep: Sweep, members: "_Members", update: AbstractUpdate) -> Program:
    """One experiment for all members, with an axis on the leaves that differ between points."""
    points = np.concatenate([indices for indices, _ in members])
    repeats = [len(indices) for indices, _ in members]
    structure = jax.tree.structure(members[0][1])
    columns = zip(*(jax.tree.leaves(e) for _, e in members), strict=True)
    leaves, differs = [], []
    for column in columns:
        values = [np.asarray(leaf) for leaf in column]
        same = all(np.array_equal(values[0], value) for value in values[1:])
        leaves.append(column[0] if same else np.repeat(np.stack(values), repeats, axis=0))
        differs.append(not same)
    experiment = jax.tree.unflatten(structure, leaves)
    mask = jax.tree.unflatten(structure, differs)
    for path, values in sweep.field_values(points).items():
        leaf = operator.attrgetter(path)
        experiment = eqx.tree_at(leaf, experiment, values)
        mask = eqx.tree_at(leaf, mask, True)
    varying, fixed = eqx.partition(experiment, mask)
    first = sweep.experiment_at([int(i) for i in np.unravel_index(points[0], sweep.shape)])
    return Program(points, varying, fixed, update, first)


_Members = list[tuple[np.ndarray, Experiment]]
"""Points with the experiment whose structure they share."""
