"""Values of active features, and sparse features that are active independently of each other."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from jaxsup._internal.words import draw_words, happens, values_from_words
from jaxsup.experiment.moments import Moments

VALUE_MOMENTS = {
    "uniform": (1.0, 4.0 / 3.0),
    "unit": (0.5, 1.0 / 3.0),
    "symmetric": (0.0, 1.0 / 3.0),
    "sign": (0.0, 1.0),
}
"""E[v] and E[v^2] of a feature's value given that it is active, by the law of the values."""


def moments_of_each(p: Float[Array, " features"], values: str) -> Moments:
    """Of x_i = u_i v_i, u_i ~ Bernoulli(p_i) independent."""
    first, second = VALUE_MOMENTS[values]
    return Moments(mean=p * first, diagonal=p * second - (p * first) ** 2, factor=p * first)


def sample_each(
    key: Key[Array, ""], batch: int, p: Float[Array, " features"], values: str
) -> Float[Array, "batch features"]:
    """Draws of the same, feature by feature."""
    shape = (batch, p.size)
    choices, others = (words.reshape(shape) for words in draw_words(key, np.arange(batch * p.size)))
    active = happens(choices, jnp.broadcast_to(p[None, :], shape))
    return jnp.where(active, values_from_words(values, others), 0.0)
