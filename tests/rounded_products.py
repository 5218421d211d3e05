"""A CPU whose products are those of an accelerator: factors are rounded unless told not to be.

`install` takes over how JAX lowers products of float32 on a CPU: where a program asks for nothing
above the device's own precision, factors lose all but the first 7 bits of their mantissa, as on a
TPU (bfloat16; TensorFloat-32 keeps 10). Results that move under it depend on the device.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.interpreters import mlir

_ASKED = (lax.Precision.HIGHEST, lax.Precision.HIGHEST)


def install() -> None:
    """Round from here on, in this process."""
    plain = mlir._platform_specific_lowerings["cpu"][lax.dot_general_p]  # pyright: ignore[reportAttributeAccessIssue]

    def lower(context, lhs, rhs, **parameters):
        is_single = all(aval.dtype == jnp.float32 for aval in context.avals_in)
        precision = parameters["precision"]
        if not is_single or precision in (_ASKED, lax.Precision.HIGHEST):
            return plain.rule(context, lhs, rhs, **parameters)

        def rounded(lhs: jax.Array, rhs: jax.Array) -> jax.Array:
            short = (lax.reduce_precision(factor, 8, 7) for factor in (lhs, rhs))
            return lax.dot_general_p.bind(*short, **{**parameters, "precision": _ASKED})

        return mlir.lower_fun(rounded, multiple_results=False)(context, lhs, rhs)

    mlir.register_lowering(lax.dot_general_p, lower, platform="cpu")
