"""Toy models: published settings, and geometries that are trained and not planted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_one_line_error

import jaxsup
from jaxsup import geometry, theory
from jaxsup.geometry.census import composition, feature_shares
from jaxsup.reproduce import toys
from jaxsup.reproduce.analysis.energy_levels import find_levels
from jaxsup.reproduce.figures import toy_geometry, toy_phase_diagram
from jaxsup.theory.two_features import two_feature_errors, two_feature_losses

PENTAGON_LOSS, RADIUS, BIAS = 0.01582563, 1.170460, -0.282297


def test_the_introduction_is_the_notebooks() -> None:
    sweep = toys.elhage_introduction()
    experiment = sweep.experiment
    assert (experiment.features.count, experiment.student.latent) == (5, 2)
    assert (experiment.steps, experiment.batch_size) == (10_000, 1024)
    assert (experiment.reduction, experiment.importance) == ("mean", 0.9)
    assert experiment.optimizer == jaxsup.AdamW(1e-3, weight_decay=1e-2)
    assert isinstance(experiment.student, jaxsup.Student)
    assert not experiment.student.core
    assert experiment.student.bias_scale == 0
    assert experiment.student.embedding_scale == pytest.approx(np.sqrt(2 / (2 * (5 + 10))))
    densities = sweep.field_values(np.arange(10))["features.density"]
    np.testing.assert_allclose(densities, 20 ** -np.linspace(0, 1, 10))
    sparsest = sweep.experiment_at((9,)).features
    assert isinstance(sparsest, jaxsup.PowerLawFeatures)
    np.testing.assert_allclose(sparsest.probabilities, 1 / 20, rtol=1e-6)
    assert sparsest.values == "unit"


def test_the_geometry_setting_is_the_notebooks() -> None:
    sweep = toys.elhage_geometry()
    assert sweep.shape == (20,)
    assert (sweep.experiment.features.count, sweep.experiment.student.latent) == (200, 20)
    assert sweep.experiment.importance == 1.0
    assert isinstance(sweep.experiment.student, jaxsup.Student)
    scale = sweep.experiment.student.embedding_scale
    assert scale == pytest.approx(np.sqrt(2 / (20 * (200 + 20))))


def test_the_start_has_the_stated_spread() -> None:
    student = toys.elhage_geometry().experiment.student
    W = np.asarray(student.init_parameters(jax.random.key(0), 200).embedding)
    # 4,000 normals: the spread is known to 1 / sqrt(8000), bounded at four of these.
    assert W.std() / np.sqrt(2 / (20 * 220)) == pytest.approx(1, abs=4 / np.sqrt(8000))


@pytest.mark.slow
def test_the_pentagon_is_a_critical_point_of_the_closed_form_loss(x64) -> None:
    angles = 2 * jnp.pi * jnp.arange(5.0) / 5
    W = RADIUS * jnp.stack([jnp.cos(angles), jnp.sin(angles)])
    bias = jnp.full(5, BIAS)
    loss, slopes = jax.value_and_grad(theory.one_sparse_loss, argnums=(0, 1))(W, bias)
    assert float(loss) == pytest.approx(PENTAGON_LOSS, abs=1e-8)
    for slope in slopes:
        assert float(jnp.abs(slope).max()) < 1e-6


@pytest.mark.extended
def test_random_starts_end_in_the_regular_pentagon_or_in_two_digons() -> None:
    dataset = jaxsup.run(toys.one_active(steps=2500, seeds=32))
    losses = dataset["loss"].isel(network=0, step=-1).values
    weights = dataset["embedding"].isel(network=0, kept_step=-1)
    weights = weights.transpose("seed", "latent", "feature").values
    ground, excited = find_levels(losses, relative=1e-2)
    # 77% of 256 other starts: 32 of them have a standard deviation of 7.4%, bounded at three.
    assert 0.55 < len(ground.members) / 32 < 0.99
    assert ground.loss == pytest.approx(PENTAGON_LOSS, rel=1e-4)
    # Two digons and a feature that is dropped for its mean, 1/5 (1/3 - 1/20) = 0.05666667.
    assert excited.loss == pytest.approx(0.05666667, rel=1e-3)
    for run in ground.members:
        (component,) = geometry.classify(weights[run], tolerance=0.02).components
        assert component.name == "pentagon"
        assert component.capacity == pytest.approx(2 / 5)
        assert np.linalg.norm(weights[run], axis=0) == pytest.approx(RADIUS, abs=0.01)
    for run in excited.members:
        network = geometry.classify(weights[run], tolerance=0.02, zero_tolerance=0.1)
        assert composition(network) == "2 digons + 1 not represented"


@pytest.mark.parametrize(("density", "importance"), [(0.3, 0.5), (0.9, 3.0)])
def test_ideal_arrangements_have_the_stated_losses(x64, density, importance) -> None:
    s, r = density, importance
    W = jnp.array([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]])
    bias = jnp.array([[0.0, s / 2], [s / 2, 0.0], [0.0, 0.0]])
    errors = two_feature_errors(W, bias, jnp.full(3, s))
    np.testing.assert_allclose(errors @ jnp.array([1.0, r]), two_feature_losses(s, r), rtol=1e-10)


def test_the_exact_error_of_two_features_is_the_sampled_one(x64) -> None:
    rng = np.random.default_rng(0)
    W, bias, density = rng.normal(size=(6, 2)), 0.3 * rng.normal(size=(6, 2)), 0.6
    x = rng.random((400_000, 2)) * (rng.random((400_000, 2)) < density)
    exact = two_feature_errors(jnp.asarray(W), jnp.asarray(bias), jnp.full(6, density, jnp.float64))
    for network in range(6):
        outputs = np.maximum(x @ np.outer(W[network], W[network]) + bias[network], 0)
        squares = (outputs - x) ** 2
        error = squares.std(axis=0) / np.sqrt(len(x))
        assert (np.abs(squares.mean(axis=0) - exact[network]) < 4 * error).all()


def test_the_losses_cross_where_the_boundaries_are_stated() -> None:
    s = np.array([0.1, 0.3, 0.5])
    lower = two_feature_losses(s, 2 * s / (4 - 5 * s))
    np.testing.assert_allclose(lower[0], lower[2], rtol=1e-12)
    upper = two_feature_losses(s, (4 - 5 * s) / (2 * s))
    np.testing.assert_allclose(upper[1], upper[2], rtol=1e-12)
    np.testing.assert_allclose(np.ptp(two_feature_losses(4 / 7, 1.0)), 0, atol=1e-15)


def test_a_phase_is_the_nearest_direction_up_to_sign() -> None:
    degrees = np.deg2rad([0, 180, 20, -20, 90, -90, 110, 135, -45, 120, 45, 30])
    W = np.stack([np.cos(degrees), np.sin(degrees)], axis=-1)
    none = toy_phase_diagram.NONE
    expected = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, none, none]
    np.testing.assert_array_equal(toy_phase_diagram.outcomes(W), expected)
    np.testing.assert_array_equal(toy_phase_diagram.outcomes(0.05 * W), none)


@pytest.mark.extended
def test_trained_phases_are_the_exact_ones_clear_of_the_boundaries() -> None:
    sweep = toys.two_feature_phases(
        densities=[0.1, 0.8], importances=[0.3, 3.0], steps=600, learning_rate=3e-2, seeds=4
    )
    phases = toy_phase_diagram.find_phases(jaxsup.run(sweep))
    assert phases.clear.all()
    np.testing.assert_array_equal(phases.exact, [[2, 0], [2, 1]])
    np.testing.assert_array_equal(phases.trained, phases.exact)
    # No arrangement of one dimension can be much better than the best ideal one.
    assert (np.abs(phases.ratio - 1) < 0.05).all()


def test_levels_are_split_at_gaps() -> None:
    levels = find_levels([0.2, 0.1, np.nan, 0.10001, 0.0, 3e-7, 0.1001])
    assert [level.members.tolist() for level in levels] == [[4, 5], [1, 3, 6], [0]]
    assert [level.loss for level in levels] == pytest.approx([1.5e-7, 0.10001, 0.2])
    assert levels[1].spread == pytest.approx(1e-4)
    assert find_levels([np.nan]) == []


def test_shares_count_features_and_not_components() -> None:
    angles = 2 * np.pi * np.arange(5) / 5
    W = np.zeros((3, 9))
    W[:2, :5] = np.cos(angles), np.sin(angles)
    W[2, 5:7] = 1, -1
    shares = feature_shares([geometry.classify(W)])
    assert shares == pytest.approx({"pentagon": 5 / 7, "digon": 2 / 7})
    assert composition(geometry.classify(W)) == "pentagon + digon + 2 not represented"
    rough = geometry.classify(np.random.default_rng(0).normal(size=(2, 4)))
    assert composition(rough) == "irregular of 4 features"
    assert feature_shares([]) == {}


def test_the_plateau_is_where_dimensions_per_feature_stay_near_a_half() -> None:
    stars = [(1.0, 1.0), (2.0, 0.54), (3.0, 0.47), (4.0, 0.4)]
    records = [{"inverse_density": x, "dimensions_per_feature": y} for x, y in stars]
    assert toy_geometry.plateau(records) == (2.0, 3.0)
    assert toy_geometry.plateau(records[:1]) is None


BAD = {
    "no instances": (lambda: toys.instance_densities(0), "instances: expected a positive integer"),
    "no sizes": (lambda: toys.one_active(sizes=()), r"sizes: expected at least one pair \(N, K\)"),
    "no latent dimension": (lambda: toys.elhage_geometry(latent=0), "latent: expected a positive"),
    "no features": (lambda: toys.elhage_introduction(features=-30), "features: expected a posi"),
    "no width": (lambda: toys.width_scaling(latents=(0,)), "latents: expected a positive integer"),
    "density above one": (
        lambda: toys.two_feature_phases(densities=[0.5, 1.5], importances=[1.0]),
        r"densities: expected probabilities in \(0, 1\]; got \[0.5, 1.5\]",
    ),
    "losses in a matrix": (lambda: find_levels(np.ones((2, 2))), "losses: expected one number a"),
    "negative gap": (lambda: find_levels([1.0], relative=-1), "relative: expected a finite number"),
    "negative width": (lambda: find_levels([1.0], absolute=-1), "absolute: expected a finite"),
    "density": (lambda: two_feature_losses(1.2, 1.0), "density: expected a finite number"),
    "importance": (lambda: two_feature_losses(0.5, 0.0), "importance: expected a finite"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case) -> None:
    make, match = BAD[case]
    assert_one_line_error(make, match)
