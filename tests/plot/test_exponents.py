"""Local exponents, both theories and the marks of regimes, read back from the artists."""

from typing import Any

import numpy as np
import pytest
import xarray as xr
from helpers import assert_one_line_error
from legends import legend_texts
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba

from jaxsup import plot
from jaxsup.plot.style import line_style

STEPS = np.asarray([1.0, 10.0, 100.0, 1000.0])


def dashed(ax: Axes, dashes: tuple[int, int]) -> list[Any]:
    """Data of the lines with these dashes, but for the legend's."""
    lines = [line for line in ax.get_lines() if np.size(line.get_xdata())]
    found = []
    for line in lines:
        pattern = line._unscaled_dash_pattern[1]  # pyright: ignore
        if pattern is not None and tuple(pattern) == dashes:
            found.append(np.asarray(line.get_ydata()))
    return found


def local_table(count: int = 2) -> xr.Dataset:
    """Rising local exponents of some settings; the last has no theory and ends early."""
    exponent = np.linspace(0.3, 1.0, 4) + 0.1 * np.arange(count)[:, None]
    exponent[-1, 3] = np.nan
    theory = exponent - 0.05
    theory[-1] = np.nan
    limit = np.full(count, 0.25)
    limit[-1] = np.nan
    dims = ("features.exponent", "step")
    return xr.Dataset(
        {
            "exponent": (dims, exponent),
            "interval_low": (dims, exponent - 5),
            "interval_high": (dims, exponent + 5),
            "theory": (dims, theory),
            "theory_limit": (dims[:1], limit),
        },
        coords={"features.exponent": 1.0 + np.arange(count), "step": STEPS},
    )


def test_local_exponents_stand_over_their_steps_with_bands() -> None:
    _, ax = plot.new_figure()
    assert plot.local_exponents(local_table(), ax) is ax
    lines = [line for line in ax.get_lines() if not str(line.get_label()).startswith("_")]
    np.testing.assert_allclose(lines[0].get_ydata(), [0.3, 0.3 + 0.7 / 3, 0.3 + 1.4 / 3, 1.0])
    np.testing.assert_allclose(lines[1].get_xdata(), STEPS[:3])
    assert ax.get_xscale() == "log"
    assert len(ax.collections) == 2
    low, high = ax.get_ylim()  # bands ten high do not hide the lines
    assert low == 0
    assert 1.0 < high < 1.5


@pytest.mark.parametrize(("count", "width"), [(1, 0.05), (6, 0.05), (2, 5.0), (6, 5.0)])
def test_bands_together_leave_most_of_the_light(count: int, width: float) -> None:
    table = local_table(count).fillna(0.3)
    table["interval_low"] = table["exponent"] - width
    table["interval_high"] = table["exponent"] + width
    _, ax = plot.new_figure()
    plot.local_exponents(table, ax, theory=False)
    alphas = [float(band.get_alpha() or 1.0) for band in ax.collections]
    assert len(alphas) == count
    if width < 1:  # narrow ones are as those of loss curves
        assert alphas == [0.15] * count
    else:  # all of them lie over the whole axis
        assert 0.2 <= 1 - np.prod(1 - np.asarray(alphas)) <= 0.28


def test_local_exponents_have_both_theories_where_there_are_some() -> None:
    _, ax = plot.new_figure()
    plot.local_exponents(local_table(), ax)
    curves = dashed(ax, (4, 2))
    np.testing.assert_allclose(curves[0], local_table()["theory"][0])
    np.testing.assert_array_equal(dashed(ax, (1, 3))[0], [0.25, 0.25])
    names = ["linear student, K = N, this N", "(a + 2b - 1)/a, N → ∞"]
    assert legend_texts(ax) == ["a = 1", "a = 2", *names]
    _, bare = plot.new_figure()
    plot.local_exponents(local_table(), bare, theory=False)
    assert not dashed(bare, (4, 2))
    assert legend_texts(bare) == ["a = 1", "a = 2"]


def test_of_many_settings_six_local_exponents_are_drawn() -> None:
    _, ax = plot.new_figure()
    plot.local_exponents(local_table(21), ax, theory=False)
    assert legend_texts(ax) == [f"a = {a}" for a in (1, 5, 9, 13, 17, 21)]


def test_more_axes_are_refused() -> None:
    _, ax = plot.new_figure()
    table = local_table().expand_dims("more")
    assert_one_line_error(
        lambda: plot.local_exponents(table, ax), "table: expected at most one axis beside step"
    )


def ratio_table() -> xr.Dataset:
    """One setting at three ratios whose windows differ, so that the theory does."""
    values = {"exponent": [0.3, 0.8, 0.9], "theory": [0.31, 0.45, 0.6], "theory_limit": [0.09] * 3}
    columns = {name: ("width", np.asarray(column)) for name, column in values.items()}
    columns["slope"] = columns["exponent"]
    columns["interval_low"] = columns["interval_high"] = columns["exponent"]
    columns["found"] = ("width", np.full(3, True))
    return xr.Dataset(columns, coords={"superposition_ratio": ("width", [1.0, 2.0, 4.0])})


def test_the_theory_of_each_ratio_stands_beside_it_and_the_limit_is_a_level() -> None:
    _, ax = plot.new_figure()
    plot.exponent_against_ratio(ratio_table(), ax)
    np.testing.assert_allclose(dashed(ax, (4, 2)), [[0.31, 0.45, 0.6]])
    np.testing.assert_allclose(dashed(ax, (1, 3)), [[0.09, 0.09]])
    expected = ["linear student, K = N, this N and window", "(a + 2b - 1)/a, N → ∞"]
    assert legend_texts(ax)[-2:] == expected


def test_what_where_masked_is_not_drawn_and_the_rest_as_before() -> None:
    """It lays what is one number a setting along the steps, and makes no truth value of NaN."""
    table = local_table(1)
    table["theory_limit"][:] = 0.25
    _, ax = plot.new_figure()
    plot.local_exponents(table.where(table["step"] > 1), ax)
    (line,) = [line for line in ax.get_lines() if line.get_label() == "a = 1"]
    np.testing.assert_allclose(line.get_xdata(), STEPS[1:3])
    np.testing.assert_allclose(dashed(ax, (1, 3)), [[0.25, 0.25]])
    table = ratio_table()
    _, ax = plot.new_figure()
    plot.exponent_against_ratio(table.where(table["superposition_ratio"] > 1), ax)
    np.testing.assert_allclose(dashed(ax, (4, 2)), [[np.nan, 0.45, 0.6]])
    np.testing.assert_allclose(dashed(ax, (1, 3)), [[0.09, 0.09]])


def test_curves_whose_steps_where_masked_are_drawn_from_there() -> None:
    dataset = xr.Dataset(
        {"loss": (("seed", "step"), STEPS[None] ** -0.5), "status": ("seed", [0])},
        coords={"seed": [0], "step": STEPS},
    )
    _, ax = plot.new_figure()
    plot.loss_curves(dataset.where(dataset["step"] > 1), ax)
    np.testing.assert_allclose(ax.get_lines()[0].get_xdata(), STEPS[1:])


def test_points_that_share_a_ratio_are_not_joined() -> None:
    """As of an axis along which W differs too: a line would go up and down at one ratio."""
    _, ax = plot.new_figure()
    table = ratio_table().assign_coords(superposition_ratio=("width", [1.0, 1.0, 4.0]))
    plot.exponent_against_ratio(table, ax)
    np.testing.assert_allclose(dashed(ax, (4, 2)), [[np.nan, np.nan, 0.6]])
    marks = {line.get_marker(): line for line in ax.get_lines() if len(line.get_xdata()) == 2}
    np.testing.assert_allclose(marks["_"].get_ydata(), [0.31, 0.45])
    solid = [line for line in ax.get_lines() if line.get_linewidth() == 1]
    assert [len(line.get_xdata()) for line in solid] == [1]


REASONS = {"problem": ("features.exponent", ["all seeds diverged", "too short"])}


def test_no_local_exponent_is_one_line_and_no_picture() -> None:
    table = local_table().assign(REASONS).where(False)
    table["problem"] = local_table().assign(REASONS)["problem"]
    words = r"local exponent.*; got none: all seeds diverged \(1\), too short \(1\); look at"
    for nothing in (table, table.isel(step=[])):
        _, ax = plot.new_figure()
        assert_one_line_error(lambda t=nothing, a=ax: plot.local_exponents(t, a), words)


def test_no_slope_at_any_ratio_is_one_line_and_no_picture() -> None:
    table = ratio_table()
    table["exponent"], table["slope"] = table["exponent"] * np.nan, table["slope"] * np.nan
    _, ax = plot.new_figure()
    assert_one_line_error(
        lambda: plot.exponent_against_ratio(table, ax), "an exponent or a slope at some setting"
    )


def test_no_stretch_at_any_setting_is_one_line_and_no_picture() -> None:
    dataset, regimes = curves_with_regimes()
    for nothing in (
        regimes.isel(stretch=[]),
        regimes.assign(kind=regimes["kind"].where(False, "")),
    ):
        _, ax = plot.new_figure()
        assert_one_line_error(
            lambda r=nothing, a=ax: plot.loss_curves(dataset, a, regimes=r),
            "regimes: expected a stretch at some setting; got none: no reason given",
        )


@pytest.mark.parametrize("factor", [-1.0, np.nan])
def test_no_curve_is_one_line_and_no_picture(factor: float) -> None:
    dataset = curves_with_regimes()[0] * factor
    _, ax = plot.new_figure()
    assert_one_line_error(
        lambda: plot.loss_curves(dataset, ax), "expected a whole curve with a positive loss"
    )


def test_curves_with_steps_that_were_not_recorded_are_drawn() -> None:
    dataset, _ = curves_with_regimes()
    dataset = xr.concat([dataset, dataset], "seed").assign(status=(("case", "seed"), [[0, 0]] * 2))
    dataset["loss"].transpose("case", "seed", "step")[0, 1, 5:9] = np.nan
    _, ax = plot.new_figure()
    plot.loss_curves(dataset, ax)
    assert [len(line.get_xdata()) for line in ax.get_lines()[:2]] == [37, 41]


def curves_with_regimes() -> tuple[xr.Dataset, xr.Dataset]:
    """Two curves, and the regimes of each: one law; a law, a crossover, and a floor."""
    steps = np.geomspace(1, 1e4, 41)
    loss = np.stack([steps**-0.5, steps**-0.3 + 0.05])[:, None]
    dims = ("case", "stretch")
    values = {
        "kind": (dims, np.asarray([["power-law", ""], ["power-law", "crossover"]])),
        "exponent": (dims, [[0.5, np.nan], [0.28, 0.1]]),
        "window_first": (dims, [[1.0, np.nan], [1.0, 120.0]]),
        "window_last": (dims, [[1e4, np.nan], [100.0, 1e4]]),
        "floor": (dims[:1], [np.nan, 0.05]),
    }
    dataset = xr.Dataset({"loss": (("case", "seed", "step"), loss)}, coords={"step": steps})
    return dataset, xr.Dataset(values)


def test_power_laws_are_marked_on_their_curve_and_a_floor_at_its_end() -> None:
    dataset, regimes = curves_with_regimes()
    _, ax = plot.new_figure()
    plot.loss_curves(dataset, ax, regimes=regimes)
    bands = [line for line in ax.get_lines() if line.get_linewidth() == 6 and len(line.get_xdata())]
    assert [(min(b.get_xdata()), max(b.get_xdata())) for b in bands] == [
        (1, pytest.approx(1e4)),
        (1, pytest.approx(100)),
    ]
    np.testing.assert_allclose(bands[1].get_ydata(), dataset["loss"][1, 0, :21])
    assert [text.get_text() for text in ax.texts] == ["0.50", "0.28"]
    assert to_rgba(bands[1].get_color()) == to_rgba(line_style(1)["color"])
    floors = [line for line in ax.get_lines() if line.get_marker() == "_"]
    assert [(f.get_xdata()[0], f.get_ydata()[0]) for f in floors] == [(pytest.approx(1e4), 0.05)]
    assert legend_texts(ax) == ["case 0", "case 1", "power law, exponent"]
