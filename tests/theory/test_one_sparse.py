"""ReLU autoencoders on one active feature: quadrature, published losses, finite differences."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import optimize
from tight_frames import polygon

from jaxsup import theory
from jaxsup.theory.one_sparse import one_sparse_errors, one_sparse_errors_from_gram
from jaxsup.theory.response import uniform_error

GAINS = np.array([-1.3, -0.6, -0.2, 0.0, 1e-6, 0.1, 0.2, 0.7, 1.0, 1.8])
BIASES = np.array([-1.0, -0.2, -1e-7, 0.0, 1e-7, 0.1, 0.2, 0.6, 1.3])
NODES, WEIGHTS = np.polynomial.legendre.leggauss(5)


def quadrature(gain, bias, target, integrand=lambda v, error: error**2):
    """int_0^1 integrand dv by Gauss-Legendre rules on both sides of the kink, exact to degree 9."""
    kink = np.clip(-bias / gain, 0, 1) if gain else 0.5
    total = 0.0
    for low, high in ((0, kink), (kink, 1)):
        v = low + (high - low) * (NODES + 1) / 2
        error = target * v - np.maximum(gain * v + bias, 0)
        total += (high - low) / 2 * np.sum(WEIGHTS * integrand(v, error))
    return total


@pytest.mark.parametrize("target", [0, 1])
def test_response_errors_equal_quadrature_in_every_case(x64, target):
    for gain in GAINS:
        for bias in BIASES:
            # two features, so that the error of output 0 is the mean of one entry and a known one
            gram = np.diag([gain, 1.0]) if target else np.array([[1.0, gain], [0.0, 1.0]])
            result = one_sparse_errors_from_gram(gram, [bias, 0.0])
            other = quadrature(0.0 if target else 1.0, bias, 0 if target else 1)
            expected = (quadrature(gain, bias, target) + other) / 2
            assert result[0] == pytest.approx(expected, rel=1e-13, abs=1e-15), (gain, bias)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_response_gradients_are_accurate_near_the_singular_gains(x64, target, dtype):
    # The derivatives are -2 int_active e dv and -2 int_active v e dv.
    gain, bias = (x.ravel() for x in np.meshgrid(GAINS, BIASES))
    gain, bias = jnp.asarray(gain, dtype), jnp.asarray(bias, dtype)
    entries = jnp.full(gain.shape, target, dtype)
    _, pullback = jax.vjp(lambda g, c: uniform_error(g, c, entries), gain, bias)
    slopes = np.stack(pullback(jnp.ones_like(gain)))
    points = [(float(g), float(c)) for g, c in zip(gain, bias, strict=True)]
    for slope, (g, c) in zip(slopes.T, points, strict=True):
        expected = [
            quadrature(g, c, target, lambda v, e, g=g, c=c, p=p: -2 * v**p * e * (g * v + c > 0))
            for p in (1, 0)
        ]
        np.testing.assert_allclose(slope, expected, atol=20 * float(jnp.finfo(dtype).eps))


def test_values_and_gradients_are_finite_at_extreme_inputs():
    sizes = np.array([0, 1e-45, 1e-38, 2e-38, 1e-30, 1e-20, 1e-10, 1e-4, 1, 1e4], np.float32)
    values = np.concatenate([-sizes, sizes])
    gain, bias = (jnp.asarray(x) for x in np.meshgrid(values, values))
    for target in (0.0, 1.0):
        entries = jnp.full(gain.shape, target)
        value, pullback = jax.vjp(lambda g, c, e=entries: uniform_error(g, c, e), gain, bias)
        for array in (value, *pullback(jnp.ones_like(value))):
            assert np.all(np.isfinite(array))
        assert np.all(value >= 0)


@pytest.mark.slow
def test_errors_of_an_asymmetric_gram_with_frequencies(x64):
    rng = np.random.default_rng(9)
    gram, bias = rng.normal(size=(6, 6)), 0.3 * rng.normal(size=6)
    frequencies, importance = rng.dirichlet(np.ones(6)), rng.uniform(size=6)
    table = np.array(
        [[quadrature(gram[i, j], bias[i], float(i == j)) for j in range(6)] for i in range(6)]
    )
    uniform = one_sparse_errors_from_gram(gram, bias)
    np.testing.assert_allclose(uniform, table.mean(axis=1), rtol=1e-12)
    weighted = one_sparse_errors_from_gram(gram, bias, frequencies=frequencies)
    np.testing.assert_allclose(weighted, table @ frequencies, rtol=1e-12)

    W = rng.normal(size=(3, 6))
    errors = one_sparse_errors(W, bias, frequencies=frequencies)
    expected = one_sparse_errors_from_gram(W.T @ W, bias, frequencies=frequencies)
    np.testing.assert_allclose(errors, expected, rtol=1e-12)
    loss = theory.one_sparse_loss(W, bias, importance=importance, frequencies=frequencies)
    assert loss == pytest.approx(float(np.sum(importance * errors)), rel=1e-12)
    plain = np.asarray(one_sparse_errors(W, bias)).sum()
    assert theory.one_sparse_loss(W, bias) == pytest.approx(plain, rel=1e-12)


@pytest.mark.parametrize("gain", [0.0, 0.4, -0.7, 2.0])
def test_errors_with_a_teacher_gain_equal_quadrature(x64, gain):
    for response in GAINS:
        for bias in BIASES:
            result = one_sparse_errors_from_gram([[response]], [bias], gains=[gain])
            expected = quadrature(response, bias, gain)
            assert result[0] == pytest.approx(expected, rel=1e-13, abs=1e-15), (response, bias)


@pytest.mark.slow
def test_pentagon_is_a_critical_point_with_its_published_loss(x64):
    # arXiv:2310.06301: the regular pentagon of five features in two dimensions.
    def loss(p):
        return theory.one_sparse_loss(p[0] * jnp.asarray(polygon(5)), jnp.full(5, p[1]))

    assert loss(jnp.array([1.170460, -0.282297])) == pytest.approx(0.01582563, abs=5e-9)
    gradient, hessian = jax.jit(jax.grad(loss)), jax.jit(jax.hessian(loss))
    root = optimize.root(lambda p: np.asarray(gradient(p)), [1.17, -0.28], tol=1e-13).x
    np.testing.assert_allclose(root, [1.170460, -0.282297], atol=1e-6)
    W, bias = root[0] * polygon(5), np.full(5, root[1])
    for slope in jax.grad(theory.one_sparse_loss, argnums=(0, 1))(W, bias):
        assert np.abs(slope).max() < 1e-12
    assert np.all(np.linalg.eigvalsh(hessian(root)) > 0)


def test_square_with_a_dead_feature_loses_one_fifteenth():
    W = np.column_stack([polygon(4), np.zeros(2)])
    assert theory.one_sparse_loss(W, np.zeros(5)) == pytest.approx(1 / 15, rel=1e-6)


def test_unit_activations_count_each_response_once(x64):
    rng = np.random.default_rng(12)
    gram, bias, gains = rng.normal(size=(6, 6)), 0.3 * rng.normal(size=6), rng.normal(size=6)
    squares = (np.diag(gains) - np.maximum(gram + bias[:, None], 0)) ** 2
    result = one_sparse_errors_from_gram(gram, bias, gains=gains, values="one")
    np.testing.assert_allclose(result, squares.mean(axis=1), rtol=1e-14)

    W, importance = rng.normal(size=(3, 6)), rng.uniform(size=6)
    errors = (np.diag(gains) - np.maximum(W.T @ W + bias[:, None], 0)) ** 2
    loss = theory.one_sparse_loss(W, bias, importance=importance, gains=gains, values="one")
    assert loss == pytest.approx(importance @ errors.mean(axis=1), rel=1e-14)
    plain = one_sparse_errors(W, bias, values="one")
    expected = (np.eye(6) - np.maximum(W.T @ W + bias[:, None], 0)) ** 2
    np.testing.assert_allclose(plain, expected.mean(axis=1), rtol=1e-14)


@pytest.mark.slow
def test_one_sparse_derivatives_equal_finite_differences(x64):
    rng = np.random.default_rng(10)
    W, bias = rng.normal(size=(3, 7)), 0.3 * rng.normal(size=7)
    check = functools.partial(check_grads, order=1, rtol=1e-6, atol=1e-6, eps=1e-5)
    check(theory.one_sparse_loss, (W, bias))
    gains = rng.normal(size=7)
    check(
        lambda gram, c, A: one_sparse_errors_from_gram(gram, c, gains=A).sum(),
        (rng.normal(size=(7, 7)), bias, gains),
    )
    gradient = jax.grad(theory.one_sparse_loss)
    shift = 1e-6 * rng.normal(size=W.shape)
    _, curvature = jax.jvp(lambda w: gradient(w, bias), (jnp.asarray(W),), (jnp.asarray(shift),))
    difference = (gradient(W + shift, bias) - gradient(W - shift, bias)) / 2
    np.testing.assert_allclose(curvature, difference, atol=1e-11)


@pytest.mark.slow
def test_one_sparse_is_the_same_under_jit_and_vmap():
    rng = np.random.default_rng(11)
    W = jnp.asarray(rng.normal(size=(4, 3, 7)), jnp.float32)
    bias = jnp.asarray(0.3 * rng.normal(size=(4, 7)), jnp.float32)
    looped = jnp.stack([theory.one_sparse_loss(w, c) for w, c in zip(W, bias, strict=True)])
    batched = jax.jit(jax.vmap(theory.one_sparse_loss))(W, bias)
    np.testing.assert_allclose(batched, looped, rtol=1e-6)


@pytest.mark.parametrize("values", ["unit", "one"])
def test_a_network_that_has_diverged_has_no_loss(values):
    """NaN is no response that stays silent, for which the loss would be 1/3."""
    W, bias = jnp.stack([jnp.eye(3), jnp.full((3, 3), jnp.nan)]), jnp.zeros(3)
    loss = jax.vmap(lambda W: theory.one_sparse_loss(W, bias, values=values))
    errors = jax.vmap(lambda W: one_sparse_errors(W, bias, values=values))
    slopes = jax.vmap(jax.grad(lambda W: theory.one_sparse_loss(W, bias, values=values)))
    for found in (loss(W), errors(W), slopes(W)):
        finite = np.isfinite(np.asarray(found).reshape(2, -1))
        assert finite[0].all()
        assert not finite[1].any()
    assert np.isnan(
        jax.jit(lambda c: theory.one_sparse_loss(W[0], c, values=values))(bias * np.nan)
    )
