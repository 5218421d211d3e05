"""The keys of a sweep's seeds, and the settings of JAX that the numbers drawn from them depend on.

A store has one random stream, however JAX is configured: by its environment variables, or in the
program that calls.
"""

import contextlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Integer, Key

from jaxsup._internal.keys import KEY_KIND

STREAM = f"{KEY_KIND}, partitionable"
"""Which numbers follow from a key: part of a store's fingerprint."""


def seed_keys(seeds: Integer[np.ndarray, " seeds"]) -> Key[Array, " seeds"]:
    """``jax.random.key(s)`` of every seed s < 2^32, as JAX has it without other settings.

    A key of threefry is the seed's 64 bits, as two words. Neither ``jax_default_prng_impl`` nor
    ``jax_random_seed_offset`` changes it.
    """
    words = np.stack([np.zeros_like(seeds), seeds], axis=-1).astype(np.uint32)
    return jax.random.wrap_key_data(jnp.asarray(words), impl=KEY_KIND)


@contextlib.contextmanager
def pinned_stream() -> Iterator[None]:
    """Numbers are drawn as `STREAM` says, whatever ``jax_threefry_partitionable`` is."""
    with jax.threefry_partitionable(True):
        yield
