"""Figures: what the axes say and show, read back from the artists."""

import numpy as np
import pytest
import xarray as xr
from helpers import assert_one_line_error
from legends import legend_texts

from jaxsup import plot
from jaxsup.plot.curves import spectra_along_training
from jaxsup.plot.style import cell_edges, line_style


def exponent_table(*, last_fits: bool = True) -> xr.Dataset:
    """Exponents of two settings at three ratios, as `measure_exponents` gives them."""
    dims = ("setting", "width")
    exponent = np.asarray([[0.1, 0.8, 0.9], [1.5, 1.2, 1.1]])
    flags = np.full(exponent.shape, True)
    flags[1, 2] = last_fits
    values = {
        "exponent": np.where(flags, exponent, np.nan),
        "slope": exponent,
        "interval_low": np.where(flags, exponent - 0.05, np.nan),
        "interval_high": np.where(flags, exponent + 0.1, np.nan),
        "found": flags,
        "theory": np.asarray([[0.3, 0.4, 0.5], [1.45] * 3]),
        "theory_limit": np.asarray([[0.09] * 3, [np.nan] * 3]),
    }
    return xr.Dataset(
        {name: (dims, value) for name, value in values.items()},
        coords={
            "features.exponent": ("setting", [1.1, 2.0]),
            "teacher.exponent": ("setting", [0.0, 1.0]),
            "superposition_ratio": ("width", [1.0, 2.0, 4.0]),
        },
    )


def map_table() -> xr.Dataset:
    """Exponents over a grid of (a, b), one of them not a power law."""
    exponent = np.asarray([[0.3, 1.0, 1.6], [0.5, 1.0, np.nan]])
    limit = np.asarray([[1 / 3, 1.0, 5 / 3], [0.5, 1.0, 1.5]])
    theory = np.asarray([[0.45, 1.02, 1.66], [0.52, np.nan, 1.5]])
    dims = ("features.exponent", "teacher.exponent")
    return xr.Dataset(
        {
            "exponent": (dims, exponent),
            "theory": (dims, theory),
            "theory_limit": (dims, limit),
            "found": (dims, exponent > 0),
        },
        coords={"features.exponent": [1.5, 2.0], "teacher.exponent": [0.0, 0.5, 1.0]},
    )


def loss_dataset() -> xr.Dataset:
    """Two power laws, three seeds; one seed of the second diverges."""
    steps = np.asarray([0, 1, 10, 100, 1000])
    loss = np.stack([np.full((3, 5), 2.0), np.full((3, 5), 1.0)]) * (steps + 1.0) ** -0.5
    loss = loss * np.asarray([0.9, 1.0, 1.2])[None, :, None]
    loss[1, 2, 3:] = np.nan
    return xr.Dataset(
        {"loss": (("teacher.exponent", "seed", "step"), loss, {"long_name": "population loss L"})},
        coords={"teacher.exponent": [0.0, 1.0], "seed": [0, 1, 2], "step": steps},
    )


def test_loss_curves_show_the_median_over_finite_seeds() -> None:
    _, ax = plot.new_figure()
    assert plot.loss_curves(loss_dataset(), ax) is ax
    first, second = ax.get_lines()
    np.testing.assert_allclose(first.get_ydata(), 2.0 * np.asarray([2, 11, 101, 1001]) ** -0.5)
    np.testing.assert_allclose(second.get_ydata(), 0.95 * np.asarray([2, 11, 101, 1001]) ** -0.5)
    assert first.get_xdata().tolist() == [1, 10, 100, 1000]
    assert legend_texts(ax) == ["b = 0", "b = 1"]


def test_loss_curves_have_logarithmic_labeled_axes() -> None:
    _, ax = plot.new_figure()
    plot.loss_curves(loss_dataset(), ax)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_xlabel() == "training steps t (updates)"
    assert ax.get_ylabel() == "population loss L"


def test_theory_lies_over_the_curves() -> None:
    dataset = loss_dataset()
    theory = dataset["loss"].isel(seed=1) * 0.5
    _, ax = plot.new_figure()
    plot.loss_curves(dataset, ax, theory=theory)
    np.testing.assert_allclose(ax.get_lines()[1].get_ydata(), theory[0, 1:])
    assert legend_texts(ax)[-1] == "closed form"


def test_exponents_stand_at_their_ratio_with_their_interval() -> None:
    _, ax = plot.new_figure()
    assert plot.exponent_against_ratio(exponent_table(), ax) is ax
    bars = ax.containers[0]
    x, y = bars.lines[0].get_data()
    np.testing.assert_allclose(x, [1, 2, 4], rtol=0.05)
    np.testing.assert_allclose(y, [0.1, 0.8, 0.9])
    low, high = (caps.get_ydata() for caps in bars.lines[1])
    np.testing.assert_allclose(low, np.asarray([0.1, 0.8, 0.9]) - 0.05)
    np.testing.assert_allclose(high, np.asarray([0.1, 0.8, 0.9]) + 0.1)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2", "4"]
    assert legend_texts(ax)[:2] == ["a = 1.1, b = 0", "a = 2, b = 1"]


def test_a_slope_that_is_no_power_law_is_an_open_marker() -> None:
    _, ax = plot.new_figure()
    plot.exponent_against_ratio(exponent_table(last_fits=False), ax)
    hollow = [
        line
        for line in ax.get_lines()
        if line.get_markerfacecolor() == "white" and len(line.get_xdata())
    ]
    np.testing.assert_allclose([line.get_ydata() for line in hollow], [[1.1]])
    assert "slope, no power law found" in legend_texts(ax)


def test_the_map_says_measured_and_both_theories_in_every_cell() -> None:
    figure, ax = plot.new_figure()
    assert plot.exponent_map(map_table(), ax) is ax
    texts = [text.get_text() for text in ax.texts]
    assert texts[:4] == ["0.30", "theory 0.45, 0.33", "0.50", "theory 0.52, 0.50"]
    assert "theory -, 1.00" in texts
    assert texts[-2:] == ["none", "theory 1.50, 1.50"]
    assert ax.get_xlabel() == "feature exponent a"
    assert len(figure.axes) == 2


def test_lines_can_be_told_apart_in_gray() -> None:
    def lightness(color: str) -> float:
        red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    styles = [line_style(position) for position in range(6)]
    assert len({str(style["linestyle"]) for style in styles}) == 6
    shades = sorted(lightness(style["color"]) for style in styles)
    assert shades[0] < 0.2
    assert shades[-1] > 0.5


@pytest.mark.parametrize(
    ("draw", "data", "message"),
    [
        (
            plot.loss_curves,
            loss_dataset().expand_dims("more"),
            "dataset: expected at most one axis beside seed",
        ),
        (
            plot.exponent_against_ratio,
            map_table(),
            "table: expected a sweep over the superposition",
        ),
        (
            plot.exponent_against_ratio,
            exponent_table().expand_dims("more"),
            "at most one axis beside the ratio; got more, setting",
        ),
        (plot.exponent_map, exponent_table(), "table: expected the axes features.exponent and"),
    ],
)
def test_data_of_the_wrong_shape_is_refused(draw, data: xr.Dataset, message: str) -> None:
    _, ax = plot.new_figure()
    assert_one_line_error(lambda: draw(data, ax), message)


def recorded() -> xr.Dataset:
    """Saturation of ten settings and two seeds at three steps, one seed of the last diverged."""
    values = np.arange(60.0).reshape(10, 2, 3)
    values[-1, 1] = np.nan
    attrs = {"long_name": "capacity saturation"}
    return xr.Dataset(
        {
            "saturation": (("features.density", "seed", "step"), values, attrs),
            "capacities": (("features.density", "seed", "step", "feature"), values[..., None]),
        },
        coords={"features.density": np.linspace(0.1, 1, 10), "step": [0, 1, 10]},
    )


def test_curves_are_medians_over_seeds_of_six_settings() -> None:
    ax = plot.observable_curves(recorded(), "saturation", plot.new_figure()[1])
    lines = ax.get_lines()
    assert len(lines) == len(legend_texts(ax)) == 6
    np.testing.assert_array_equal(lines[0].get_xdata(), [1, 10])
    np.testing.assert_array_equal(lines[0].get_ydata(), [2.5, 3.5])
    np.testing.assert_array_equal(lines[5].get_ydata(), [55, 56])
    assert ax.get_ylabel() == "capacity saturation"


def spectra() -> xr.Dataset:
    values = np.arange(1.0, 9.0).reshape(1, 4, 2)
    values[..., 1] = np.nan  # padding
    dims = ("seed", "step", "eigenvalue")
    return xr.Dataset({"spectrum": (dims, values)}, coords={"step": [0, 1, 10, 100]})


def test_spectra_along_training_leave_out_padding_and_the_start() -> None:
    ax = spectra_along_training(spectra(), "spectrum", plot.new_figure()[1])
    assert legend_texts(ax) == ["t = 1", "t = 10", "t = 100"]
    assert [line.get_ydata() for line in ax.get_lines()] == [[3], [5], [7]]


BAD = {
    "not recorded": (
        lambda ax: plot.observable_curves(recorded(), "rank", ax),
        "name: expected a variable of the dataset; got 'rank'; record it",
    ),
    "too many axes": (
        lambda ax: plot.observable_curves(recorded(), "capacities", ax),
        "name: expected at most one axis beside seed and step; got a variable over features",
    ),
    "no spectrum": (
        lambda ax: spectra_along_training(spectra(), "other", ax),
        "name: expected a variable of the dataset; got 'other'; record it",
    ),
    "spectrum without seeds": (
        lambda ax: spectra_along_training(spectra().isel(seed=0), "spectrum", ax),
        "name: expected a spectrum over seed and step; got a variable over step, eigenvalue",
    ),
    "falling": (lambda ax: cell_edges("rates", [2.0, 1.0]), "rates: expected two or more rising"),
    "zero": (lambda ax: cell_edges("rates", [0.0, 1.0]), "rates: expected two or more rising"),
    "high": (lambda ax: cell_edges("p", [0.5, 1.5], 1.0), "p: expected .* numbers up to 1; got"),
    "a matrix": (lambda ax: cell_edges("p", [[1.0]]), "p: expected finite numbers with 1 axes"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_is_a_one_line_error(case: str) -> None:
    draw, words = BAD[case]
    assert_one_line_error(lambda: draw(plot.new_figure()[1]), words)


def test_cells_end_halfway_between_their_logarithms() -> None:
    np.testing.assert_allclose(cell_edges("p", [1.0, 4.0, 16.0]), [0.5, 2.0, 8.0, 32.0])
