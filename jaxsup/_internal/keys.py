"""Keys of random numbers, as users pass them."""

import jax
import jax.numpy as jnp

from jaxsup._internal.validation import fail

KEY_KIND = "threefry2x32"
"""The generator of random numbers that gives the same alone and in a batch."""


def check_key(key: object, kind: str | None = KEY_KIND) -> None:
    """Check that `key` is one typed key.

    Arguments:
        key: what was passed.
        kind: which it has to be of; None: of any.

    Raises:
        ValueError: it is not.
    """
    name, advice = "key", f"write jax.random.key(0, impl={KEY_KIND!r})"
    dtype = getattr(key, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jax.dtypes.prng_key):
        raise fail(name, "a typed key", key, advice)
    assert isinstance(key, jax.Array)
    if key.shape:
        text = f"keys of shape {key.shape}"
        raise fail(name, "one key", text, "use jax.vmap over several", described=True)
    own = str(jax.random.key_impl(key))
    if kind is not None and own != kind:
        raise fail(name, f"a key of the kind {kind!r}", own, advice)
