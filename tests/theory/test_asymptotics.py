"""The power law that loss curves come to, within the bound between sum and integral."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_problems import ETA, assert_gradients
from scipy import special

from jaxsup import theory
from jaxsup.theory.asymptotics import asymptotic_amplitude, asymptotic_loss
from jaxsup.theory.linear import diagonal_loss_curve


def test_training_exponent_broadcasts():
    expected = (np.array([[1.1], [2.0]]) + 2 * np.array([0.0, 0.5, 1.0]) - 1) / [[1.1], [2.0]]
    exponents = theory.training_exponent(np.array([[1.1], [2.0]]), [0.0, 0.5, 1.0])
    np.testing.assert_allclose(exponents, expected, rtol=2e-6)
    assert theory.training_exponent(0.5, 0) == -1.0


@pytest.mark.parametrize(("a", "b"), [(1.5, 0.0), (2.0, 0.5), (3.0, 0.3), (1.2, 0.6)])
def test_curve_reaches_its_asymptote_within_the_sum_integral_bound(x64, a, b):
    # f(i) = i^-(a+2b) exp(-s i^-a) is unimodal, so its sum and its integral differ by at most
    # max f = (c/s)^c e^-c, c = (a+2b)/a; features beyond N add at most N^(1-a-2b) / (a+2b-1).
    count, variance, steps = 10**6, 0.8, np.array([5e3, 5e4])
    i = np.arange(1, count + 1.0)
    s, c, alpha = 2 * ETA * variance * steps, (a + 2 * b) / a, (a + 2 * b - 1) / a
    tail = count ** (1 - a - 2 * b) / (a + 2 * b - 1)
    integral = s**-alpha * special.gamma(alpha) / a
    bound = ((c / s) ** c * np.exp(-c) + tail) / integral
    arguments = (variance * i**-a, i**-b, ETA, steps)
    flow = diagonal_loss_curve(*arguments, dynamics="flow")
    ratio = flow / asymptotic_loss(a, b, ETA, variance, steps)
    assert np.all(bound < 0.08)
    assert np.all(np.abs(ratio - 1) <= bound)
    # x = eta l <= 1/4: (1-x)^2t / e^-2xt lies below 1 by at most t x^2 / (1-x), on average
    # alpha (alpha+1) / 3t.
    shortfall = 1 - diagonal_loss_curve(*arguments) / flow
    assert np.all(shortfall > 0)
    assert np.all(shortfall < 1.1 * alpha * (alpha + 1) / (3 * steps))


def test_amplitude_is_the_loss_at_one_step(x64):
    a, b, variance, alpha = 1.5, 0.25, 0.7, 2 / 3
    expected = variance / (2 * a) * special.gamma(alpha) * (2 * ETA * variance) ** -alpha
    amplitude = asymptotic_amplitude(a, b, ETA, variance)
    assert amplitude == pytest.approx(expected, rel=1e-12)
    loss = asymptotic_loss(a, b, ETA, variance, [0, 1, 100])
    np.testing.assert_allclose(loss[1:], expected * np.array([1, 100.0]) ** -alpha, rtol=1e-12)
    assert loss[0] == np.inf
    assert_gradients(asymptotic_loss, a, b, ETA, variance, 50.0)


def test_traced_values_are_not_checked():
    assert jax.jit(theory.training_exponent)(-1.0, 0.0) == 2.0
    assert jax.jit(asymptotic_amplitude)(0.5, 0.0, 0.1, 1.0) == jnp.inf
    diverged = jax.jit(diagonal_loss_curve)([1.0], [1.0], -1.0, [0, 1])
    np.testing.assert_allclose(diverged, [0.5, 2.0])
