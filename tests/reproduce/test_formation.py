"""Formation: steps and shares of known curves, planted regimes, and what is told of them."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from jaxsup import Sweep
from jaxsup.reproduce.analysis import formation_curves as curves
from jaxsup.reproduce.analysis import formation_lines, formation_panels, formation_table
from jaxsup.reproduce.analysis.formation_table import OBSERVABLES, Row
from jaxsup.reproduce.figures import formation

FIGURE = formation.Formation()
SMALL = formation.Scale(24, 20_000, 8, 3, (1.5, 2.0))
STEPS = np.concatenate([[0], np.unique(np.round(np.geomspace(1, 20_000, 130)))]).astype(int)
CENTERS = np.array([2700.0, 3000.0, 3300.0])
"""Steps around which each seed's saturation forms; a tenth of them for the spread."""
WIDTH = 0.4
"""Of the logistic in log t."""


def test_steps_at_which_shares_form_are_those_of_the_last_crossing() -> None:
    steps = np.array([1.0, 10, 100, 1000])
    values = np.array(
        [
            [0.0, 1, 2, 3],  # even in log t: a share s forms at 1000^s
            [5.0, 4, 3, 2],  # falling likewise
            [0.0, 2.7, 1.2, 3],  # past 50%, back below it, and on: half only after step 100
            [1.0, 1, 1, 1],
        ]
    )
    found = curves.forming_steps(steps, values, (0.1, 0.5, 0.9))
    even = 1000.0 ** np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(found[:2], [even, even], rtol=1e-12)
    late = 100 * 10 ** (np.array([0.3, 1.5]) / 1.8)
    np.testing.assert_allclose(found[2], [10 ** (0.3 / 2.7), *late], rtol=1e-12)
    assert np.isnan(found[3]).all()
    np.testing.assert_allclose(curves.directness(values[:3]), [1, 1, 0.5], rtol=1e-12)
    assert np.isnan(curves.directness(values[3:])).all()


def test_shares_of_stretches_add_up_and_go_back_where_the_curve_does() -> None:
    steps = np.array([1.0, 10, 100, 1000])
    values = np.array([[0.0, 1, 2, 3], [0.0, 2, -1, 2]])
    edges = curves.edges_between([(1, 8), (12.5, 80), (125, 1000)], steps)
    np.testing.assert_allclose(edges, [1, 10, 100, 1000])
    shares = curves.shares_between(steps, values, edges)
    np.testing.assert_allclose(shares, [[1 / 3] * 3, [1, -1.5, 1.5]], rtol=1e-12)
    halfway = curves.shares_between(steps, values, np.array([1, 10**0.5, 1000]))
    np.testing.assert_allclose(halfway, [[1 / 6, 5 / 6], [0.5, 0.5]], rtol=1e-12)


def test_rates_are_slopes_against_log_t_towards_the_end() -> None:
    steps = np.geomspace(5, 5000, 60)
    values = np.stack([0.07 * np.log(steps), 2 - 0.03 * np.log(steps)])
    points, rates = curves.rates(steps, values)
    np.testing.assert_allclose(rates, np.broadcast_to([[0.07], [0.03]], rates.shape), rtol=1e-9)
    assert len(points) == rates.shape[1]


def test_peaks_are_told_from_ends() -> None:
    rows = np.array([[0.0, 3, 1], [0.0, 2, 1]])
    assert curves.peaks(rows).tolist() == [1, 1]
    assert curves.place_of(curves.peaks(rows), 3) == "inside"
    assert curves.place_of(np.array([0, 0]), 3) == "start"
    assert curves.place_of(np.array([2, 2]), 3) == "end"
    assert curves.place_of(np.array([1, 2]), 3) == "unclear"
    x = np.array([[1.0, 2, 3, 4], [1.0, 1, 1, 1]])
    found = curves.rank_correlations(x, np.array([[1.0, 8, 27, 64], [1.0, 2, 3, 4]]))
    assert found[0] == pytest.approx(1)
    assert np.isnan(found[1])


def two_laws(t: np.ndarray) -> np.ndarray:
    """t^-0.4 until t = 1,000, then t^-1."""
    return np.where(t < 1000, t / 1000, 1.0) ** -0.4 * np.maximum(t / 1000, 1.0) ** -1.0


def steepest_at_300(t: np.ndarray) -> np.ndarray:
    """Local exponent 0.3 + 0.6 exp(-(log t - log 300)^2 / 2)."""
    logs = np.linspace(np.log(0.4), np.log(3e4), 4000)
    alpha = 0.3 + 0.6 * np.exp(-((logs - np.log(300)) ** 2) / 2)
    falls = np.concatenate([[0.0], np.cumsum((alpha[1:] + alpha[:-1]) / 2 * np.diff(logs))])
    return np.exp(-np.interp(np.log(t), logs, falls))


def synthetic(sweep: Sweep, law: Callable[[np.ndarray], np.ndarray] = two_laws) -> xr.Dataset:
    """The law with noise of 1% in every loss; saturation rises, spread falls ten times earlier."""
    t = np.maximum(STEPS, 0.5)
    shape = (*sweep.shape, len(sweep.seeds), len(STEPS))
    noise = np.random.default_rng(0).normal(size=shape) * 0.01
    logistic = 1 / (1 + np.exp(-np.log(t / CENTERS[:, None]) / WIDTH))
    earlier = 1 / (1 + np.exp(-np.log(10 * t / CENTERS[:, None]) / WIDTH))
    shapes = (0.2 + 0.6 * logistic, 0.9 - 0.5 * earlier, np.full_like(logistic, 0.1))
    dims = ("network", "law", "seed", "step")
    variables: dict[str, Any] = {
        name: (dims, np.broadcast_to(values, shape).copy())
        for name, values in zip(OBSERVABLES, shapes, strict=True)
    }
    variables["loss"] = (dims, law(t) * np.exp(noise))
    variables["status"] = (dims[:-1], np.zeros(shape[:-1], np.int8))
    return xr.Dataset(variables, coords={"step": STEPS, "seed": list(sweep.seeds)})


@pytest.fixture(scope="module")
def measured() -> tuple[Sweep, xr.Dataset, list[Row]]:
    sweep = FIGURE.configure(SMALL)
    dataset = synthetic(sweep)
    return sweep, dataset, formation_table.measure(dataset, sweep)


def test_rows_are_both_networks_at_their_step_sizes(measured) -> None:
    _, _, table = measured
    found = [(row.kind, row.a, row.learning_rate) for row in table]
    kinds = ("bottleneck", "autoencoder")
    assert found == [
        (k, a, pytest.approx(formation.STEP_SIZES[k])) for k in kinds for a in (1.5, 2)
    ]
    assert all((row.features, row.latent, len(row.loss)) == (24, 12, 3) for row in table)
    # eta t >= 5
    assert [row.steps[0] for row in table] == [5, 5, 17, 17]


def planted(share: float, row: Row, center: float) -> float:
    """The step at which a logistic around `center` has made this share of its change in the row."""
    start, end = 1 / (1 + np.exp(-np.log(row.steps[[0, -1]] / center) / WIDTH))
    level = start + share * (end - start)
    return float(center * np.exp(WIDTH * np.log(level / (1 - level))))


def test_planted_forming_steps_are_found(measured) -> None:
    _, _, table = measured
    for row in table:
        for name, centers in zip(OBSERVABLES, (CENTERS, CENTERS / 10), strict=False):
            for place, share in enumerate(formation_table.SHARES):
                estimate = row.courses[name].steps[place]
                logs = np.log([planted(share, row, center) for center in centers])
                assert estimate is not None
                assert estimate.value == pytest.approx(np.exp(logs.mean()), rel=5e-3)
                # Student's t of three: 4.303.
                high = np.exp(logs.mean() + 4.303 * logs.std(ddof=1) / np.sqrt(3))
                assert estimate.high == pytest.approx(high, rel=2e-2)
        assert row.courses[OBSERVABLES[2]].steps == (None, None, None)


def test_each_observable_forms_in_the_regime_that_it_was_planted_in(measured) -> None:
    _, _, table = measured
    for row in table:
        saturation, spread, still = (row.courses[name] for name in OBSERVABLES)
        half, earlier = saturation.steps[1], spread.steps[1]
        assert half is not None
        assert earlier is not None
        late, early = row.stretch_at(half.value), row.stretch_at(earlier.value)
        assert late is not None
        assert early is not None
        assert (late.kind, early.kind) == ("power-law", "power-law")
        assert late.exponent == pytest.approx(1, abs=0.03)
        assert early.exponent == pytest.approx(0.4, abs=0.03)
        for course, stretch in ((saturation, late), (spread, early)):
            place = row.stretches.index(stretch)
            share = course.stretches[place]
            assert share is not None
            assert share.value > 0.75
            total = [each.value for each in course.stretches if each is not None]
            assert sum(total) == pytest.approx(1)
        assert sum(row.time_shares) == pytest.approx(1)
        # From 1,000 to 20,000 the exponent is 1.
        window = np.log(20) / np.log(20_000 / row.steps[0])
        assert row.time_about_one == pytest.approx(window, abs=0.05)
        assert saturation.about_one is not None
        assert saturation.about_one.value > 0.9
        assert spread.about_one is not None
        assert spread.about_one.value < 0.1
        assert saturation.directness == pytest.approx(1)
        assert (saturation.start, saturation.end) == (pytest.approx(0.2, abs=1e-3), row_end(row))
        assert np.isnan(still.directness)
        assert still.correlation is None


def row_end(row: Row) -> float:
    return float(row.values[OBSERVABLES[0]][:, -1].mean())


def test_the_decades_between_steepest_loss_and_fastest_forming_are_those_planted(measured) -> None:
    sweep, _, _ = measured
    table = formation_table.measure(synthetic(sweep, steepest_at_300), sweep)
    for row in table:
        assert row.steepest is not None
        assert row.steepest.step is not None
        assert row.steepest.step.value == pytest.approx(300, rel=0.15)
        saturation, spread, _ = (row.courses[name] for name in OBSERVABLES)
        assert saturation.fastest.step is not None
        assert saturation.fastest.step.value == pytest.approx(3000, rel=0.15)
        assert saturation.delay is not None
        assert saturation.delay.value == pytest.approx(1, abs=0.1)
        assert spread.delay is not None
        assert spread.delay.value == pytest.approx(0, abs=0.1)
        # The spread falls when the loss does, the saturation when that is over.
        assert spread.correlation is not None
        assert spread.correlation.value > 0.8
        assert saturation.correlation is not None
        assert saturation.correlation.value < spread.correlation.value - 0.3


def test_seeds_that_never_learn_belong_to_no_curve_and_no_seed_to_no_claim(measured) -> None:
    sweep, dataset, _ = measured
    lost = dataset.copy(deep=True)
    lost["loss"][0, 0] = 1.0
    lost["loss"][0, 1, 0] = 1.0
    lost["status"][1, 0, 2] = 1
    lost["loss"][1, 0, 2] = np.nan
    table = formation_table.measure(lost, sweep)
    assert [(len(row.loss), row.silent, row.diverged) for row in table] == [
        (0, 3, 0),
        (2, 1, 0),
        (2, 0, 1),
        (3, 0, 0),
    ]
    assert table[0].regimes is None
    assert not table[0].courses
    text = "\n".join(FIGURE.summarize(table))
    assert "0 seeds (3 seeds silent, 0 diverged): every seed diverged or fell silent" in text
    assert "nothing forms that can be told" in text
    (claim,) = [c for c in FIGURE.claims(table) if "fell silent" in c.explanation]
    assert (claim.measured, claim.verdict) == (None, "not claimed")
    json.dumps([row.to_dict() for row in table], allow_nan=False)
    assert len(FIGURE.draw(table).axes) == 12


def test_one_seed_has_no_interval(measured) -> None:
    sweep, dataset, _ = measured
    one = dataset.isel(seed=[0])
    table = formation_table.measure(one, sweep)
    for row in table:
        assert row.stretches
        assert all(course.steps == (None,) * 3 for course in row.courses.values())
    assert all(claim.measured is None for claim in FIGURE.claims(table))
    formation_lines.lines(table)
    formation_panels.draw(table)


def test_nothing_is_claimed_of_what_no_paper_states(measured) -> None:
    _, _, table = measured
    claims = FIGURE.claims(table)
    assert len(claims) == 4 * len(table)
    assert {claim.verdict for claim in claims} == {"not claimed"}
    assert all(claim.explanation.startswith("no paper states it") for claim in claims)
    unknown = [claim.explanation for claim in claims if claim.measured is None]
    assert set(unknown) <= {"no paper states it; the steepest loss of a seed is at an end"}
    assert not [claim for claim in claims if claim.published is not None]
    halves = [c for c in claims if "half" in c.quantity]
    assert all("in a power-law of exponent 1.0" in claim.quantity for claim in halves)
    assert all(claim.measured is not None for claim in halves)


def test_the_picture_has_loss_saturation_and_spread_over_one_set_of_shades(measured) -> None:
    _, _, table = measured
    axes = np.array(formation_panels.draw(table).axes).reshape(3, len(table))
    assert len({tuple(ax.get_xlim()) for ax in axes.ravel()}) == 1
    for place, row in enumerate(table):
        assert f"a = {row.a:g}" in axes[0, place].get_title()
        edges = [patch.get_extents().x0 for patch in axes[0, place].patches]
        assert len(edges) == len(row.stretches)
        exponents = [float(text.get_text()) for text in axes[0, place].texts]
        laws = [s.exponent for s in row.stretches if s.kind == "power-law"]
        np.testing.assert_allclose(exponents, laws, atol=6e-3)
        for depth, name in ((1, OBSERVABLES[0]), (2, OBSERVABLES[1])):
            marks = [line for line in axes[depth, place].lines if line.get_marker() == "o"]
            steps = [step.value for step in row.courses[name].steps if step is not None]
            np.testing.assert_allclose(np.asarray(marks[0].get_xdata()), steps)
    assert [axes[depth, 0].get_ylabel() != "" for depth in range(3)] == [True] * 3
    legend = axes[0, 0].get_legend()
    assert legend is not None
    assert "power law, exponent" in [text.get_text() for text in legend.get_texts()]
    bare = dataclasses.replace(table[0], courses={})
    assert len(formation_panels.draw([bare]).axes) == 3


def test_scales_have_the_networks_at_which_the_exponent_is_about_one() -> None:
    for name in ("standard", "paper"):
        scale = formation.SCALES[name]
        experiment = FIGURE.configure(scale).experiment_at((0, 0))
        assert (scale.features, experiment.student.latent, scale.batch_size) == (1024, 512, 256)
        # a = 1.5 has it from step 2,500 to 8,000.
        assert scale.steps >= 10_000
        assert {1.1, 1.5} <= set(scale.exponents)
        assert scale.seeds >= 3
