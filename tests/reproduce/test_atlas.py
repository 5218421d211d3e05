"""The atlas: its design, what it measures on curves of known laws, effects and limits."""

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from jaxsup.reproduce.analysis import atlas_design, atlas_table, effects, size_limits
from jaxsup.reproduce.analysis.atlas_design import FACTORS, STRUCTURAL, Setting
from jaxsup.reproduce.figures import universality

QUICK = universality.SCALES["quick"].levels
REFERENCE = Setting(
    "grid",
    1.5,
    0.0,
    4,
    1.0,
    1.0,
    0.0,
    64,
    32,
    optimizer="SGD",
    values="uniform",
    embedding="random",
)


def coded() -> dict[str, np.ndarray]:
    """The quick screen's columns, -1 at the first level and 1 at the second."""
    rows = atlas_design.screen(QUICK)
    return {
        name: np.array([2.0 * QUICK[name].index(getattr(row, name)) - 1 for row in rows])
        for name in FACTORS
    }


def test_no_main_effect_and_no_interaction_of_two_factors_is_confounded() -> None:
    columns = coded()
    pairs = [columns[f] * columns[g] for f, g in itertools.combinations(FACTORS, 2)]
    X = np.stack([np.ones(1024), *columns.values(), *pairs], axis=1)
    np.testing.assert_array_equal(X.T @ X, 1024 * np.eye(1 + 11 + 55))


def test_what_the_screen_confounds_is_what_it_says() -> None:
    columns = coded()
    # Even numbers of steps away from the reference: the product of five signs is that of -1^5.
    product = np.prod([columns[name] for name in STRUCTURAL], axis=0)
    np.testing.assert_array_equal(product, -np.ones(1024))


def test_nothing_is_left_out_where_a_structural_factor_is_held() -> None:
    levels = {"features": (16, 32), "optimizer": ("SGD",), "values": ("uniform", "unit")}
    found = list(atlas_design.half_fraction(levels))
    assert [tuple(each.values()) for each in found] == list(itertools.product(*levels.values()))


@pytest.mark.parametrize(
    ("changes", "rate"),
    [
        ({}, 0.125),
        ({"ratio": 2, "step": 0.5}, 0.125),
        ({"density": 3.0}, 0.125 / 3),
        ({"density": 0.5}, 0.125),
        ({"optimizer": "Adam", "step": 0.5}, 0.005),
        ({"embedding": "identity", "ratio": 1}, 0.1),
    ],
)
def test_step_sizes_keep_conditions_equally_far_from_instability(
    changes: dict, rate: float
) -> None:
    assert Setting(**{**vars(REFERENCE), **changes}).rate == pytest.approx(rate, rel=1e-12)


@pytest.mark.extended
def test_a_setting_is_trained_as_it_says() -> None:
    figure = universality.Universality()
    sweep = figure.configure(universality.SCALES["quick"])
    assert isinstance(sweep, atlas_design.AtlasSweep)
    for place in (0, 500, len(sweep.settings) - 1):
        setting = sweep.settings[place]
        experiment: Any = sweep.experiment_at((place,))
        assert experiment.features.exponent == setting.a
        assert experiment.features.count == setting.features
        assert experiment.features.values == setting.values
        assert experiment.teacher.exponent == setting.b
        assert experiment.student.latent * setting.ratio == setting.features
        assert experiment.student.activation.slope == setting.slope
        assert experiment.optimizer.learning_rate == setting.rate
        assert type(experiment.optimizer).__name__ == setting.optimizer
        assert experiment.steps == universality.SCALES["quick"].steps[setting.features]


STEPS = np.unique(np.round(np.geomspace(1, 10_000, 80)).astype(int))


def seeds_of(loss: np.ndarray, noise: float = 0.01, count: int = 4) -> np.ndarray:
    """A curve with independent noise at every step."""
    draws = np.random.default_rng(0).normal(0.0, noise, (count, len(loss)))
    return loss * np.exp(draws)


def test_both_regimes_of_a_curve_with_two_laws() -> None:
    loss = seeds_of(STEPS**-0.3 * (1 + (STEPS / 300) ** 7.0) ** -0.1)
    found = atlas_table.measure_curves(STEPS, loss, 0.5)
    assert found.first == pytest.approx(0.3, abs=4 * found.first_error)
    assert found.last == pytest.approx(1.0, abs=4 * found.last_error)
    assert max(found.first_error, found.last_error) < 0.03
    assert found.laws == 2
    # Windows 1..300 and 300..10,000, in units of eta t: middles 8.7 and 870.
    assert found.first_time == pytest.approx(0.5 * math.sqrt(300), rel=0.2)
    assert found.last_time == pytest.approx(0.5 * math.sqrt(300 * 1e4), rel=0.2)
    assert found.steepest == pytest.approx(1.0, abs=4 * found.steepest_error)


def test_a_curve_that_climbs_to_the_end_has_its_steepest_stretch_there() -> None:
    # -d log L / d log t = 0.1 log t.
    found = atlas_table.measure_curves(STEPS, seeds_of(np.exp(-0.05 * np.log(STEPS) ** 2)), 2.0)
    assert found.rising
    assert found.steepest == pytest.approx(0.1 * math.log(found.steepest_time / 2), abs=0.03)
    assert found.steepest_time == pytest.approx(2e4 * 10**-0.35, rel=0.2)


def test_a_bump_of_the_local_exponent_is_found_where_it_is() -> None:
    # It is 0.3 + 0.6 exp(-(x - x0)^2 / (2 w^2)), x = log t: with x0 = log 300 and w = log 10 a
    # kernel of 0.16 decades sees all but 2% of the bump.
    x = np.log(STEPS)
    grid = np.linspace(0, x[-1], 20_001)
    slope = 0.3 + 0.6 * np.exp(-((grid - math.log(300)) ** 2) / (2 * math.log(10) ** 2))
    area = np.concatenate([[0.0], np.cumsum((slope[1:] + slope[:-1]) / 2 * np.diff(grid))])
    found = atlas_table.measure_curves(STEPS, seeds_of(np.exp(-np.interp(x, grid, area))), 1.0)
    assert not found.rising
    assert found.steepest == pytest.approx(0.89, abs=0.03)
    assert found.steepest_time == pytest.approx(300, rel=0.5)


def test_the_table_leaves_out_seeds_that_diverged_and_steps_that_were_not_recorded() -> None:
    scale = universality.SCALES["smoke"]
    sweep = universality.Universality().configure(scale)
    assert isinstance(sweep, atlas_design.AtlasSweep)
    recorded = sweep.experiment.recorded_steps
    steps = np.sort(np.append(recorded, 77_777))  # of no setting
    exponents = np.linspace(0.3, 1.2, sweep.points)
    loss = np.maximum(steps, 0.5)[None, None] ** -exponents[:, None, None] * np.ones((1, 2, 1))
    loss[..., steps == 77_777] = np.nan
    status = np.zeros((sweep.points, 2), np.int8)
    status[0], status[1, 0], loss[1, 0] = 1, 1, np.nan
    dims = ("setting", "seed")
    dataset = xr.Dataset(
        {"loss": ((*dims, "step"), loss), "status": (dims, status)}, coords={"step": steps}
    )
    table = atlas_table.tabulate(dataset, sweep)
    assert table["diverged"].tolist()[:3] == [2, 1, 0]
    assert np.isnan(table["last"].to_numpy()[0])
    np.testing.assert_allclose(table["last"][1:], exponents[1:], atol=1e-3)
    np.testing.assert_allclose(table["steepest"][1:], exponents[1:], atol=1e-3)
    record = atlas_table.to_records(table)[0]
    assert record["last"] is None
    assert record["a"] == sweep.settings[0].a


def factorial(count: int) -> pd.DataFrame:
    """A full factorial of two-level factors, -1 and 1."""
    rows = list(itertools.product((-1, 1), repeat=count))
    return pd.DataFrame(rows, columns=[f"f{place}" for place in range(count)])


def test_effects_and_shares_of_a_worked_case() -> None:
    table = factorial(3)
    x, y, z = (table[name].to_numpy(float) for name in table)
    # Variances 9, 4 and 1 parts of 14; z does nothing.
    table["response"] = 1 + 0.3 * x - 0.2 * y + 0.1 * x * y
    table["error"] = 0.02
    found = effects.measure_effects(table, ["f0", "f1", "f2"], "response", "error")
    assert found is not None
    np.testing.assert_allclose([each.change for each in found.main], [0.6, -0.4, 0], atol=1e-12)
    shares = [each.share for each in found.main]
    np.testing.assert_allclose(shares, np.array([9, 4, 0]) / 14, atol=1e-12)
    assert found.pairs == pytest.approx(1 / 14, rel=1e-9)
    assert found.strongest[0][:2] == ("f0", "f1")
    assert found.rest == pytest.approx(0, abs=1e-12)
    assert found.noise == pytest.approx(0.0004 / 0.14, rel=1e-9)
    assert np.ptp(z) == 2


def test_effects_of_three_levels_are_between_the_ends() -> None:
    levels = {"low": 0.0, "middle": 5.0, "high": 1.0}
    rows = list(itertools.product(levels, (0, 1), (0, 1)))
    table = pd.DataFrame(rows, columns=["kind", "other", "third"])
    table["response"] = [levels[kind] + 0.5 * other for kind, other, _ in rows]
    found = effects.measure_effects(table, ["kind", "other"], "response")
    assert found is not None
    np.testing.assert_allclose([each.change for each in found.main], [1.0, 0.5], atol=1e-12)
    assert math.isnan(found.noise)


def test_missing_numbers_are_counted_and_their_confounding_is_not_credited_twice() -> None:
    table = factorial(4)
    table["response"] = table["f0"] + 0.0
    table.loc[[0, 1, 9], "response"] = np.nan
    found = effects.measure_effects(table, ["f0", "f1", "f2"], "response")
    assert found is not None
    assert (found.rows, found.missing) == (13, 3)
    # What f1 and f2 share with f0 by the gaps is f0's.
    np.testing.assert_allclose([each.share for each in found.main][1:], 0, atol=1e-12)
    assert found.main[0].change == pytest.approx(2, rel=1e-9)


def test_intervals_of_effects_hold_the_truth() -> None:
    rng = np.random.default_rng(1)
    table, trials, held = factorial(5), 400, 0
    names = [name for name in table if name != "f4"]
    for _ in range(trials):
        noise = rng.normal(0, 0.3, len(table))
        table["response"] = 0.1 * table["f0"] + 0.2 * table["f0"] * table["f1"] + noise
        found = effects.measure_effects(table, names, "response")
        assert found is not None
        held += found.main[0].low <= 0.2 <= found.main[0].high
    # Binomial, 400 trials at 95%: 380 +- 3 standard deviations of 4.4.
    assert 367 <= held <= 393


def test_a_number_that_never_varies_has_no_effects() -> None:
    table = factorial(2).assign(response=1.0)
    assert effects.measure_effects(table, ["f0", "f1"], "response") is None
    assert effects.format_effects(None, {}, {}, "one") == ["one: too few settings have one"]


def test_what_cannot_be_known_of_effects_is_not_printed_as_a_number() -> None:
    names = {"f0": "zero", "f1": "one"}
    table = factorial(2).assign(response=[0.0, 1.0, 2.0, np.nan], error=1.0)
    found = effects.measure_effects(table, ["f0", "f1"], "response", "error")
    text = "\n".join(effects.format_effects(found, names, names, "number"))
    assert "nan" not in text
    assert text.count("(-)") == 2
    assert "3 settings, 1 without; shares overlap and need not add up to 100%" in text
    assert text.endswith("and the rest: - (too few settings to tell)")
    whole = pd.concat([factorial(2)] * 2).assign(error=9.0)
    whole["response"] = whole["f0"] + 0.1 * np.arange(8)
    found = effects.measure_effects(whole, ["f0", "f1"], "response", "error")
    assert found is not None
    assert found.noise > 1
    assert effects.format_effects(found, names, names, "number")[-1].endswith(
        "of it all errors of measurement"
    )


SIZES = np.array([32.0, 64, 128, 256])


@pytest.mark.parametrize("model", size_limits.MODELS)
def test_a_limit_is_found_by_the_model_that_holds(model: str) -> None:
    values = 1.2 - 2.0 * size_limits.MODELS[model](SIZES)
    found = size_limits.limits(SIZES, values, np.full(4, 0.01))
    assert found[model].value == pytest.approx(1.2, rel=1e-9)
    whole = size_limits.hull(found)
    assert whole is not None
    assert whole.low <= min(each.low for each in found.values())
    assert whole.low <= 1.2 <= whole.high


def test_intervals_of_limits_hold_the_truth() -> None:
    rng, held = np.random.default_rng(2), 0
    errors = np.array([0.02, 0.01, 0.03, 0.02])
    for _ in range(500):
        values = 1.0 - 0.5 / np.log(SIZES) + errors * rng.normal(size=4)
        found = size_limits.limits(SIZES, values, errors)["1/log N"]
        held += found.low <= 1.0 <= found.high
    # Errors are never made smaller than stated, so that coverage is 95% or more.
    assert held >= 0.95 * 500 - 3 * math.sqrt(500 * 0.05 * 0.95)


def test_points_that_no_model_fits_make_the_interval_wide() -> None:
    values = np.array([0.5, 1.0, 0.5, 1.0])
    found = size_limits.limits(SIZES, values, np.full(4, 1e-3))
    assert all(each.high - each.low > 1 for each in found.values())


def test_growth_without_a_limit_is_told_from_an_approach_to_one() -> None:
    errors = np.full(4, 0.01)
    growing = size_limits.unlimited_growth(SIZES, 0.3 + 0.15 * np.log2(SIZES), errors)
    assert growing is not None
    assert growing.value == pytest.approx(0.15, rel=1e-9)
    assert size_limits.unlimited_growth(SIZES, 1 - 10 / SIZES, errors) is None
    # Errors that hide the bend leave both open.
    assert size_limits.unlimited_growth(SIZES, 1 - 10 / SIZES, 10 * errors) is not None
    assert size_limits.unlimited_growth(SIZES[:2], np.ones(2), errors[:2]) is None


def test_two_sizes_have_no_limit_and_times_grow_by_their_power() -> None:
    assert size_limits.limits(SIZES[:2], np.ones(2), np.ones(2)) == {}
    assert size_limits.hull({}) is None
    assert size_limits.growth(SIZES[:2], np.ones(2)) is None
    found = size_limits.growth(SIZES, 3 * SIZES**1.5)
    assert found is not None
    np.testing.assert_allclose(found[:3], 1.5, rtol=1e-6)
