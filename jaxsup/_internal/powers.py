"""Powers of two, exactly."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def power_of_two(a: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The largest power of two that is at most a >= 0; 0 if a is 0, infinite if it is not finite.

    >>> [float(power_of_two(jnp.float32(a))) for a in (3.0, 4.0, 0.3, 0.0)]
    [2.0, 4.0, 0.25, 0.0]
    """
    word, exponent = (jnp.uint32, 0x7F800000)
    if a.dtype == jnp.float64:
        word, exponent = (jnp.uint64, 0x7FF0000000000000)
    # The bits of the exponent, without those of the mantissa.
    bits = lax.bitcast_convert_type(a, word) & jnp.asarray(exponent, word)
    return lax.bitcast_convert_type(bits, a.dtype)
