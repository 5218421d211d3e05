"""Trainability maps: outcomes, sharpness and largest rates against numpy."""

import dataclasses

import jax
import numpy as np
import pytest
import xarray as xr
from helpers import assert_one_line_error

import jaxsup
from jaxsup import plot
from jaxsup.fit.intervals import Estimate
from jaxsup.reproduce.analysis import outcomes
from jaxsup.reproduce.analysis.box_counting import draw_box_counts, measure_border
from jaxsup.reproduce.analysis.outcomes import BOUND, DIVERGES, LEARNS, SILENT
from jaxsup.reproduce.figures import trainability

FIGURE = trainability.Trainability()


def small(rates, bias_rates, steps=40):
    """The figure's experiment with five features in two dimensions."""
    sweep = FIGURE.configure(trainability.Scale(5, 2, 9, steps, 1))
    axes = {"optimizer.learning_rate": rates, "optimizer.bias_learning_rate": bias_rates}
    return jaxsup.Sweep(sweep.experiment, axes)


def first_parameters(sweep):
    """W and b from which the runs start, as the engine gives them out."""
    record = jaxsup.Record(points=2, parameter_steps=(0,))
    experiment = dataclasses.replace(sweep.experiment, steps=1, record=record)
    kept = jaxsup.simulate(experiment, jax.random.key(0)).snapshots
    return tuple(np.asarray(a, np.float64)[0] for a in (kept.embedding, kept.bias))


def slopes(W, b):
    """The published loss and its gradient, in numpy."""
    z = W.T @ W + b[:, None]
    gap = np.maximum(z, 0) - np.eye(W.shape[1])
    m = 2 * gap * (z > 0)
    return (gap**2).sum(), W @ (m + m.T), m.sum(axis=1)


@pytest.mark.slow
def test_runs_are_plain_gradient_descent_on_the_published_loss():
    """Outcomes and final losses of a numpy loop, over learning, silence and divergence."""
    sweep = small([0.01, 0.05, 4.0], [0.002, 0.05, 3.0])
    maps = outcomes.read_outcomes(jaxsup.run(sweep), sweep)
    reached = set()
    for i, rate in enumerate([0.01, 0.05, 4.0]):
        for j, bias_rate in enumerate([0.002, 0.05, 3.0]):
            W, b = first_parameters(sweep)
            loss = 0.0
            for _ in range(40):
                loss, by_W, by_b = slopes(W, b)
                if loss > BOUND or np.abs(by_W).max() > BOUND:
                    break
                W, b = W - rate * by_W, b - bias_rate * by_b
            else:
                loss = slopes(W, b)[0]
            outcome = maps.outcomes[0, i, j]
            reached.add(int(outcome))
            if loss > BOUND:
                assert outcome == DIVERGES
                continue
            assert outcome == (LEARNS if loss <= 4.5 else SILENT)
            assert maps.losses[0, i, j] == pytest.approx(loss / 5, rel=1e-3)
    assert reached == {LEARNS, SILENT, DIVERGES}


def test_the_sharpness_is_that_of_a_hessian_by_differences():
    sweep = small([0.1], [0.1])
    W, b = first_parameters(sweep)
    columns = []
    for k in range(W.size):
        shift = np.zeros(W.size)
        shift[k] = 1e-6
        shift = shift.reshape(W.shape)
        columns.append(((slopes(W + shift, b)[1] - slopes(W - shift, b)[1]) / 2e-6).ravel())
    sharpness = np.abs(np.linalg.eigvalsh(np.array(columns))).max()
    assert trainability.sharpness_of_start(sweep, 0) == pytest.approx(sharpness, rel=1e-3)


def recorded(losses, status):
    """A dataset of one start with four settings, losses at three steps."""
    dims = ("optimizer.learning_rate", "optimizer.bias_learning_rate", "seed")
    losses = np.asarray(losses).reshape(2, 2, 1, 3)
    norms = np.ones((2, 2, 1, 3))
    return xr.Dataset(
        {
            "loss": ((*dims, "step"), losses),
            "status": (dims, np.reshape(status, (2, 2, 1))),
            "embedding_norm": ((*dims, "step"), norms),
            "bias_norm": ((*dims, "step"), 2 * norms),
        }
    )


def test_outcomes_follow_from_what_was_recorded():
    sweep = small([0.1, 0.2], [0.1, 0.2])
    dataset = recorded([[9, 5, 4], [9, 5, 4.8], [9, 2e12, 4], [9, np.nan, np.nan]], [0, 0, 0, 1])
    maps = outcomes.read_outcomes(dataset, sweep)
    assert maps.outcomes[0].tolist() == [[LEARNS, SILENT], [DIVERGES, DIVERGES]]
    np.testing.assert_allclose(maps.losses[0, 0], [0.8, 0.96])
    np.testing.assert_array_equal(maps.norms[0], [[2, 2], [np.nan, np.nan]])


def test_the_largest_stable_rate_lies_below_the_first_that_diverges():
    rates = np.array([1.0, 2, 4, 8])
    assert trainability.largest_stable_rate(np.array([0, 1, 2, 0]), rates) == 2
    assert trainability.largest_stable_rate(np.array([0, 0, 0, 0]), rates) == 8
    assert np.isnan(trainability.largest_stable_rate(np.array([2, 0, 0, 0]), rates))


def test_an_interval_that_holds_a_smooth_border_too_decides_nothing():
    ratio = Estimate(1.5, 1.4, 1.6, "by hand")
    for low, high, verdict in (
        (0.99, 1.02, "differs"),
        (1.01, 1.30, "not claimed"),
        (1.20, 1.40, "agrees"),
    ):
        dimension = Estimate((low + high) / 2, low, high, "by hand")
        border, rate = FIGURE.claims(dimension, ratio)
        assert border.verdict == verdict
        assert rate.verdict == "agrees"
    coarse, unknown = FIGURE.claims(None, None)
    assert "too coarse" in coarse.explanation
    assert unknown.verdict == "not claimed"


def test_the_paper_scale_is_the_published_one():
    scale = trainability.SCALES["paper"]
    assert (scale.features, scale.latent, scale.grid, scale.steps) == (256, 32, 1024, 500)
    experiment = FIGURE.configure(trainability.SCALES["smoke"]).experiment
    assert experiment.gradient == "exact"
    assert experiment.closed_form == "one-active"


def test_a_map_shows_the_three_outcomes():
    rates, bias_rates = np.array([0.1, 1.0]), np.array([0.01, 0.1, 1.0])
    codes = np.array([[0, 0, 1], [2, 2, 1]])
    losses = np.array([[0.1, 0.5, 1.0], [np.nan, np.nan, 1.0]])
    ax = outcomes.draw_map(rates, bias_rates, codes, losses, plot.new_figure()[1])
    legend = ax.get_legend()
    assert legend is not None
    words = [text.get_text() for text in legend.get_texts()]
    assert words == ["diverges (33%)", "falls silent (33%)"]


def test_box_counts_are_medians_over_maps():
    i, j = np.mgrid[:65, :65]
    maps = [measure_border(i > 10), measure_border(i > j), measure_border(i + j > 60)]
    ax = draw_box_counts({"border": maps}, plot.new_figure()[1])
    expected = np.median([border.counts for border in maps], axis=0)
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), expected)
    assert_one_line_error(
        lambda: draw_box_counts({"border": []}, plot.new_figure()[1]),
        "borders: expected at least one map of each; got none of",
    )
    blank = measure_border(np.zeros((65, 65), bool))
    assert_one_line_error(
        lambda: draw_box_counts({"border": [blank]}, plot.new_figure()[1]),
        "borders: expected a border that boxes see",
    )
