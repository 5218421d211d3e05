"""Batches one by one: the same results as together, by a loop only where members are large."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsup._internal.batching import in_cache


def outer(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    table = jnp.tanh(x[:, None] * y[None, :])
    return jnp.sum(table), table @ y


@pytest.mark.parametrize("shape", [(), (3,), (7,), (2, 5), (9, 1), (1, 9)])
@pytest.mark.parametrize("size", [1, 2**30])
def test_the_loop_gives_what_the_whole_batch_gives(shape, size):
    """Of batches and batches of batches, one array without a batch axis."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(*shape, 6)), jnp.float32)
    y = jnp.asarray(rng.normal(size=6), jnp.float32)
    looped, whole = in_cache(outer, size), outer
    for _ in shape:
        looped, whole = (jax.vmap(f, in_axes=(0, None)) for f in (looped, whole))
    for result, expected in zip(jax.jit(looped)(x, y), whole(x, y), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


def test_there_is_a_loop_only_where_members_are_large():
    """Read off the program: the results are the same, and the loop is only faster."""
    x, y = jnp.ones((8, 6)), jnp.ones(6)
    for size, loops in ((2**10, False), (2**20, True)):
        batched = jax.vmap(in_cache(outer, size), in_axes=(0, None))
        text = jax.jit(batched).lower(x, y).compile().as_text()
        assert text is not None
        assert ("while(" in text) == loops


def test_the_whole_batch_may_have_a_function_of_its_own():
    x, y = jnp.ones((8, 6)), jnp.ones(6)
    for size, expected in ((2**10, 1.0), (2**20, 0.0)):
        product = in_cache(lambda x, y: 0 * x @ y, size, together=lambda x, y: 0 * x @ y + 1)
        np.testing.assert_array_equal(jax.jit(jax.vmap(product, (0, None)))(x, y), expected)
