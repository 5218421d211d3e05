"""The grid of a sweep: axes over any field of an experiment, alone or several together."""

import dataclasses
import itertools
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from jaxsup._internal.validation import check_positive_integer, fail, suggest
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.hidden_layer import HiddenLayerStudent
from jaxsup.experiment.observables import OBSERVABLE_NAMES
from jaxsup.experiment.students import Student
from jaxsup.training.updates import AbstractUpdate, choose_update

# Names of the result's own dimensions and variables: an axis cannot be called so.
_RESERVED = (
    "seed",
    "step",
    "kept_step",
    "feature",
    "latent",
    "latent_in",
    "eigenvalue",
    "key_word",
    "key_data",
    "status",
    "last_step",
    "complete",
    "superposition_ratio",
    *(name for name in OBSERVABLE_NAMES if name != "loss"),
    *Student.parameter_dims,
    *HiddenLayerStudent.parameter_dims,
)


@dataclasses.dataclass(frozen=True)
class Axis:
    """One dimension of a sweep: fields that change together, each with a value a position."""

    name: str
    fields: dict[str, tuple[Any, ...]]

    @property
    def size(self) -> int:
        """Number of positions along the axis."""
        return len(next(iter(self.fields.values())))


class Sweep:
    """An experiment, the axes to scan, and the seeds: what `jaxsup.run` trains.

    Arguments:
        experiment: the point that the axes start from.
        axes: by name, in the order of the result's dimensions. A name like
            ``"features.exponent"`` (a field of the experiment) goes with a list of values; any
            other name goes with a mapping from fields to lists of one length, which then change
            together: ``{"setting": {"features.exponent": [1.1, 2], "teacher.exponent": [0, 1]}}``.
            Scans of ``"student.latent"`` are padded to a few widths, see `jaxsup.run`.
        seeds: S for the seeds 0..S-1, or the seeds themselves. Seed s is ``jax.random.key(s)``;
            all points share it, and with it their data stream.

    Attributes:
        structural: which axes change more than numbers that a compiled program takes as arguments:
            sizes, names, or how updates are computed.

    Raises:
        ValueError: an unknown field, an empty or ragged axis, a value that the experiment
            refuses, or no seeds.

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
        self.axes = tuple(_make_axis(experiment, *item) for item in (axes or {}).items())
        self.seeds = _make_seeds(seeds)
        _check_overlap(self.axes)
        for axis in self.axes:
            for position in range(axis.size):
                changes = {field: values[position] for field, values in axis.fields.items()}
                if not _is_structural(experiment, axis):
                    replace_fields(experiment, changes)
        self.structural = tuple(_is_structural(experiment, axis) for axis in self.axes)
        if self._mixes_updates():
            laws = [any(f.startswith("features.") for f in axis.fields) for axis in self.axes]
            self.structural = tuple(map(operator.or_, self.structural, laws))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of positions along each axis."""
        return tuple(axis.size for axis in self.axes)

    @property
    def points(self) -> int:
        """Number of settings, the product of the axes."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def replicas(self) -> int:
        """Number of networks: settings times seeds."""
        return self.points * len(self.seeds)

    def axis_table(self) -> dict[str, Any]:
        """The axes as the constructor takes them."""
        return {axis.name: axis.fields.get(axis.name, axis.fields) for axis in self.axes}

    def structures(self) -> Iterator[tuple[Int[np.ndarray, " points"], Experiment]]:
        """The experiments that differ in structure, with the points (flat indices) of each.

        Fields that hold numbers that a program can take as arguments do not count as structure:
        their values are filled in by `field_values`.
        """
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
            yield np.atleast_1d(grid[index]).ravel(), replace_fields(self.experiment, changes)

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

    def updates(
        self, points: Int[np.ndarray, " points"], experiment: Experiment
    ) -> list[AbstractUpdate]:
        """The updates of the settings at `points`, which have the structure of `experiment`.

        Of the numbers that programs take as arguments, only the feature law's settle an update.
        """
        laws = {
            path: values
            for path, values in self.field_values(points).items()
            if path.startswith("features.")
        }
        if not laws:
            return [choose_update(experiment)]
        different = np.unique(np.stack([*laws.values()]), axis=1).T
        return [
            choose_update(replace_fields(experiment, dict(zip(laws, law, strict=True))))
            for law in different.tolist()
        ]

    def _mixes_updates(self) -> bool:
        """Whether settings of one structure have different updates; checks all structures."""
        kinds = [{type(u) for u in self.updates(*structure)} for structure in self.structures()]
        return any(len(kinds_of_one) > 1 for kinds_of_one in kinds)

    def experiment_at(self, index: Sequence[int]) -> Experiment:
        """The experiment at one position along each axis."""
        changes = {
            field: values[position]
            for axis, position in zip(self.axes, index, strict=True)
            for field, values in axis.fields.items()
        }
        return replace_fields(self.experiment, changes)


def replace_fields(experiment: Experiment, changes: Mapping[str, Any]) -> Experiment:
    """The experiment with some fields, named by dotted paths, changed and checked together."""
    nested: dict[str, Any] = {}
    whole: dict[str, Any] = {}
    for path, value in changes.items():
        owner, _, field = path.partition(".")
        if field:
            nested.setdefault(owner, {})[field] = value
        else:
            whole[owner] = value
    for owner, fields in nested.items():
        part = whole.get(owner, getattr(experiment, owner))
        inner = {k: v for k, v in fields.items() if "." not in k}
        for path, value in ((k, v) for k, v in fields.items() if "." in k):
            name, _, field = path.partition(".")
            inner[name] = dataclasses.replace(getattr(part, name), **{field: value})
        whole[owner] = dataclasses.replace(part, **inner)
    return dataclasses.replace(experiment, **whole)


def field_names(experiment: Experiment) -> list[str]:
    """Every field that an axis can scan, by dotted path."""

    def names(owner: object, prefix: str) -> Iterator[str]:
        for field in dataclasses.fields(owner):  # pyright: ignore[reportArgumentType]
            if not field.init:
                continue
            yield prefix + field.name
            value = getattr(owner, field.name)
            if isinstance(value, eqx.Module):
                yield from names(value, f"{prefix}{field.name}.")

    return list(names(experiment, ""))


def _make_axis(experiment: Experiment, name: str, values: Any) -> Axis:
    recorded = experiment.record.names[1:]
    if name in (*_RESERVED, *recorded):
        raise fail("axes", "a field or a free name", name, f"{name!r} is a dimension of its own")
    scannable = field_names(experiment)
    fields = dict(values) if isinstance(values, Mapping) else {name: values}
    if isinstance(values, Mapping) and name in scannable:
        advice = "name a joint axis otherwise"
        raise fail(f"axes.{name}", "a list of values", "a table", advice, described=True)
    checked = {}
    for field, column in fields.items():
        if field not in scannable:
            raise fail("axes", "a field of the experiment", field, suggest(field, scannable))
        if isinstance(column, str) or not isinstance(column, Sequence | np.ndarray):
            raise fail(f"axes.{field}", "a list of values", column, "write [...] around them")
        checked[field] = tuple(
            item.item() if isinstance(item, np.generic) else item for item in column
        )
    lengths = {field: len(column) for field, column in checked.items()}
    if not lengths or 0 in lengths.values():
        text = "a list of none"
        raise fail(f"axes.{name}", "at least one value", text, "give values", described=True)
    if len(set(lengths.values())) > 1:
        text = "a table of lists of lengths " + ", ".join(f"{k}: {v}" for k, v in lengths.items())
        raise fail(f"axes.{name}", "lists of one length", text, "pair the values", described=True)
    return Axis(name, checked)


def _make_seeds(seeds: Any) -> tuple[int, ...]:
    if isinstance(seeds, str) or not isinstance(seeds, Sequence | np.ndarray):
        check_positive_integer("seeds", seeds, "give the number of seeds, or a list of them")
        return tuple(range(int(seeds)))
    whole = all(isinstance(s, int | np.integer) and 0 <= s < 2**32 for s in seeds)
    if not len(seeds) or not whole or len(set(seeds)) < len(seeds):
        advice = "give each seed once"
        raise fail("seeds", "different whole numbers from 0 to 2^32 - 1", seeds, advice)
    return tuple(int(seed) for seed in seeds)


def _check_overlap(axes: Sequence[Axis]) -> None:
    fields = [field for axis in axes for field in axis.fields]
    twice = sorted({field for field in fields if fields.count(field) > 1})
    if twice:
        raise fail("axes", "each field on one axis", ", ".join(twice), "drop it from one of them")
    for inner, outer in itertools.permutations(fields, 2):
        if inner.startswith(outer + "."):
            advice = f"scan {outer!r} or its parts, or pair them on one joint axis by hand"
            raise fail("axes", "fields that do not contain each other", f"{outer}, {inner}", advice)


def _is_structural(experiment: Experiment, axis: Axis) -> bool:
    """Whether the axis changes more than numbers that a compiled program takes as arguments."""
    return any(
        _is_static(experiment, field)
        or np.ndim(operator.attrgetter(field)(experiment)) != 0
        or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        for field, values in axis.fields.items()
    )


def _is_static(experiment: Experiment, path: str) -> bool:
    """Whether the field is part of the structure, or absent (None) and so not a number yet."""
    parent, _, name = path.rpartition(".")
    owner = operator.attrgetter(parent)(experiment) if parent else experiment
    field = next(f for f in dataclasses.fields(owner) if f.name == name)
    return bool(field.metadata.get("static", False)) or getattr(owner, name) is None
