"""The coordinates of a sweep's dataset: what is scanned, seeds with their keys, recorded steps."""

import contextlib
import dataclasses
import json
import operator
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Int, Shaped

from jaxsup._internal.keys import KEY_KIND
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.tables import to_table
from jaxsup.sweep.grid import Sweep
from jaxsup.sweep.keys import seed_keys

# (long name, units) of the fields that scans are made of; others carry their path.
_FIELD_LABELS = {
    "features.count": ("number of features N", "1"),
    "features.exponent": ("feature frequency exponent a", "1"),
    "features.density": ("expected active features a sample", "1"),
    "features.probability": ("probability of the first feature or root", "1"),
    "features.conditional": ("probability of a child of an active parent", "1"),
    "features.size": ("features in a group", "1"),
    "features.relation": ("relation of a group's features", ""),
    "teacher.exponent": ("channel importance exponent b", "1"),
    "student.latent": ("latent dimension K", "1"),
    "student.embedding": ("embedding W", ""),
    "student.activation": ("output activation", ""),
    "student.core_scale": ("standard deviation of the core's start", "1"),
    "student.hidden_noise": ("standard deviation of the hidden layer's noise", "1"),
    "optimizer.learning_rate": ("learning rate", "1"),
    "optimizer.bias_learning_rate": ("learning rate of the output bias", "1"),
    "optimizer.momentum": ("momentum", "1"),
    "optimizer.weight_decay": ("weight decay", "1"),
    "batch_size": ("samples an update", "1"),
    "training_set": ("samples of the training set T", "1"),
    "importance": ("relative importance of consecutive features", "1"),
}

_FEW_NUMBERS = 8  # of an array that is told whole


def coordinates_of(
    sweep: Sweep, steps: Int[np.ndarray, " steps"], kept: Int[np.ndarray, " kept"]
) -> dict[str, Any]:
    """The coordinates of a sweep's dataset, as xarray takes them.

    Arguments:
        sweep: what is trained.
        steps: recorded steps.
        kept: steps with kept parameters.
    """
    coordinates: dict[str, Any] = {
        "seed": ("seed", np.asarray(sweep.seeds), {"long_name": "seed"}),
        "step": ("step", steps, {"long_name": "training steps t", "units": "updates"}),
    }
    words = jax.random.key_data(seed_keys(np.asarray(sweep.seeds)))
    attrs = {"long_name": "random key of the seed", "implementation": KEY_KIND}
    coordinates["key_data"] = (("seed", "key_word"), np.asarray(words), attrs)
    if len(kept):
        attrs = {"long_name": "steps with kept parameters", "units": "updates"}
        coordinates["kept_step"] = ("kept_step", kept, attrs)
    for axis in sweep.axes:
        for field, values in axis.fields.items():
            label, units = _FIELD_LABELS.get(field, (field, ""))
            attrs = {"long_name": label, **({"units": units} if units else {})}
            coordinates[field] = (axis.name, _labels(sweep.experiment, field, values), attrs)
    coordinates.update(_ratio(sweep))
    return coordinates


def _labels(
    experiment: Experiment, field: str, values: tuple[Any, ...]
) -> Shaped[np.ndarray, " values"]:
    """Coordinate values: numbers, names, and configurations of objects as text.

    Numbers are whole where the field is declared so, however its file wrote them. Text has the
    object dtype, which xarray writes with a type that Zarr's specification knows.
    """
    if all(isinstance(value, bool) for value in values):
        return np.asarray(values)
    if all(isinstance(value, int | float) for value in values):
        whole = all(isinstance(value, int) for value in values)
        declared = whole and _is_whole(experiment, field)
        return np.asarray(values, None if declared else np.float64)
    texts = [_text(place, value) for place, value in enumerate(values)]
    unclear = _unclear(texts, values)
    told = [_numbered(n, text) if text in unclear else text for n, text in enumerate(texts)]
    return np.asarray(told, object)


def _unclear(texts: list[str], values: tuple[Any, ...]) -> set[str]:
    """Texts that stand for values that differ: functions are told by their names."""
    first: dict[str, Any] = {}
    for text, value in zip(texts, values, strict=True):
        first.setdefault(text, value)
    return {
        text
        for text, value in zip(texts, values, strict=True)
        if not eqx.tree_equal(value, first[text])
    }


def _numbered(place: int, text: str) -> str:
    """A value's text with its place: JSON as before, of which a table keeps its entries."""
    table = json.loads(text)
    return json.dumps({**table, "#": place} if isinstance(table, dict) else f"#{place}: {table}")


def _text(place: int, value: Any) -> str:
    """A value that is no number as text; an array of many by its place, size and range."""
    if isinstance(value, str):
        return value
    table = to_table(value)
    told = _in_short(table)
    shortened = isinstance(table, list) and isinstance(told, str)
    return f"#{place}: {told}" if shortened else json.dumps(told)


def _in_short(table: Any) -> Any:
    """A table with arrays of many numbers told by their sizes and ranges."""
    if isinstance(table, dict):
        return {name: _in_short(entry) for name, entry in table.items()}
    numbers = np.zeros(0)
    if isinstance(table, list):
        with contextlib.suppress(ValueError):  # rows of other lengths
            numbers = np.asarray(table)
    if numbers.size > _FEW_NUMBERS and numbers.dtype.kind in "iuf":
        shape = " x ".join(f"{size:,}" for size in numbers.shape)
        return f"{shape} numbers, {numbers.min():.3g} to {numbers.max():.3g}"
    return table


def _ratio(sweep: Sweep) -> dict[str, Any]:
    """N/K along the axis that changes N or K, or as a scalar; left out where two axes do."""
    sizes = {"features", "features.count", "student", "student.latent"}
    owners = [i for i, axis in enumerate(sweep.axes) if sizes & axis.fields.keys()]
    attrs = {"long_name": "superposition ratio N/K", "units": "1"}
    if len(owners) > 1:
        return {}

    def ratio(position: int) -> float:
        index = [position if i in owners else 0 for i in range(len(sweep.axes))]
        experiment = sweep.experiment_at(index)
        return experiment.features.count / experiment.student.latent

    if not owners:
        return {"superposition_ratio": ((), ratio(0), attrs)}
    axis = sweep.axes[owners[0]]
    ratios = np.asarray([ratio(position) for position in range(axis.size)])
    return {"superposition_ratio": (axis.name, ratios, attrs)}


def _is_whole(experiment: Experiment, path: str) -> bool:
    """Whether the field at a dotted path is declared as a whole number."""
    owner, _, name = path.rpartition(".")
    part = operator.attrgetter(owner)(experiment) if owner else experiment
    declared = next(f.type for f in dataclasses.fields(part) if f.name == name)
    return str(declared) in {"int", "int | None", str(int)}
