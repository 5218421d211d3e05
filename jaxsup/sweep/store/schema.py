"""What a sweep's dataset looks like: variables, dimensions, coordinates, attributes.

Known before anything is trained, so that a store can be made first and filled in part by part.
"""

from __future__ import annotations

import functools
import json
import math
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jaxsup.sweep.grid import Sweep
from jaxsup.sweep.keys import STREAM
from jaxsup.sweep.programs import Program
from jaxsup.sweep.store.coordinates import coordinates_of
from jaxsup.sweep.store.identity import fingerprint_of, program_identity
from jaxsup.sweep.store.variables import RecordedArrays, Variable
from jaxsup.sweep.tables import sweep_to_tables
from jaxsup.training.updates import explain_update

if TYPE_CHECKING:
    import xarray as xr

# Raised when the meaning or the arrangement of a store's files changes.
LAYOUT_VERSION = 4
PENDING = -1
"""Value of ``status`` for a network that has not been trained yet."""


class Layout:
    """The dataset of a sweep that these programs train.

    Attributes:
        initial: parameters that all networks start from; None: drawn.
        steps: recorded steps, of all programs together.
        kept: steps with kept parameters, of all programs together.
        updates: how each program computes its updates, and why, for people.
        evaluations: how their losses are evaluated, each way once, for people.
        update_identities: what their numbers depend on, each once.
        variables: the data variables by name; ``status``, ``last_step`` and ``complete`` tell how
            each network fared and whether it has been trained.
    """

    def __init__(self, sweep: Sweep, programs: list[Program]) -> None:
        self.sweep, self.initial = sweep, programs[0].initial
        self._programs = programs
        self.steps = np.unique(np.concatenate([p.fixed.recorded_steps for p in programs]))
        self.kept = np.unique(
            np.concatenate([np.asarray(p.fixed.record.parameter_steps, int) for p in programs])
        )
        self.variables = self._variables(programs)
        self.updates = [_explain(program) for program in programs]
        self.evaluations = list(dict.fromkeys(_evaluation(program) for program in programs))
        identities = {json.dumps(program_identity(program), sort_keys=True) for program in programs}
        self.update_identities = [json.loads(identity) for identity in sorted(identities)]

    @property
    def dims(self) -> tuple[str, ...]:
        """The dimensions that replicas lie on: (axes..., seed)."""
        return (*(axis.name for axis in self.sweep.axes), "seed")

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
        """The labeled dataset of arrays [points, seeds, ...], or its coordinates alone."""
        import xarray as xr

        data = {
            name: ((*self.dims, *v.dims), arrays[name].reshape(*self.shape, *v.shape), v.attrs)
            for name, v in self.variables.items()
            if arrays is not None
        }
        return xr.Dataset(
            data, coords=coordinates_of(self.sweep, self.steps, self.kept), attrs=self.attributes()
        )

    def attributes(self) -> dict[str, Any]:
        """What the dataset says of itself whatever machine trains it."""
        return {
            "title": "jaxsup sweep",
            "layout_version": LAYOUT_VERSION,
            **self._depends(),
            "fingerprint": self.fingerprint,
            "updates": json.dumps(self.updates),
            "precision": ", ".join(self._precisions()),
            "loss_evaluation": ", ".join(self.evaluations),
            "replicas": math.prod(self.shape),
        }

    def products(self, device: Any) -> str:
        """How a device multiplies while it trains, in words."""
        return "; ".join(
            dict.fromkeys(each.update.products(each.example, device) for each in self._programs)
        )

    def _precisions(self) -> list[str]:
        """`Experiment.precision` of all settings."""
        scanned = [
            axis.fields["precision"] for axis in self.sweep.axes if "precision" in axis.fields
        ]
        return list(dict.fromkeys(scanned[0] if scanned else [self.sweep.experiment.precision]))

    def _depends(self) -> dict[str, str]:
        """The attributes that the numbers depend on."""
        start = self.initial
        return {
            "configuration": json.dumps(sweep_to_tables(self.sweep)),
            "dtype": dtype_name(),
            "random_numbers": STREAM,
            "update_identities": json.dumps(self.update_identities),
            **({} if start is None else {"initial": start.digest, "initial_origin": start.origin}),
        }

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of everything that the numbers depend on."""
        return fingerprint_of(self._depends())

    def schema(self) -> dict[str, Any]:
        """Names and sizes: of the dimensions that replicas lie on, of all, of the variables."""
        sizes = dict(zip(self.dims, self.shape, strict=True))
        for variable in self.variables.values():
            sizes.update(zip(variable.dims, variable.shape, strict=True))
        return {
            "grid": list(self.dims),
            "sizes": sizes,
            "variables": {name: list(v.dims) for name, v in self.variables.items()},
        }

    def _variables(self, programs: list[Program]) -> dict[str, Variable]:
        sizes = {"step": len(self.steps), "kept_step": len(self.kept)}
        arrays = RecordedArrays(sizes, {axis.name for axis in self.sweep.axes})
        for program in programs:
            arrays.add_program(program)
        variables = arrays.variables()
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


def dtype_name() -> str:
    """The type of real numbers that JAX computes with now."""
    return str(np.dtype(jax.numpy.result_type(float)))


def _evaluation(program: Program) -> str:
    """Which closed form gives a program's losses, or how many samples."""
    samples = f"{program.fixed.evaluation_samples} samples a seed"
    return program.update.evaluation or samples


def _explain(program: Program) -> str:
    """How a program computes its updates, and why not otherwise, for people."""
    settings = f"{len(program.points)} setting{'s' * (len(program.points) > 1)}"
    where = f"{settings} at {program.fixed.features.count} features, width {program.width}"
    refusals: dict[str, list[str]] = {}
    for kind, reason in explain_update(program.first).items():
        if reason:
            refusals.setdefault(reason, []).append(kind)
    reasons = "; ".join(f"not {', '.join(kinds)}: {reason}" for reason, kinds in refusals.items())
    update = program.update
    return f"{where}: {update.kind}: {update.describe()}" + f" ({reasons})" * bool(reasons)
