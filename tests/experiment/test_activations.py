"""Activations: values, derivatives, and what the fast updates rely on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from factories import relu_experiment
from helpers import assert_one_line_error
from scipy import special

import jaxsup
from jaxsup.experiment.activations import (
    ACTIVATIONS,
    AbstractActivation,
    ReLU,
    as_activation,
    is_built_in,
)

Z = np.concatenate([np.linspace(-6, 6, 101), [1e-8, -1e-8, 30.0, -30.0]])
# phi and phi' in float64, written out.
FORMULAS = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "identity": (lambda z: z, np.ones_like),
    "leaky-relu": (
        lambda z: np.where(z > 0, z, 0.01 * z),
        lambda z: np.where(z > 0, 1, 0.01),
    ),
    "gelu": (
        lambda z: z * (1 + special.erf(z / np.sqrt(2))) / 2,
        lambda z: (
            (1 + special.erf(z / np.sqrt(2))) / 2 + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        ),
    ),
    "abs": (np.abs, np.sign),
}


def test_the_formulas_are_of_all_activations():
    assert list(FORMULAS) == list(ACTIVATIONS)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", FORMULAS)
def test_values_and_derivatives_equal_numpy(name):
    phi, (value, slope) = as_activation(name), FORMULAS[name]
    z = jnp.asarray(Z)
    np.testing.assert_allclose(phi(z), value(Z), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(phi.derivative(z), slope(Z), rtol=1e-12, atol=1e-12)
    upstream = jnp.asarray(np.random.default_rng(0).normal(size=Z.size))
    np.testing.assert_allclose(
        phi.pull_back(z, upstream), np.asarray(upstream) * slope(Z), rtol=1e-12, atol=1e-12
    )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", FORMULAS)
def test_derivatives_are_those_of_automatic_differentiation(name):
    """At 0 too, where several of them have a kink: a silent output is exactly there."""
    phi, z = as_activation(name), jnp.asarray(np.append(Z, 0.0))
    derivatives = jax.vmap(jax.grad(lambda x: phi(x)))(z)
    np.testing.assert_allclose(phi.derivative(z), derivatives, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_gate_is_what_the_gathered_update_relies_on(name):
    """phi phi' = phi with phi' in {0, 1}; open: phi(z) = z, positive: where z > 0 alone."""
    phi, z = as_activation(name), jnp.asarray(Z, jnp.float32)
    values, slopes = np.asarray(phi(z)), np.asarray(phi.derivative(z))
    projects = bool((values * slopes == values).all()) and set(slopes.tolist()) <= {0.0, 1.0}
    assert projects == (phi.gate is not None)
    if phi.gate == "open":
        np.testing.assert_array_equal(values, z)
    if phi.gate == "positive":
        np.testing.assert_array_equal(values, np.where(z > 0, z, 0))


@pytest.mark.parametrize("name", FORMULAS)
def test_nothing_in_gives_nothing_out(name):
    """Samples without active features and bias have no error: the listed update leaves them out."""
    assert float(as_activation(name)(jnp.zeros(()))) == 0.0


def test_the_derivative_of_an_activation_of_ones_own_follows_from_its_values():
    class Cube(jaxsup.AbstractActivation):
        def __call__(self, z):
            return z**3

    z = jnp.asarray([-2.0, 0.5])
    np.testing.assert_allclose(Cube().derivative(z), 3 * z**2, rtol=1e-6)
    np.testing.assert_allclose(Cube().pull_back(z, z), 3 * z**3, rtol=1e-6)
    assert Cube().gate is None
    assert not is_built_in(Cube())
    assert is_built_in(jaxsup.GELU())


def test_a_slope_may_be_traced():
    values = jax.jit(lambda slope: jaxsup.LeakyReLU(slope)(jnp.asarray([-1.0, 1.0])))(0.25)
    np.testing.assert_allclose(values, [-0.25, 1.0], rtol=1e-7)


def test_bad_input_is_a_one_line_error():
    message = "activation.slope: expected a finite number; got nan; give the slope below 0"
    assert_one_line_error(lambda: jaxsup.LeakyReLU(float("nan")), message)
    names = "activation: expected one of 'relu', .*; got 'rleu'; did you mean 'relu'"
    assert_one_line_error(lambda: as_activation("rleu"), names)


@pytest.mark.parametrize("name", ["derivative", "pull_back"])
@pytest.mark.parametrize("base", [AbstractActivation, ReLU])
def test_a_derivative_that_nobody_would_ask_for_is_a_one_line_error(base, name):
    """Training differentiates `__call__`."""

    def step(self, z, *slope):
        return jnp.ones_like(z)

    kind = type("Step", (base,), {"__call__": lambda self, z: jnp.sign(z), name: step})
    match = rf"^activation: expected no {name}\(\) of one's own, .*; got one of Step; .*custom_jvp"
    assert_one_line_error(kind, match)


def test_a_slope_of_ones_own_is_written_in_call():
    class Ramp(ReLU):
        def __call__(self, z):
            step = jax.custom_jvp(jnp.sign)
            step.defjvp(lambda primals, tangents: (step(*primals), tangents[0]))
            return step(z)

    student = jaxsup.Student(3, core_scale=0.5, activation=Ramp())
    run = jaxsup.simulate(relu_experiment(student), jax.random.key(0))
    assert np.ptp(run.loss) > 0
