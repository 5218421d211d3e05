"""Losses on one active feature against quadrature, numpy and published values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
from loss_cases import COUNT, one_active_law, population_errors, random_student, response

import jaxsup
from jaxsup.experiment.students import Student, StudentParameters
from jaxsup.training.losses import loss_weights
from jaxsup.training.updates import TiedClosedForm


def tied_loss(features, teacher, student, parameters, weights):
    """The loss whose gradient is written out, as the update differentiates it."""
    experiment = jaxsup.Experiment(
        features, teacher, student, jaxsup.SGD(0.1), gradient="exact", reduction="sum"
    )
    assert TiedClosedForm.unsuitable(experiment) is None
    return TiedClosedForm.loss(experiment, parameters, weights)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("embedding", ["identity", "random", "learned", "untied"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("exponent", [0.0, 0.5])
def test_one_active_relu_errors_equal_quadrature(embedding, bias, exponent):
    """The teacher's gains multiply the target; one with gain 0.3 or 1 is met from both sides."""
    features = jaxsup.OneActiveFeatures(COUNT, 0.8)
    student, p = random_student(embedding, bias=bias, activation="relu")
    M, f = response(p), one_active_law()
    c = np.zeros(COUNT) if p.bias is None else np.asarray(p.bias)
    gains = np.arange(1, COUNT + 1, dtype=np.float64) ** -exponent
    expected = np.zeros(COUNT)
    for i in range(COUNT):
        for j in range(COUNT):

            def squared(v, i=i, j=j):
                return (max(M[i, j] * v + c[i], 0) - gains[i] * v * (i == j)) ** 2

            kink = -c[i] / M[i, j]
            points = [kink] if 0 < kink < 1 else None
            expected[i] += f[j] * scipy.integrate.quad(squared, 0, 1, points=points)[0]
    errors = population_errors(features, jaxsup.DiagonalTeacher(exponent), student, p)
    np.testing.assert_allclose(errors, expected, rtol=1e-10)


def unit_activation_loss(W, c, weights, f, gains):
    """sum_ij weights_i f_j (gains_i delta_ij - relu(g_ij + c_i))^2 and its gradient, in numpy."""
    loss, by_W, by_c = 0.0, np.zeros_like(W), np.zeros_like(c)
    for i in range(W.shape[1]):
        for j in range(W.shape[1]):
            z = W[:, i] @ W[:, j] + c[i]
            gap = max(z, 0) - gains[i] * (i == j)
            loss += weights[i] * f[j] * gap**2
            slope = 2 * weights[i] * f[j] * gap * (z > 0)
            by_W[:, i] += slope * W[:, j]
            by_W[:, j] += slope * W[:, i]
            by_c[i] += slope
    return loss, by_W, by_c


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("batch", [(), (5,), (3, 2)])
@pytest.mark.parametrize("large", [0, 2**18])
def test_the_loss_of_unit_activations_and_its_gradient_equal_numpy(batch, large, monkeypatch):
    """Alone, and in batches that are worked off one by one or together."""
    monkeypatch.setattr("jaxsup._internal.batching._LARGE", large)
    rng = np.random.default_rng(5)
    W = rng.normal(size=(*batch, 3, COUNT))
    c = 0.3 * rng.normal(size=(*batch, COUNT))
    features, teacher = jaxsup.OneActiveFeatures(COUNT, 0.8, "one"), jaxsup.DiagonalTeacher(0.4)
    student, weights = Student(3, "learned", core=False), rng.uniform(size=COUNT)

    def loss(W, c):
        parameters = StudentParameters(embedding=W, readout=None, core=None, bias=c)
        return tied_loss(features, teacher, student, parameters, jnp.asarray(weights))

    slopes = jax.value_and_grad(loss, (0, 1))
    for _ in batch:
        slopes = jax.vmap(slopes)
    values, (by_W, by_c) = jax.jit(slopes)(W, c)
    gains = np.arange(1, COUNT + 1, dtype=np.float64) ** -0.4
    for index in np.ndindex(*batch):
        expected = unit_activation_loss(W[index], c[index], weights, one_active_law(), gains)
        np.testing.assert_allclose(values[index], expected[0], rtol=1e-13)
        np.testing.assert_allclose(by_W[index], expected[1], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(by_c[index], expected[2], rtol=1e-12, atol=1e-14)


@pytest.mark.usefixtures("x64")
def test_weights_n_make_the_mean_over_features_their_plain_sum():
    """sum_i (1 - relu(g_ii + b_i))^2 + sum_{i != j} relu(g_ij + b_i)^2, as published maps have it.

    The trainability map of the toy model (arXiv 2602.02224, public code).
    """
    rng = np.random.default_rng(6)
    W, b = rng.normal(size=(2, COUNT)), 0.2 * rng.normal(size=COUNT)
    Z = np.maximum(W.T @ W + b[:, None], 0)
    plain = ((1 - np.diag(Z)) ** 2).sum() + (Z**2).sum() - (np.diag(Z) ** 2).sum()
    weights = loss_weights(COUNT, np.full(COUNT, float(COUNT)), "sum")
    p = StudentParameters(embedding=jnp.asarray(W), readout=None, core=None, bias=jnp.asarray(b))
    student = Student(2, "learned", core=False)
    features, teacher = jaxsup.OneActiveFeatures(COUNT, values="one"), jaxsup.DiagonalTeacher(0.0)
    loss = tied_loss(features, teacher, student, p, weights)
    assert float(loss) == pytest.approx(plain, rel=1e-14)
    errors = population_errors(features, teacher, student, p)
    assert float(jnp.sum(weights * errors)) == pytest.approx(plain, rel=1e-14)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("values", "bias"), [("unit", True), ("one", False)])
def test_the_loss_with_a_gradient_by_hand_equals_the_sum_of_errors(values, bias):
    """In value, gradient, curvature by forward and by reverse mode, and by everything else."""
    student = Student(3, "learned", core=False, bias=bias, bias_scale=0.3)
    p = student.init_parameters(jax.random.key(1), COUNT)
    shift = student.init_parameters(jax.random.key(2), COUNT)
    weights = jnp.asarray(np.random.default_rng(7).uniform(size=COUNT))
    teacher = jaxsup.DiagonalTeacher(0.2)

    def fast(p, exponent, weights):
        law = jaxsup.OneActiveFeatures(COUNT, exponent, values)
        return tied_loss(law, teacher, student, p, weights)

    def plain(p, exponent, weights):
        law = jaxsup.OneActiveFeatures(COUNT, exponent, values)
        return jnp.sum(weights * population_errors(law, teacher, student, p))

    def everything(loss, exponent, weights):
        def slope(q):
            return jax.grad(loss)(q, exponent, weights)

        def steepness(q):
            return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(slope(q)))

        return (
            loss(p, exponent, weights),
            slope(p),
            jax.jvp(slope, (p,), (shift,))[1],
            jax.grad(steepness)(p),
            jax.grad(loss, (0, 1, 2))(p, exponent, weights),
        )

    run = jax.jit(everything, static_argnums=0)
    jax.tree.map(
        lambda leaf, expected: np.testing.assert_allclose(leaf, expected, rtol=1e-11, atol=1e-13),
        run(fast, 0.8, weights),
        run(plain, 0.8, weights),
    )


def test_regular_pentagon_has_its_known_loss():
    """Published check values of the toy model, N = 5, K = 2 (arXiv 2310.06301)."""
    angles = 2 * np.pi * np.arange(5) / 5
    features, teacher = jaxsup.OneActiveFeatures(5), jaxsup.DiagonalTeacher(0.0)
    student = Student(2, "learned", core=False)
    for W, bias, expected in (
        (1.170460 * np.stack([np.cos(angles), np.sin(angles)]), -0.282297, 0.01582563),
        (np.array([[1.0, 0, -1, 0, 0], [0, 1, 0, -1, 0]]), 0.0, 0.06666667),
    ):
        p = StudentParameters(
            embedding=jnp.asarray(W, float), readout=None, core=None, bias=jnp.full(5, bias)
        )
        # The published loss is the sum of errors for a feature drawn uniformly.
        errors = population_errors(features, teacher, student, p)
        assert float(errors.sum()) == pytest.approx(expected, rel=2e-5)
