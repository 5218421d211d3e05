"""Sampled and closed-form losses against independent float64 numpy, quadrature and convergence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

import jaxsup
from jaxsup.experiment.closed_forms import closed_form
from jaxsup.experiment.students import Student, StudentParameters
from jaxsup.training import losses
from jaxsup.training.losses import loss_weights, sampled_errors
from jaxsup.training.updates import TiedClosedForm

COUNT = 5


def population_errors(features, teacher, student, parameters):
    """Expected squared errors by the closed form that the three have."""
    experiment = jaxsup.Experiment(features, teacher, student, jaxsup.SGD(0.1))
    assert experiment.closed_form is not None
    return losses.population_errors(experiment.closed_form, experiment, parameters)


def tied_loss(features, teacher, student, parameters, weights):
    """The loss whose gradient is written out, as the update differentiates it."""
    experiment = jaxsup.Experiment(
        features, teacher, student, jaxsup.SGD(0.1), gradient="exact", reduction="sum"
    )
    assert TiedClosedForm.unsuitable(experiment) is None
    return TiedClosedForm.loss(experiment, parameters, weights)


def covariance() -> np.ndarray:
    factor = np.random.default_rng(0).normal(size=(COUNT, 3))
    return factor @ factor.T


def one_active_law() -> np.ndarray:
    f = np.arange(1, COUNT + 1, dtype=np.float64) ** -0.8
    return f / f.sum()


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


def random_student(embedding: str, *, bias: bool = True, activation: str = "identity"):
    latent = COUNT if embedding == "identity" else 3
    student = Student(
        latent, embedding, activation=activation, bias=bias, core_scale=0.6, bias_scale=0.3
    )
    return student, student.init_parameters(jax.random.key(1), COUNT)


def response(parameters: StudentParameters) -> np.ndarray:
    assert parameters.core is not None
    if parameters.embedding is None:
        return np.asarray(parameters.core)
    readout = parameters.embedding if parameters.readout is None else parameters.readout
    return np.asarray(readout).T @ np.asarray(parameters.core) @ np.asarray(parameters.embedding)


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
    got, (by_W, by_c) = jax.jit(slopes)(W, c)
    gains = np.arange(1, COUNT + 1, dtype=np.float64) ** -0.4
    for index in np.ndindex(*batch):
        expected = unit_activation_loss(W[index], c[index], weights, one_active_law(), gains)
        np.testing.assert_allclose(got[index], expected[0], rtol=1e-13)
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
        lambda got, expected: np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-13),
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
    sparse, one = jaxsup.PowerLawFeatures(4, 1.0), jaxsup.OneActiveFeatures(4)
    diagonal, matrix = jaxsup.DiagonalTeacher(0.0), jaxsup.MatrixTeacher(np.eye(4))
    linear, relu = Student(2, activation="identity"), Student(2)
    assert closed_form(sparse, matrix, linear) == "linear"
    assert closed_form(one, diagonal, linear) == "linear"
    assert closed_form(one, diagonal, relu) == "one-active"
    assert closed_form(one, matrix, relu) is None
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
