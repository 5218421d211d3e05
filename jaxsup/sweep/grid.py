"""The grid of a sweep: every position along its axes, with every seed."""

import itertools
import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxsup._internal.aliases import both_names, resolve_axes
from jaxsup._internal.display import html_table, html_text, named, short
from jaxsup._internal.validation import check_positive_integer, fail, is_integer
from jaxsup.experiment.experiment import Experiment, check_experiment
from jaxsup.sweep.axes import (
    MOST_SETTINGS,
    as_list,
    check_overlap,
    check_values,
    is_structural,
    make_axis,
    replace_fields,
)
from jaxsup.training.sampling.plan import laws_alike
from jaxsup.training.updates import AbstractUpdate, choose_update

MOST_NETWORKS = 10**8
"""Largest number of networks of a sweep."""
MOST_STRUCTURES = 10**4
"""Largest number of settings that differ in more than numbers."""

_MOST_LISTED = 6  # values of an axis that a notebook shows
_MOST_COUNTED = 64  # structures that are looked at to be shown


class Structure(NamedTuple):
    """Points of a sweep whose experiments differ in numbers only.

    Attributes:
        points: flat indices into the grid, [points].
        experiment: without the values of `Sweep.field_values`.
        updates: of the points, each once.
    """

    points: Int[np.ndarray, " points"]
    experiment: Experiment
    updates: tuple[AbstractUpdate, ...]


class Sweep:
    """An experiment, the axes to scan, and the seeds: what `jaxsup.run` trains.

    Arguments:
        experiment: the point that the axes start from.
        axes: by name, in the order of the result's dimensions. A name like
            ``"features.exponent"`` (a field of the experiment) goes with a list of values; any
            other name goes with a mapping from fields to lists of one length, which then change
            together: ``{"setting": {"features.exponent": [1.1, 2], "teacher.exponent": [0, 1]}}``.
            Fields go by their aliases too, "a" and "b" for these (`jaxsup._internal.aliases`, or
            ``jaxsup list aliases``).
            Scans of ``"student.latent"`` are padded to a few widths, see `jaxsup.run`.
        seeds: S for the seeds 0..S-1, or the seeds themselves. Seed s is ``jax.random.key(s)``;
            all points share it, and with it their data stream.

    Attributes:
        structural: which axes change more than numbers that a compiled program takes as arguments:
            sizes, names, how updates are computed, or what a class of one's own makes of a number.

    Raises:
        ValueError: an unknown field, an empty or ragged axis, a value that the experiment
            refuses, a value that comes twice, or no seeds.

    >>> import jaxsup
    >>> base = jaxsup.Experiment(
    ...     jaxsup.PowerLawFeatures(64, 1.5), jaxsup.DiagonalTeacher(0.0), jaxsup.Student(16),
    ...     jaxsup.SGD(0.5))
    >>> sweep = jaxsup.Sweep(base, {"features.exponent": [1.1, 1.5], "student.latent": [8, 16, 32]},
    ...                      seeds=4)
    >>> sweep.shape, sweep.replicas
    ((2, 3), 24)
    """

    def __init__(
        self,
        experiment: Experiment,
        axes: Mapping[str, Any] | None = None,
        seeds: Any = 1,
    ) -> None:
        self.experiment = experiment
        check_experiment(experiment)
        self.axes = tuple(make_axis(experiment, *item) for item in _axis_items(axes))
        self.seeds = _make_seeds(seeds)
        check_overlap(self.axes)
        self.structural = tuple(is_structural(experiment, axis) for axis in self.axes)
        self._check_size()
        self.structural = tuple(
            fixed or not check_values(experiment, axis)
            for axis, fixed in zip(self.axes, self.structural, strict=True)
        )
        self._check_size()
        self._structures: tuple[Structure, ...] | None = tuple(self._find_structures())
        if any(len({type(u) for u in each.updates}) > 1 for each in self._structures):
            laws = [any(f.startswith("features.") for f in axis.fields) for axis in self.axes]
            self.structural = tuple(map(operator.or_, self.structural, laws))
            self._structures = None  # many more, which not everybody asks for

    def __len__(self) -> int:
        """Number of networks, as `replicas`."""
        return self.replicas

    def __repr__(self) -> str:
        sizes = [f"{axis.size:,} {axis.name}" for axis in self.axes]
        sizes.append(f"{len(self.seeds):,} seed{'s' * (len(self.seeds) != 1)}")
        networks = f"{self.replicas:,} network{'s' * (self.replicas != 1)}"
        return named(self, f"{networks} = {' x '.join(sizes)}")

    def _repr_html_(self) -> str:
        """What is scanned, how many networks and compiled programs that is, and of what."""
        rows = [
            (axis.name, f"{axis.size:,}", both_names(field), _listed(values))
            for axis in self.axes
            for field, values in axis.fields.items()
        ]
        rows.append(("seed", f"{len(self.seeds):,}", "", _listed(self.seeds)))
        table = html_table(rows, ("axis", "values", "field", ""))
        programs = self._count_programs()
        compiled = "" if programs is None else f" in {programs} compiled program"
        compiled += "s" * (programs not in (None, 1))
        return html_text(repr(self) + compiled) + table + self.experiment._repr_html_()

    def _count_programs(self) -> int | None:
        """Programs that `jaxsup.run` compiles; None where it takes long to tell."""
        from jaxsup.sweep.programs import plan_programs

        few = len(self.structures) <= _MOST_COUNTED
        return len(plan_programs(self, 2)) if few else None

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of positions along each axis."""
        return tuple(axis.size for axis in self.axes)

    @property
    def points(self) -> int:
        """Number of settings, the product of the axes."""
        return math.prod(self.shape)

    @property
    def replicas(self) -> int:
        """Number of networks: settings times seeds."""
        return self.points * len(self.seeds)

    def axis_table(self) -> dict[str, Any]:
        """The axes as the constructor takes them."""
        return {axis.name: axis.fields.get(axis.name, axis.fields) for axis in self.axes}

    @property
    def structures(self) -> tuple[Structure, ...]:
        """The experiments that differ in structure, with the points of each.

        Fields that hold numbers that a program can take as arguments do not count as structure:
        their values are filled in by `field_values`.
        """
        if self._structures is None:
            self._structures = tuple(self._find_structures())
        return self._structures

    def _find_structures(self) -> Iterator[Structure]:
        """All structures, checked."""
        grid = np.arange(self.points).reshape(self.shape)
        ranges = [
            range(axis.size) if fixed else [slice(None)]
            for axis, fixed in zip(self.axes, self.structural, strict=True)
        ]
        for index in itertools.product(*ranges):
            changes = {
                field: values[position]
                for axis, position in zip(self.axes, index, strict=True)
                if not isinstance(position, slice)
                for field, values in axis.fields.items()
            }
            points = np.atleast_1d(grid[index]).ravel()
            experiment = replace_fields(self.experiment, changes)
            yield Structure(points, experiment, tuple(self._updates(points, experiment)))

    def field_values(
        self, points: Int[np.ndarray, " points"]
    ) -> dict[str, Float[np.ndarray, " points"]]:
        """The values of the unstructural fields at `points`."""
        positions = np.unravel_index(points, self.shape) if self.shape else ()
        return {
            field: np.asarray(values, np.float64)[position]
            for axis, fixed, position in zip(self.axes, self.structural, positions, strict=True)
            if not fixed
            for field, values in axis.fields.items()
        }

    def _updates(
        self, points: Int[np.ndarray, " points"], experiment: Experiment
    ) -> list[AbstractUpdate]:
        """The updates of the settings at `points`, which have the structure of `experiment`.

        Of the numbers that programs take as arguments, only the feature law's settle an update.
        """
        check_experiment(experiment)
        numbered = [
            number
            for number, (axis, fixed) in enumerate(zip(self.axes, self.structural, strict=True))
            if not fixed and any(field.startswith("features.") for field in axis.fields)
        ]
        if not numbered:
            return [choose_update(experiment)]
        positions = np.unravel_index(points, self.shape)
        sizes = [self.shape[number] for number in numbered]
        found = np.unique(np.ravel_multi_index([positions[n] for n in numbered], sizes))
        places = np.unravel_index(found, sizes)
        laws = {
            field: np.asarray(values, np.float64)[place]
            for number, place in zip(numbered, places, strict=True)
            for field, values in self.axes[number].fields.items()
        }
        numbers = {
            field.removeprefix("features."): values
            for field, values in laws.items()
            if field.startswith("features.")
        }
        _, firsts = np.unique(laws_alike(experiment.features, numbers), return_index=True)
        return [
            choose_update(replace_fields(experiment, {f: v[first].item() for f, v in laws.items()}))
            for first in firsts
        ]

    def _check_size(self) -> None:
        """Refuse what no memory holds, before anything is made of it."""
        structures = math.prod(
            axis.size for axis, fixed in zip(self.axes, self.structural, strict=True) if fixed
        )
        for what, count, most in (
            ("settings", self.points, MOST_SETTINGS),
            ("networks, settings times seeds,", self.replicas, MOST_NETWORKS),
            ("settings that differ in more than numbers", structures, MOST_STRUCTURES),
        ):
            if count > most:
                advice = "make several sweeps of it"
                raise fail("axes", f"at most {most} {what}", count, advice)

    def experiment_at(self, index: Sequence[int]) -> Experiment:
        """The experiment at one position along each axis."""
        changes = {
            field: values[position]
            for axis, position in zip(self.axes, index, strict=True)
            for field, values in axis.fields.items()
        }
        return replace_fields(self.experiment, changes)


def _listed(values: Sequence[Any]) -> str:
    """The first values of an axis, and the last."""
    words = [short(value) for value in values[:_MOST_LISTED]]
    return ", ".join(words) + (f", ... {short(values[-1])}" if len(values) > len(words) else "")


def _axis_items(axes: object) -> Sequence[tuple[Any, Any]]:
    if axes is not None and not isinstance(axes, Mapping):
        advice = "write {'features.exponent': [1.1, 1.5]}"
        raise fail("axes", "lists of values by name", axes, advice)
    return list(resolve_axes(axes or {}).items())


def _make_seeds(seeds: Any) -> tuple[int, ...]:
    seeds = as_list(seeds)
    if isinstance(seeds, str | bytes) or not isinstance(seeds, Sequence | np.ndarray):
        advice = "give the number of seeds, or a list of them"
        check_positive_integer("seeds", seeds, advice, most=MOST_SETTINGS)
        return tuple(range(int(seeds)))
    if np.ndim(seeds) == 1 and len(seeds) > MOST_SETTINGS:
        text, advice = f"{len(seeds)} of them", "make several sweeps of it"
        raise fail("seeds", f"at most {MOST_SETTINGS} seeds", text, advice, described=True)
    flat = np.ndim(seeds) == 1 and all(is_integer(s) and 0 <= s < 2**32 for s in seeds)
    if not flat or not len(seeds) or len(set(seeds)) < len(seeds):
        advice = "give each seed once"
        raise fail("seeds", "different whole numbers from 0 to 2^32 - 1", seeds, advice)
    return tuple(int(seed) for seed in seeds)
