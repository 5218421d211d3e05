"""Which random keys a simulation takes: those that give the same alone and in a batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from factories import relu_experiment
from helpers import assert_one_line_error, untyped

import jaxsup

ADVICE = r"write jax.random.key\(0, impl='threefry2x32'\)"


@pytest.mark.parametrize("kind", ["rbg", "unsafe_rbg"])
def test_bad_kinds_of_keys_are_one_line_errors(kind):
    key = jax.random.key(0, impl=kind)
    match = f"key: expected a key of the kind 'threefry2x32'; got '{kind}'; {ADVICE}"
    assert_one_line_error(lambda: jaxsup.simulate(relu_experiment(), key), match)
    batch = jax.vmap(lambda k: jaxsup.simulate(relu_experiment(), k).loss)
    assert_one_line_error(lambda: batch(jax.random.split(key, 2)), match)


@untyped
def test_many_keys_at_once_are_a_one_line_error():
    keys = jax.random.split(jax.random.key(0), 3)
    match = r"key: expected one key; got keys of shape \(3,\); use jax.vmap over several"
    assert_one_line_error(lambda: jaxsup.simulate(relu_experiment(), keys), match)


@untyped
@pytest.mark.parametrize("key", [0, None, "0", np.zeros(2, np.uint32), jnp.zeros(2, jnp.uint32)])
def test_what_is_no_typed_key_is_a_one_line_error(key):
    match = f"key: expected a typed key; got .*{ADVICE}"
    assert_one_line_error(lambda: jaxsup.simulate(relu_experiment(), key), match)


@untyped
def test_what_is_no_experiment_is_a_one_line_error():
    sweep: object = jaxsup.Sweep(relu_experiment())
    key = jax.random.key(0)
    match = "experiment: expected an Experiment; got .*; write jaxsup.Experiment"
    assert_one_line_error(lambda: jaxsup.simulate(sweep, key), match)  # pyright: ignore[reportArgumentType]
