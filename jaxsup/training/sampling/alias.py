"""The alias method: one random word picks one of n items with given probabilities."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, UInt


def alias_table(
    shares: Float[Array, " n"],
) -> tuple[UInt[Array, " n"], Int[Array, " n"]]:
    """The alias table of probabilities that sum to 1, by one sweep.

    Columns hold 1 / n each. A share below that leaves room, which the current large share fills; a
    large share that has shrunk to below 1 / n is itself filled up by the next one.
    """
    n = shares.size
    sizes = shares * n
    large = sizes > 1.0
    order = jnp.argsort(large, stable=True)
    smalls = n - jnp.sum(large)

    def settle(_: Int[Array, ""], state: tuple[Array, ...]) -> tuple[Array, ...]:
        small, big, remaining, error, accepted, alias = state
        current = order[jnp.minimum(big, n - 1)]
        take_small = (small < smalls) & ((remaining > 1.0) | (big >= n))
        item = jnp.where(take_small, order[jnp.minimum(small, n - 1)], current)
        following = order[jnp.minimum(big + 1, n - 1)]
        size = jnp.where(take_small, sizes[item], remaining)
        # Nothing is left to fill up with: what is missing is rounding.
        alone = (big >= n) | (~take_small & (big == n - 1))
        accepted = accepted.at[item].set(jnp.where(alone, 1.0, size))
        alias = alias.at[item].set(jnp.where(take_small, current, following))
        # Kahan's sum: a large share is the remainder of many subtractions.
        change = (jnp.where(take_small, sizes[item], sizes[following]) - 1.0) - error
        now = remaining + change
        step = take_small.astype(small.dtype)
        return small + step, big + 1 - step, now, (now - remaining) - change, accepted, alias

    first = sizes[order[jnp.minimum(smalls, n - 1)]]
    zero = jnp.zeros_like(smalls), smalls, first, jnp.zeros_like(first)
    start = (*zero, jnp.ones_like(sizes), jnp.zeros_like(order))
    *_, accepted, alias = lax.fori_loop(0, n, settle, start)
    return as_words(accepted), alias


def as_words(shares: Float[Array, " n"]) -> UInt[Array, " n"]:
    """Thresholds below which a random word falls with these probabilities, in [0, 1]."""
    return jnp.clip(shares * 2.0**32, 0.0, 2.0**32 - 256).astype(jnp.uint32)
