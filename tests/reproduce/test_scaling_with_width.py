"""Scaling with width: the published preset, what networks represent, and the claims."""

import numpy as np
import pytest
from helpers import assert_one_line_error

import jaxsup
from jaxsup import plot
from jaxsup.fit.intervals import Estimate
from jaxsup.reproduce import toys
from jaxsup.reproduce.analysis import widths
from jaxsup.reproduce.figures import scaling_with_width as scaling


def test_the_preset_is_the_published_one():
    sweep = toys.width_scaling()
    experiment = sweep.experiment
    assert (experiment.features.count, experiment.steps, experiment.batch_size) == (
        1000,
        20_000,
        2048,
    )
    assert sweep.shape == (10, 9, 6)
    assert experiment.reduction == "mean"
    assert isinstance(experiment.student, jaxsup.Student)
    assert experiment.student.bias_scale == 1
    optimizer = experiment.optimizer
    assert isinstance(optimizer, jaxsup.NormAdamW)
    assert optimizer.learning_rate == 1e-2
    assert optimizer.schedule == jaxsup.WarmupCosine(2000, 0.05)
    last = sweep.experiment_at((9, 8, 5))
    assert last.student.latent == 100
    assert isinstance(last.student, jaxsup.Student)
    assert last.student.embedding_scale == pytest.approx(0.1)
    assert isinstance(last.features, jaxsup.PowerLawFeatures)
    assert last.features.exponent == 2
    assert float(last.features.probabilities.sum()) == pytest.approx(1, rel=1e-5)
    decays = sweep.field_values(np.array([0, sweep.points - 1]))["optimizer.weight_decay"]
    assert decays.tolist() == [-1, 1]
    assert_one_line_error(
        lambda: toys.width_scaling(latents=()), "latents: expected at least one width K"
    )


def test_what_is_represented_is_counted_pair_by_pair():
    W = np.random.default_rng(0).normal(size=(3, 12)) * np.linspace(0.1, 1, 12)
    long = [i for i in range(12) if np.sqrt((W[:, i] ** 2).sum()) > 0.5]
    squares = [
        (W[:, i] @ W[:, j]) ** 2 / (W[:, i] @ W[:, i]) / (W[:, j] @ W[:, j])
        for i in long
        for j in long
        if i != j
    ]
    count, overlap = widths.long_features(W)
    assert count == len(long)
    assert overlap == pytest.approx(np.mean(squares), rel=1e-12)
    alone, none = widths.long_features(np.eye(3, 5)[:, :1])
    assert alone == 1
    assert np.isnan(none)


def test_dropped_features_cost_their_variance():
    features = jaxsup.PowerLawFeatures(30, 1.5)
    moments = features.moments()
    second = np.diagonal(np.asarray(moments.second_moment(), np.float64))
    variances = second - np.asarray(moments.mean, np.float64) ** 2
    loss = widths.dropped_loss(features, np.array([4, 9, 30]))
    expected = [variances[latent:].sum() / 30 for latent in (4, 9, 30)]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.extended
def test_the_sign_of_the_decay_sets_how_many_features_are_represented():
    sweep = toys.width_scaling(
        features=40,
        latents=[4],
        decays=[-1.0, 1 / 3],
        exponents=[1.0],
        steps=800,
        batch_size=64,
        record=jaxsup.Record(points=2, parameter_steps=(800,), evaluation_samples=64),
    )
    trained = widths.read_trained(jaxsup.run(sweep), sweep)
    strong, weak = trained.represented[:, 0, 0, 0]
    assert strong == 40
    assert weak < 20
    # Forty directions in four dimensions: the Welch floor is 36 / (4 39) = 0.2308.
    assert 0.2307 < trained.overlaps[0, 0, 0, 0] < 0.4


def settings(exponents=(1.0, 1.5)) -> widths.Settings:
    latents = np.array([2, 4, 8])
    return widths.Settings(np.array([-1.0, 0.3]), np.array(exponents), latents, 1, 0, 50)


def test_claims_are_about_the_two_decays():
    at = settings()
    weak = Estimate(0.52, 0.45, 0.6, "by hand")
    strong = Estimate(1.6, 1.5, 1.7, "by hand")
    claims = scaling.claim_exponents(at, [[strong, strong], [None, weak]])
    assert [claim.verdict for claim in claims] == ["agrees", "differs", "differs"]
    assert "frequencies i^-1.5" in claims[0].quantity
    (missing, *_) = scaling.claim_exponents(at, [[None, None], [None, None]])
    assert missing.explanation == "a network diverged"


def test_overlaps_of_random_directions_agree_and_missing_ones_say_why():
    at = settings()
    overlaps = np.broadcast_to(1 / at.latents[:, None], (2, 2, 3, 2)).copy()
    overlaps *= 1 + 0.01 * np.random.default_rng(0).normal(size=overlaps.shape)
    represented = np.full((2, 2, 3, 2), 50.0)
    trained = widths.Trained(np.ones((2, 2, 3, 2)), represented, overlaps)
    claims = scaling.claim_overlaps(at, trained)
    assert [claim.verdict for claim in claims] == ["agrees"] * 3
    overlaps[0, 0, 0, 0], represented[0, 0, 0, 0] = np.nan, np.nan
    claims = scaling.claim_overlaps(at, trained)
    assert [claim.verdict for claim in claims] == ["not claimed"] * 3
    assert all(claim.explanation for claim in claims)


def test_pictures_of_widths_hold_means_and_guides():
    latents, losses = np.array([2, 4, 8]), np.array([[4.0, 2.0], [2.0, 1.0], [1.0, 0.5]])
    ax = widths.draw_losses(
        latents,
        [losses],
        ["i^−1"],
        plot.new_figure()[1],
        exponents=[Estimate(1.0, 0.9, 1.1, "by hand")],
        references=[np.array([3, 1.5, 0.75])],
        reference_name="theory",
    )
    np.testing.assert_allclose(np.asarray(ax.get_lines()[0].get_ydata()), [3, 1.5, 0.75])
    legend = ax.get_legend()
    assert legend is not None
    words = [text.get_text() for text in legend.get_texts()]
    assert words == ["i^−1: α = 1.00 ± 0.10", "theory"]
    ax = widths.draw_overlaps(latents, [losses / 10], ["i^−1"], 20, plot.new_figure()[1])
    floor = ax.get_lines()[-1]
    assert np.asarray(floor.get_ydata())[0] == pytest.approx((20 - 2) / (2 * 19))
