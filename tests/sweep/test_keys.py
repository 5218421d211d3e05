"""A sweep has one random stream, however JAX is configured."""

import jax
import numpy as np
import pytest
import xarray as xr
from sweep_cases import assert_same_bits, rate_sweep, run

from jaxsup.sweep.closed_forms import theory_curves
from jaxsup.sweep.keys import seed_keys

SETTINGS = {
    "jax_threefry_partitionable": False,
    "jax_random_seed_offset": 7,
    "jax_default_prng_impl": "rbg",
}


def trained() -> xr.Dataset:
    """Networks, and their closed forms, which hold each seed's own W and start."""
    dataset = run(rate_sweep(rates=[0.1], seeds=2))
    theory = theory_curves(dataset)
    assert theory is not None
    return dataset.assign(theory=theory)


@pytest.fixture(scope="module")
def usual() -> xr.Dataset:
    return trained()


@pytest.fixture(params=SETTINGS)
def setting(request, usual):
    """JAX with a setting that changes what `jax.random.key` or a key's numbers are."""
    before = jax.config.values[request.param]
    plain = jax.random.normal(jax.random.key(3), (5,))
    jax.config.update(request.param, SETTINGS[request.param])
    try:
        assert not np.array_equal(plain, jax.random.normal(jax.random.key(3), (5,)))
        yield request.param
    finally:
        jax.config.update(request.param, before)


@pytest.mark.usefixtures("setting")
def test_no_setting_of_jax_changes_the_stream(usual):
    assert_same_bits(trained(), usual)


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32 - 1])
def test_the_key_of_a_seed_is_that_of_jax(seed):
    assert seed_keys(np.asarray([seed]))[0] == jax.random.key(np.uint32(seed))
