"""From a grid of points to a few compiled programs.

Points of one structure run as one vmapped program. Scans over the latent dimension K are padded:
the widths that a scan uses are chosen so that the padding costs least for a given number of
programs.
"""

import copy
import dataclasses
import functools
import operator
from collections.abc import Iterator

import equinox as eqx
import jax
import numpy as np

from jaxsup.experiment.experiment import Experiment
from jaxsup.sweep.grid import Sweep
from jaxsup.training.updates.choice import way


@dataclasses.dataclass(frozen=True)
class Program:
    """Points that one compiled program trains.

    Attributes:
        points: flat indices into the sweep's grid, [points].
        varying: the experiment's leaves that differ between points, with a leading axis [points];
            None elsewhere.
        fixed: the leaves that all points share; None elsewhere.
    """

    points: np.ndarray
    varying: Experiment
    fixed: Experiment

    @property
    def width(self) -> int:
        """The latent dimensions that the program's arrays hold."""
        return self.fixed.student.latent

    @property
    def example(self) -> Experiment:
        """The experiment of the first point, as the program holds it."""
        first = jax.tree.map(lambda leaf: leaf[0], self.varying)
        return eqx.combine(first, self.fixed)


def shares_frozen(varying: Experiment, fixed: Experiment) -> bool:
    """Whether the replicas of a seed hold one copy of the arrays that are not learned.

    One W makes one wide product of many narrow ones. Columns of samples are laid out anew for it,
    which costs small networks more than it gives.
    """
    return not jax.tree.leaves(varying.student) and way(fixed) != "listed"


def plan_programs(sweep: Sweep, widths: int) -> list[Program]:
    """Group a sweep's points, each group of scanned latent dimensions into at most `widths`.

    Points with sparse samples share a program that has room for the most arrivals among them.
    """
    groups: dict[object, list[tuple[np.ndarray, Experiment]]] = {}
    levels: dict[object, list[int]] = {}
    for points, experiment in sweep.structures():
        found = sweep.sparse_levels(points, experiment)
        sparse = [level for level in found if level is not None]
        padded = _pad(experiment, experiment.features.count)
        padded = _with_level(padded, 0 if sparse else None)
        shapes = tuple(np.shape(leaf) for leaf in jax.tree.leaves(padded))
        name = jax.tree.structure(padded), shapes
        groups.setdefault(name, []).append((points, experiment))
        levels.setdefault(name, []).extend(sparse)
    return [
        _stack(sweep, bucket, max(levels[name], default=None))
        for name, members in groups.items()
        for bucket in _split(members, widths)
    ]


def _with_level(experiment: Experiment, level: int | None) -> Experiment:
    """The same experiment with room for other numbers of arrivals."""
    changed = copy.copy(experiment)
    object.__setattr__(changed, "sparse_level", level)
    return changed


def _pad(experiment: Experiment, width: int) -> Experiment:
    """The same student held in `width` latent dimensions, where that can be done."""
    student = experiment.student
    if student.embedding == "identity" or student.active is not None:
        return experiment
    student = dataclasses.replace(student, latent=width, active=student.latent)
    return dataclasses.replace(experiment, student=student)


def _split(
    members: list[tuple[np.ndarray, Experiment]], widths: int
) -> Iterator[list[tuple[np.ndarray, Experiment]]]:
    """Buckets of one compiled width; a bucket that holds one K needs no padding."""
    latents = sorted({experiment.student.latent for _, experiment in members})
    weights = {
        k: sum(len(points) for points, e in members if e.student.latent == k) for k in latents
    }
    count = members[0][1].features.count
    for bucket in choose_widths(latents, [weights[k] for k in latents], count, widths):
        chosen = [(points, e) for points, e in members if e.student.latent in bucket]
        if len(bucket) > 1:
            chosen = [(points, _pad(e, max(bucket))) for points, e in chosen]
        yield chosen


def choose_widths(
    latents: list[int], points: list[int], count: int, widths: int
) -> list[tuple[int, ...]]:
    """Cut sorted `latents` into at most `widths` runs, each padded to its largest, at least cost.

    The cost of a step at width K is taken as N K + K^2: the products with W and with B.

    >>> choose_widths([16, 32, 64, 128], [1, 1, 1, 1], 256, 2)
    [(16, 32, 64), (128,)]
    """
    n = len(latents)

    @functools.cache
    def best(first: int, left: int) -> tuple[float, tuple[int, ...]]:
        if first == n:
            return 0.0, ()
        if left == 0:
            return np.inf, ()
        options = []
        for stop in range(first + 1, n + 1):
            width = latents[stop - 1]
            here = (count * width + width**2) * sum(points[first:stop])
            rest, cuts = best(stop, left - 1)
            options.append((here + rest, (stop, *cuts)))
        return min(options)

    cuts = best(0, widths)[1]
    return [tuple(latents[a:b]) for a, b in zip((0, *cuts), cuts, strict=False)]


def _stack(
    sweep: Sweep, members: list[tuple[np.ndarray, Experiment]], level: int | None
) -> Program:
    """One experiment for all members, with an axis on the leaves that differ between points."""
    members = [(points, _with_level(experiment, level)) for points, experiment in members]
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
    return Program(points, varying, fixed)
