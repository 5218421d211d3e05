"""What a sweep's dataset looks like: variables, dimensions, coordinates, attributes.

Known before anything is trained, so that a store can be made first and filled in part by part.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from jaxsup import __version__
from jaxsup.experiment.record import OBSERVABLES
from jaxsup.experiment.tables import to_table
from jaxsup.sweep.grid import Sweep, dimension_name
from jaxsup.sweep.programs import Program
from jaxsup.sweep.tables import sweep_to_tables
from jaxsup.training.simulate import initial_parameters
from jaxsup.training.updates.choice import describe_way

if TYPE_CHECKING:
    import xarray as xr

# Raised when the meaning or the arrangement of a store's files changes.
LAYOUT_VERSION = 2
KEY_KIND = "threefry2x32"
PENDING = -1
"""Value of ``status`` for a network that has not been trained yet."""

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
    "optimizer.bias_learning_rate": ("learning rate of the output bias", "1"),
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


class Variable(NamedTuple):
    """An array of the dataset: (axes..., seed) come before the dimensions named here."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    fill: float | int | bool
    attrs: dict[str, Any]


class Layout:
    """The dataset of a sweep that these programs train.

    Attributes:
        steps: recorded steps, of all programs together.
        kept: steps with kept parameters, of all programs together.
        updates: how each program computes its updates, and why.
        variables: the data variables by name; ``status``, ``last_step`` and ``complete`` tell how
            each network fared and whether it has been trained.
    """

    def __init__(self, sweep: Sweep, programs: list[Program]) -> None:
        self.sweep = sweep
        self.steps = np.unique(np.concatenate([p.fixed.recorded_steps for p in programs]))
        self.kept = np.unique(
            np.concatenate([np.asarray(p.fixed.record.parameter_steps, int) for p in programs])
        )
        self.sizes = {
            "step": len(self.steps),
            "kept_step": len(self.kept),
            "feature": max(p.fixed.features.count for p in programs),
            "latent": max(p.width for p in programs),
            "latent_in": max(p.width for p in programs),
            "eigenvalue": max(p.width for p in programs),
        }
        self.variables = self._variables(programs)
        self.updates = [
            f"{len(p.points)} setting{'s' * (len(p.points) > 1)} at {p.fixed.features.count} "
            f"features, width {p.width}: "
            f"{describe_way(p.example)}"
            for p in programs
        ]

    @property
    def dims(self) -> tuple[str, ...]:
        """The dimensions that replicas lie on: (axes..., seed)."""
        return (*(axis.dim for axis in self.sweep.axes), "seed")

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of `dims`."""
        return (*self.sweep.shape, len(self.sweep.seeds))

    @property
    def nbytes(self) -> int:
        """Bytes of all data variables, before compression."""
        return sum(
            math.prod((*self.shape, *variable.shape)) * variable.dtype.itemsize
            for variable in self.variables.values()
        )

    def empty(self, points: int, seeds: int) -> dict[str, np.ndarray]:
        """Arrays [points, seeds, ...] for all variables, nothing in them yet."""
        return {
            name: np.full((points, seeds, *variable.shape), variable.fill, variable.dtype)
            for name, variable in self.variables.items()
        }

    def dataset(self, arrays: dict[str, np.ndarray] | None = None) -> xr.Dataset:
        """The labelled dataset of arrays [points, seeds, ...], or its coordinates alone."""
        import xarray as xr

        data = {
            name: ((*self.dims, *v.dims), arrays[name].reshape(*self.shape, *v.shape), v.attrs)
            for name, v in self.variables.items()
            if arrays is not None
        }
        return xr.Dataset(data, coords=self._coordinates(), attrs=self.attributes())

    def attributes(self) -> dict[str, Any]:
        """What the dataset says of itself whatever machine trains it."""
        experiment = self.sweep.experiment
        return {
            "title": "jaxsup sweep",
            "layout_version": LAYOUT_VERSION,
            "configuration": json.dumps(sweep_to_tables(self.sweep)),
            "fingerprint": self.fingerprint,
            "precision": precision(),
            "updates": json.dumps(self.updates),
            "loss_evaluation": experiment.closed_form
            or f"{experiment.record.evaluation_samples} samples a seed",
            "replicas": math.prod(self.shape),
        }

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that the numbers depend on: configuration, seeds, precision."""
        text = json.dumps([sweep_to_tables(self.sweep), precision(), KEY_KIND], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _variables(self, programs: list[Program]) -> dict[str, Variable]:
        real = jax.numpy.result_type(float)

        def variable(dims: tuple[str, ...], label: str, units: str) -> Variable:
            attrs = {"long_name": label, "units": units}
            shape = tuple(self.sizes[dim] for dim in dims)
            return Variable(dims, shape, np.dtype(real), math.nan, attrs)

        variables = {}
        for name in dict.fromkeys(name for p in programs for name in p.fixed.record.names):
            observable = OBSERVABLES[name]
            dims = ("step", *observable.dims)
            variables[name] = variable(dims, observable.long_name, observable.units)
        for name, dims in _PARAMETER_DIMS.items():
            if any(p.fixed.record.parameter_steps and _has(p, name) for p in programs):
                dims = ("kept_step", *dims)
                variables[name] = variable(dims, f"{name} at the kept steps", "1")
        status = {
            "long_name": "how the run ended",
            "flag_values": [PENDING, 0, 1],
            "flag_meanings": "pending finished diverged",
        }
        last = {"long_name": "updates after which all parameters were finite", "units": "updates"}
        complete = {"long_name": "whether the network has been trained and stored"}
        variables["status"] = Variable((), (), np.dtype(np.int8), PENDING, status)
        variables["last_step"] = Variable((), (), np.dtype(np.int64), -1, last)
        variables["complete"] = Variable((), (), np.dtype(bool), False, complete)
        return variables

    def _coordinates(self) -> dict[str, Any]:
        coordinates: dict[str, Any] = {
            "seed": ("seed", np.asarray(self.sweep.seeds), {"long_name": "seed"}),
            "step": ("step", self.steps, {"long_name": "training steps t", "units": "updates"}),
        }
        keys = jax.vmap(lambda seed: jax.random.key(seed, impl=KEY_KIND))
        words = jax.random.key_data(keys(np.asarray(self.sweep.seeds, np.uint32)))
        attrs = {"long_name": "random key of the seed", "implementation": KEY_KIND}
        coordinates["key_data"] = (("seed", "key_word"), np.asarray(words), attrs)
        if len(self.kept):
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


def precision() -> str:
    """The precision that JAX computes with now."""
    return str(np.dtype(jax.numpy.result_type(float)))


def machine(devices: list[Any]) -> dict[str, Any]:
    """What trained: versions and devices."""
    return {
        "jaxsup_version": __version__,
        "jax_version": jax.__version__,
        "platform": devices[0].platform,
        "device": ", ".join(sorted({device.device_kind for device in devices})),
        "device_count": len(devices),
    }


def _has(program: Program, name: str) -> bool:
    """Whether the program's networks have this array."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    parameters = eqx.filter_eval_shape(initial_parameters, program.example, key)
    return getattr(parameters, name) is not None


def _labels(values: tuple[Any, ...]) -> np.ndarray:
    """Coordinate values: numbers as they are, names and objects' configurations as text.

    Text has the object dtype, which xarray writes with a type that Zarr's specification knows.
    """
    if all(isinstance(value, int | float) for value in values):
        return np.asarray(values)
    texts = [value if isinstance(value, str) else json.dumps(to_table(value)) for value in values]
    return np.asarray(texts, object)
