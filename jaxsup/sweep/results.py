"""Collect what the chunks of a sweep recorded and label it."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jaxsup._version import __version__
from jaxsup.config import to_table
from jaxsup.observe import OBSERVABLES
from jaxsup.simulation import State
from jaxsup.sweep.axes import Sweep, dimension_name
from jaxsup.sweep.buckets import Program
from jaxsup.sweep.tables import sweep_to_tables

if TYPE_CHECKING:
    import xarray as xr

# (long name, units) of the fields that scans are made of; others carry their path.
_FIELD_LABELS = {
    "features.count": ("number of features N", "1"),
    "features.exponent": ("feature frequency exponent a", "1"),
    "features.density": ("expected active features a sample", "1"),
    "teacher.exponent": ("channel importance exponent b", "1"),
    "student.latent": ("latent dimension K", "1"),
    "student.embedding": ("embedding W", ""),
    "student.activation": ("output activation", ""),
    "student.core_scale": ("standard deviation of the core's start", "1"),
    "optimizer.learning_rate": ("learning rate", "1"),
    "optimizer.momentum": ("momentum", "1"),
    "optimizer.weight_decay": ("weight decay", "1"),
    "batch_size": ("samples an update", "1"),
    "importance": ("relative importance of consecutive features", "1"),
}
_PARAMETER_DIMS = {
    "embedding": ("latent", "feature"),
    "readout": ("latent", "feature"),
    "core": ("latent", "latent_in"),
    "bias": ("feature",),
}


class Results:
    """Arrays over (points, seeds, ...) that chunks fill in; NaN where nothing was recorded."""

    def __init__(self, sweep: Sweep, programs: list[Program]) -> None:
        self.sweep = sweep
        self.steps = np.unique(np.concatenate([p.fixed.recorded_steps for p in programs]))
        self.kept = np.unique(
            np.concatenate([np.asarray(p.fixed.record.parameter_steps, int) for p in programs])
        )
        self.features = max(p.fixed.features.count for p in programs)
        self.latent = max(p.width for p in programs)
        self.replicas = (sweep.points, len(sweep.seeds))
        self.seed_rows = {seed: row for row, seed in enumerate(sweep.seeds)}
        self.records: dict[str, np.ndarray] = {}
        self.parameters: dict[str, np.ndarray] = {}
        self.status = np.zeros(self.replicas, np.int8)
        self.last_step = np.zeros(self.replicas, np.int64)

    def add_records(
        self,
        program: Program,
        points: np.ndarray,
        seeds: np.ndarray,
        step: int,
        records: dict[str, np.ndarray],
    ) -> None:
        """Take what a chunk recorded after `step` updates, arrays [seeds, points, ...]."""
        column = int(np.searchsorted(self.steps, step))
        rows = self._rows(program, points, seeds)
        for name, value in records.items():
            extra = (self.features,) if OBSERVABLES[name].dims else ()
            if name not in self.records:
                shape = (*self.replicas, len(self.steps), *extra)
                self.records[name] = np.full(shape, np.nan, value.dtype)
            inner = tuple(slice(n) for n in value.shape[2:])
            self.records[name][(*rows, column, *inner)] = np.swapaxes(value, 0, 1)

    def add_ends(
        self, program: Program, points: np.ndarray, seeds: np.ndarray, state: State
    ) -> None:
        """Take how the replicas of a chunk ended, arrays [seeds, points, ...]."""
        rows = self._rows(program, points, seeds)
        self.status[rows] = state.status.T
        self.last_step[rows] = state.last_step.T
        if state.snapshots is None:
            return
        columns = np.searchsorted(self.kept, program.fixed.record.parameter_steps)
        sizes = {"latent": self.latent, "latent_in": self.latent, "feature": self.features}
        for name, dims in _PARAMETER_DIMS.items():
            value = getattr(state.snapshots, name)
            if value is None:
                continue
            if name not in self.parameters:
                shape = (*self.replicas, len(self.kept), *(sizes[dim] for dim in dims))
                self.parameters[name] = np.full(shape, np.nan, value.dtype)
            inner = tuple(slice(n) for n in value.shape[3:])
            target = self.parameters[name]
            for row, column in enumerate(columns):
                target[(*rows, column, *inner)] = np.swapaxes(value[:, :, row], 0, 1)

    def dataset(self, *, seconds: float, devices: list[Any]) -> xr.Dataset:
        """The labelled dataset."""
        import xarray as xr

        dims = tuple(axis.dim for axis in self.sweep.axes)
        shape = self.sweep.shape

        def variable(inner: tuple[str, ...], values: np.ndarray, attrs: dict[str, Any]) -> Any:
            values = values.reshape(*shape, *values.shape[1:])
            return ((*dims, "seed", *inner), values, attrs)

        variables = {}
        for name, values in self.records.items():
            observable = OBSERVABLES[name]
            attrs = {"long_name": observable.long_name, "units": observable.units}
            variables[name] = variable(("step", *observable.dims), values, attrs)
        for name, values in self.parameters.items():
            attrs = {"long_name": f"{name} at the kept steps", "units": "1"}
            inner = ("kept_step", *_PARAMETER_DIMS[name])
            variables[name] = variable(inner, values, attrs)
        status = {
            "long_name": "how the run ended",
            "flag_values": [0, 1],
            "flag_meanings": "finished diverged",
        }
        variables["status"] = variable((), self.status, status)
        last = {"long_name": "updates after which all parameters were finite", "units": "updates"}
        variables["last_step"] = variable((), self.last_step, last)
        return xr.Dataset(
            variables, coords=self._coordinates(), attrs=self._provenance(seconds, devices)
        )

    def _rows(self, program: Program, points: np.ndarray, seeds: np.ndarray) -> Any:
        return np.ix_(program.points[points], np.asarray([self.seed_rows[int(s)] for s in seeds]))

    def _coordinates(self) -> dict[str, Any]:
        coordinates: dict[str, Any] = {
            "seed": ("seed", np.asarray(self.sweep.seeds), {"long_name": "seed"}),
            "step": ("step", self.steps, {"long_name": "training steps t", "units": "updates"}),
        }
        if self.parameters:
            attrs = {"long_name": "steps with kept parameters", "units": "updates"}
            coordinates["kept_step"] = ("kept_step", self.kept, attrs)
        for axis in self.sweep.axes:
            for field, values in axis.fields.items():
                label, units = _FIELD_LABELS.get(field, (field, ""))
                attrs = {"long_name": label, **({"units": units} if units else {})}
                coordinates[dimension_name(field)] = (axis.dim, _labels(values), attrs)
        coordinates.update(self._ratio())
        return coordinates

    def _ratio(self) -> dict[str, Any]:
        """N/K along the axis that changes N or K, or as a scalar; left out where two axes do."""
        sizes = {"features", "features.count", "student", "student.latent"}
        owners = [i for i, axis in enumerate(self.sweep.axes) if sizes & axis.fields.keys()]
        attrs = {"long_name": "superposition ratio N/K", "units": "1"}
        if len(owners) > 1:
            return {}

        def ratio(position: int) -> float:
            index = [position if i in owners else 0 for i in range(len(self.sweep.axes))]
            experiment = self.sweep.experiment_at(index)
            return experiment.features.count / experiment.student.latent

        if not owners:
            return {"superposition_ratio": ((), ratio(0), attrs)}
        axis = self.sweep.axes[owners[0]]
        ratios = np.asarray([ratio(position) for position in range(axis.size)])
        return {"superposition_ratio": (axis.dim, ratios, attrs)}

    def _provenance(self, seconds: float, devices: list[Any]) -> dict[str, Any]:
        experiment = self.sweep.experiment
        return {
            "title": "jaxsup sweep",
            "jaxsup_version": __version__,
            "jax_version": jax.__version__,
            "configuration": json.dumps(sweep_to_tables(self.sweep)),
            "device": ", ".join(sorted({device.device_kind for device in devices})),
            "platform": devices[0].platform,
            "device_count": len(devices),
            "precision": str(np.dtype(jax.numpy.result_type(float))),
            "loss_evaluation": experiment.closed_form
            or f"{experiment.record.evaluation_samples} samples a seed",
            "replicas": math.prod(self.replicas),
            "seconds": round(seconds, 3),
        }


def _labels(values: tuple[Any, ...]) -> np.ndarray:
    """Coordinate values: numbers as they are, names and objects' configurations as text.

    Text has the object dtype, which xarray writes with a type that Zarr's specification knows.
    """
    if all(isinstance(value, int | float) for value in values):
        return np.asarray(values)
    texts = [value if isinstance(value, str) else json.dumps(to_table(value)) for value in values]
    return np.asarray(texts, object)
