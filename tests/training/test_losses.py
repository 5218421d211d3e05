"""Sampled and expected losses against independent float64 numpy, and their convergence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from loss_cases import COUNT, one_active_law, population_errors, random_student, response

import jaxsup
from jaxsup.experiment.closed_forms import closed_form
from jaxsup.experiment.students import Student
from jaxsup.training.losses import loss_weights, sampled_errors


def covariance() -> np.ndarray:
    factor = np.random.default_rng(0).normal(size=(COUNT, 3))
    return factor @ factor.T


def sparse_moments(first: float, second: float) -> tuple[np.ndarray, np.ndarray]:
    weights = np.arange(1, COUNT + 1, dtype=np.float64) ** -1.3
    p = np.minimum(1, 1.4 * weights / weights.sum())
    mean = p * first
    C = np.outer(mean, mean)
    np.fill_diagonal(C, p * second)
    return mean, C


def gaussian_moments() -> tuple[np.ndarray, np.ndarray]:
    weights = np.arange(1, COUNT + 1, dtype=np.float64) ** -1.2
    return np.zeros(COUNT), np.diag(0.7 * weights / weights.sum())


# Each family with E[x] and E[x x^T] written out.
FAMILIES = {
    "uniform": (
        lambda: jaxsup.PowerLawFeatures(COUNT, 1.3, 1.4, "uniform"),
        lambda: sparse_moments(1.0, 4 / 3),
    ),
    "unit": (
        lambda: jaxsup.PowerLawFeatures(COUNT, 1.3, 1.4, "unit"),
        lambda: sparse_moments(0.5, 1 / 3),
    ),
    "sign": (
        lambda: jaxsup.PowerLawFeatures(COUNT, 1.3, 1.4, "sign"),
        lambda: sparse_moments(0.0, 1.0),
    ),
    "gaussian": (lambda: jaxsup.GaussianFeatures(COUNT, 1.2, 0.7), gaussian_moments),
    "correlated": (
        lambda: jaxsup.CorrelatedFeatures(covariance()),
        lambda: (np.zeros(COUNT), covariance()),
    ),
    "one-active": (
        lambda: jaxsup.OneActiveFeatures(COUNT, 0.8),
        lambda: (one_active_law() / 2, np.diag(one_active_law() / 3)),
    ),
    "one-active ones": (
        lambda: jaxsup.OneActiveFeatures(COUNT, 0.8, "one"),
        lambda: (one_active_law(), np.diag(one_active_law())),
    ),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("embedding", ["identity", "random", "untied"])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_population_errors_are_the_exact_expectation(family, embedding, bias):
    make, exact = FAMILIES[family]
    mean, C = exact()
    A = np.random.default_rng(2).normal(size=(COUNT, COUNT))
    gains = np.arange(1, COUNT + 1, dtype=np.float64) ** -0.5
    student, p = random_student(embedding, bias=bias)
    c = np.zeros(COUNT) if p.bias is None else np.asarray(p.bias)
    for teacher, target in (
        (jaxsup.MatrixTeacher(A), A),
        (jaxsup.DiagonalTeacher(0.5), np.diag(gains)),
    ):
        # E |D x + c|^2 with the moments of (x, 1) in one matrix.
        D = np.column_stack([response(p) - target, c])
        moments = np.block([[C, mean[:, None]], [mean[None, :], np.ones((1, 1))]])
        errors = population_errors(make(), teacher, student, p)
        np.testing.assert_allclose(errors, np.einsum("ij,jk,ik->i", D, moments, D), rtol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
def test_sampled_errors_estimate_the_population_errors(family):
    """Within 5 standard errors of 2^16 samples, from the spread between 64 batches."""
    features = FAMILIES[family][0]()
    teacher = jaxsup.DiagonalTeacher(0.5)
    student, p = random_student("random")
    x = features.sample_batch(jax.random.key(2), 2**16)
    batches = jnp.split(x, 64)
    sampled = np.asarray([sampled_errors(student, teacher, p, batch) for batch in batches])
    sampled = sampled.astype(np.float64)
    error = sampled.std(axis=0, ddof=1) / 8
    exact = np.asarray(population_errors(features, teacher, student, p))
    assert (np.abs(sampled.mean(axis=0) - exact) < 5 * error).all()
    assert (error < 0.05 * exact).all()


@pytest.mark.usefixtures("x64")
def test_sampled_errors_are_a_mean_over_the_batch():
    A = np.random.default_rng(3).normal(size=(COUNT, COUNT))
    student, p = random_student("untied", activation="relu")
    x = np.random.default_rng(4).normal(size=(7, COUNT))
    z = np.maximum(x @ response(p).T + np.asarray(p.bias), 0)
    expected = ((z - x @ A.T) ** 2).sum(axis=0) / 7
    errors = sampled_errors(student, jaxsup.MatrixTeacher(A), p, jnp.asarray(x))
    np.testing.assert_allclose(errors, expected, rtol=1e-12)


def test_loss_weights_follow_reduction_and_importance():
    np.testing.assert_allclose(loss_weights(4, 1.0, "half_sum"), 0.5, rtol=0)
    np.testing.assert_allclose(loss_weights(4, 1, "sum"), 1.0, rtol=0)
    np.testing.assert_allclose(loss_weights(4, 1.0, "mean"), 0.25, rtol=0)
    np.testing.assert_allclose(loss_weights(4, 0.9, "sum"), [1, 0.9, 0.81, 0.729], rtol=3e-7)
    given = np.array([3.0, 0.0, 1.0])
    np.testing.assert_allclose(loss_weights(3, given, "half_sum"), given / 2, rtol=1e-7)
    np.testing.assert_allclose(loss_weights(3, given, "mean"), given / 3, rtol=1e-7)
    np.testing.assert_allclose(loss_weights(3, 0.0, "sum"), [1, 0, 0], rtol=0)


def test_closed_forms_are_where_they_exist():
    sparse, single = jaxsup.PowerLawFeatures(4, 1.0), jaxsup.OneActiveFeatures(4)
    diagonal, matrix = jaxsup.DiagonalTeacher(0.0), jaxsup.MatrixTeacher(np.eye(4))
    linear, relu = Student(2, activation="identity"), Student(2)
    assert closed_form(sparse, matrix, linear) == "linear"
    assert closed_form(single, diagonal, linear) == "linear"
    assert closed_form(single, diagonal, relu) == "one-active"
    assert closed_form(single, matrix, relu) is None
    assert closed_form(sparse, diagonal, relu) is None


@pytest.mark.parametrize("kind", ["linear", "one-active"])
def test_sampled_gradient_converges_to_the_population_gradient(kind):
    """E |g_B - g|^2 = tr(Sigma) / B: slope -1 of its logarithm over B = 2^4, 2^7, 2^10.

    With R = 64 independent gradients a point of the fit has a relative error of at most
    sqrt(2 / R) = 0.18 (one dominant direction), and 3 points a factor of 8 apart give the slope a
    standard error of 0.18 / (ln 8 sqrt(2)) = 0.061. The bound is 4 of these.
    """
    relu = kind == "one-active"
    features = jaxsup.OneActiveFeatures(COUNT, 0.5) if relu else FAMILIES["uniform"][0]()
    teacher = jaxsup.DiagonalTeacher(0.3)
    student, p = random_student("learned", activation="relu" if relu else "identity")
    weights = loss_weights(COUNT, 0.8, "half_sum")

    def flat(tree):
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(tree)])

    exact = flat(
        jax.grad(lambda q: jnp.sum(weights * population_errors(features, teacher, student, q)))(p)
    )

    def sampled(key, batch):
        x = features.sample_batch(key, batch)
        loss = jax.grad(lambda q: jnp.sum(weights * sampled_errors(student, teacher, q, x)))
        return flat(loss(p))

    batches = np.array([16, 128, 1024])
    squares, gaps = [], []
    for batch in batches:
        keys = jax.random.split(jax.random.fold_in(jax.random.key(3), batch), 64)
        gap = jax.jit(jax.vmap(lambda k, b=int(batch): sampled(k, b)))(keys) - exact[None, :]
        squares.append(float(jnp.mean(jnp.sum(gap**2, axis=1))))
        gaps.append(np.asarray(gap))
    slope = np.polyfit(np.log(batches), np.log(squares), 1)[0]
    assert abs(slope + 1) < 0.25
    # The mean over all 64 * 1024 samples of the last batch size is the population gradient.
    last = gaps[-1]
    assert (np.abs(last.mean(axis=0)) < 5 * last.std(axis=0) / 8 + 1e-7).all()
