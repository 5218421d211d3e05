"""The largest curvature of a loss, from exact products of its Hessian and a vector."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_ITERATIONS = 200


def sharpness(
    loss: Callable[[Float[Array, "..."]], Float[Array, ""]],  # noqa: UP037 - a shape
    parameters: Float[Array, "..."],  # noqa: UP037 - a shape
) -> float:
    """Largest eigenvalue by size of the Hessian of a loss, by 200 power iterations.

    Arguments:
        loss: function of an array, twice differentiable.
        parameters: where the Hessian is taken.
    """

    def step(
        _: int | Array, carry: tuple[Array, Float[Array, ""]]
    ) -> tuple[Array, Float[Array, ""]]:
        vector, _ = carry
        image = jax.jvp(jax.grad(loss), (parameters,), (vector,))[1]
        size = jnp.sqrt(jnp.sum(image**2))
        return image / size, jnp.sum(vector * image)

    @jax.jit
    def iterate(vector: Array) -> Float[Array, ""]:
        start = vector, jnp.zeros((), vector.dtype)
        return jax.lax.fori_loop(0, _ITERATIONS, step, start)[1]

    vector = jax.random.normal(jax.random.key(0), parameters.shape)
    return abs(float(iterate(vector / jnp.sqrt(jnp.sum(vector**2)))))
