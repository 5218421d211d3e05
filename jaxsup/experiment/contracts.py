"""Whether classes from outside of the package keep the shapes that they are asked for."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from jaxsup._internal.validation import fail
from jaxsup.experiment.abstract_student import AbstractStudent
from jaxsup.experiment.features import AbstractFeatures
from jaxsup.experiment.teachers import AbstractTeacher

# More than one, and different from any usual number of features.
_SAMPLES = 3


def check_contracts(
    features: AbstractFeatures, teacher: AbstractTeacher, student: AbstractStudent
) -> None:
    """Raise unless samples, targets and outputs are [samples, features]; nothing is computed.

    An array of another shape would be broadcast against the others in the loss, without a sound.

    Raises:
        ValueError: one of them has another shape.
    """
    if not any(map(_is_foreign, (features, teacher, student))):
        return
    shape, key = (_SAMPLES, features.count), jax.eval_shape(lambda: jax.random.key(0))
    x = jax.ShapeDtypeStruct(shape, jnp.result_type(float))

    def outputs(key: Any, x: Any) -> Any:
        return student.outputs(student.init_parameters(key, features.count), x)

    for name, method, call, arguments in (
        ("features", "sample_batch", lambda k: features.sample_batch(k, _SAMPLES), (key,)),
        ("teacher", "targets", teacher.targets, (x,)),
        ("student", "outputs", outputs, (key, x)),
    ):
        result = jax.eval_shape(call, *arguments)
        got = f"a shape {getattr(result, 'shape', type(result).__name__)}"
        if got != f"a shape {shape}":
            expected = f"{method}() of {_SAMPLES} samples to have the shape {shape}"
            advice = "return a row a sample, a column a feature; activations act entry by entry"
            raise fail(name, expected, got, advice, described=True)


def _is_foreign(part: eqx.Module) -> bool:
    """Whether its class, or that of a part of it, is from outside of the package."""
    fields = dataclasses.fields(part)  # pyright: ignore[reportArgumentType]
    values = [getattr(part, field.name) for field in fields]
    return not type(part).__module__.startswith("jaxsup.") or any(
        _is_foreign(value) for value in values if isinstance(value, eqx.Module)
    )
