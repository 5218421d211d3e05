"""The variables of a sweep's dataset: what its networks record and keep, by name and dimension."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxsup._internal.validation import fail
from jaxsup.experiment.initial import named_arrays
from jaxsup.sweep.programs import Program, shapes_of
from jaxsup.training.observables import observables_of


class Variable(NamedTuple):
    """An array of the dataset: (axes..., seed) come before the dimensions named here."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    fill: float | int | bool
    attrs: dict[str, Any]


class RecordedArrays:
    """The recorded arrays of several programs, each as large as the largest of them.

    Arguments:
        sizes: of the dimensions that all programs share.
        axes: names of the sweep's axes.
    """

    def __init__(self, sizes: dict[str, int], axes: set[str]) -> None:
        self.sizes, self.axes = sizes, axes
        self.labels: dict[str, tuple[tuple[str, ...], str, str]] = {}

    def add_program(self, program: Program) -> None:
        """Take in what a program's networks record and keep.

        Raises:
            ValueError: an array has other dimensions than it names, or than in another program, or
                no entries; or an axis has its name, or that of a dimension.
        """
        experiment, (state, records) = program.example, shapes_of(program)
        estimated, finite = program.update.evaluation is None, experiment.training_set is not None
        recorded = observables_of(experiment.record, estimated=estimated, finite=finite)
        for name, observable in recorded.items():
            shape = records[name].shape
            if len(shape) != len(observable.dims):
                expected = f"{len(observable.dims)} dimensions, {observable.dims}"
                advice = "name a dimension for each axis of what measure() returns"
                text = f"values of shape {shape}"
                raise fail(f"observable {name}", expected, text, advice, described=True)
            if 0 in shape:
                text, advice = f"values of shape {shape}", "return NaN where there are none"
                raise fail(f"observable {name}", "values", text, advice, described=True)
            own = {"feature": experiment.features.count, "latent": experiment.student.latent}
            for dim, size in zip(observable.dims, shape, strict=True):
                if size != own.get(dim, size):
                    advice = f"a dimension of other sizes wants a name other than {dim!r}"
                    text = f"values of shape {shape}"
                    expected = f"{own[dim]} of them along {dim!r}"
                    raise fail(f"observable {name}", expected, text, advice, described=True)
            self._add(
                name, ("step", *observable.dims), shape, observable.long_name, observable.units
            )
        if experiment.record.parameter_steps:
            for name, leaf in named_arrays(state.parameters).items():
                if name in records:
                    text, advice = f"an observable {name!r}", "call the observable otherwise"
                    expected = "a name other than those of the student's arrays"
                    raise fail("record.observables", expected, text, advice, described=True)
                dims = experiment.student.dims_of(name, leaf.ndim)
                label = f"{name} at the kept steps"
                self._add(name, ("kept_step", *dims), leaf.shape, label, "1")

    def _add(
        self, name: str, dims: tuple[str, ...], shape: tuple[int, ...], label: str, units: str
    ) -> None:
        before = self.labels.get(name, (dims,))[0]
        if before != dims:
            expected = f"the dimensions {before[1:]} in all settings"
            advice = "call it otherwise where it is something else"
            raise fail(f"array {name}", expected, dims[1:], advice)
        for taken in sorted({name, *dims[1:]} & self.axes):
            text, advice = f"{taken!r} for the array {name} too", "call the axis otherwise"
            raise fail("axes", "names of their own", text, advice, described=True)
        self.labels[name] = dims, label, units
        for dim, size in zip(dims[1:], shape, strict=True):
            self.sizes[dim] = max(self.sizes.get(dim, 0), size)

    def variables(self) -> dict[str, Variable]:
        """The variables by name.

        Raises:
            ValueError: a dimension is called as an array.
        """
        real = np.dtype(jax.numpy.result_type(float))
        for name, (dims, _, _) in self.labels.items():
            for taken in sorted(set(dims) & self.labels.keys()):
                expected, advice = "dimensions that are no arrays", "call one of them otherwise"
                raise fail(f"array {name}", expected, taken, advice)
        return {
            name: Variable(
                dims,
                tuple(self.sizes[dim] for dim in dims),
                real,
                math.nan,
                {"long_name": label, "units": units},
            )
            for name, (dims, label, units) in self.labels.items()
        }
