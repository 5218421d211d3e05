"""Random words of 32 bits by counter, and values made of them."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import threefry_2x32
from jaxtyping import Array, Bool, Float, Int, Integer, Key, UInt


def draw_words(
    key: Key[Array, ""], counters: Integer[np.ndarray, " n"], *, stream: int = 0
) -> tuple[UInt[Array, " n"], UInt[Array, " n"]]:
    """Two random words for each counter: words depend on key, stream and counter alone.

    Threefry gives both at the price of one: `jax.random.bits` would keep one of them.
    """
    seeds = jax.random.bits(key, (2,), jnp.uint32)
    blocks = np.concatenate([counters, np.full(counters.size, stream)])
    words = threefry_2x32(seeds, jnp.asarray(blocks.astype(np.int64).astype(np.uint32)))
    return words[: counters.size], words[counters.size :]


def happens(words: UInt[Array, "*shape"], p: Float[Array, "*shape"]) -> Bool[Array, "*shape"]:
    """Events of probability p, by a random word each: p is realized to within 2^-32, and 1 exactly.

    A float32 uniform number has 23 random bits: it would make a feature with p = 6e-7, the rarest
    of 1024 at a = 2, a fifth too frequent.
    """
    return (words.astype(p.dtype) < p * 2.0**32) | (p >= 1.0)


def index_from_words(words: UInt[Array, "*shape"], count: int) -> Int[Array, "*shape"]:
    """floor(words * count / 2^32): one of `count` <= 2^16 things, as alike as 2^32 words can be."""
    size = jnp.uint32(count)
    carry = ((words & jnp.uint32(0xFFFF)) * size) >> jnp.uint32(16)
    return (((words >> jnp.uint32(16)) * size + carry) >> jnp.uint32(16)).astype(jnp.int32)


def values_from_words(law: str, words: UInt[Array, "..."]) -> Float[Array, "..."]:
    """Values of active features from random words, uniform ones in the middle of 2^24 bins.

    Arguments:
        law: ``"uniform"`` on [0, 2], ``"unit"`` on [0, 1], ``"symmetric"`` on [-1, 1], or
            ``"sign"``, +1 or -1.
        words: random words of 32 bits.
    """
    dtype = jnp.result_type(float)
    if law == "sign":
        return jnp.where(words < jnp.uint32(2**31), -1.0, 1.0).astype(dtype)
    v = ((words >> jnp.uint32(8)).astype(dtype) + 0.5) * 2.0**-24
    if law == "symmetric":
        return 2.0 * v - 1.0
    return 2.0 * v if law == "uniform" else v
