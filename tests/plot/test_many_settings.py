"""Pictures of more settings than a legend tells apart."""

import functools
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from legends import legend_texts
from matplotlib import colormaps, pyplot
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize, to_rgba

from jaxsup import plot
from jaxsup.plot.settings import FEW, setting_lines
from jaxsup.plot.style import ink_on, line_style


def curves(name: str, values) -> xr.Dataset:
    """t^-0.5 of two seeds at every value."""
    steps = np.asarray([1, 10, 100, 1000])
    loss = np.ones((len(values), 2, 1)) * steps**-0.5 * (1 + np.arange(2))[None, :, None]
    coords = {name: list(values), "seed": [0, 1], "step": steps}
    return xr.Dataset({"loss": ((name, "seed", "step"), loss)}, coords)


def fits(dataset: xr.Dataset, name: str) -> xr.Dataset:
    ones = np.ones(dataset.sizes[name])
    numbers = {"exponent": 0.5, "window_first": 1.0, "window_last": 1000.0}
    columns = {key: (name, value * ones) for key, value in numbers.items()}
    return xr.Dataset({**columns, "found": (name, ones > 0)})


def test_no_two_of_36_lines_look_the_same():
    styles = {(style["color"], str(style["linestyle"])) for style in map(line_style, range(36))}
    assert len(styles) == 36


def test_many_along_a_number_are_shaded_by_it_beside_a_color_bar():
    values = np.linspace(1, 2, 20)
    dataset = curves("features.exponent", values)
    dataset["features.exponent"].attrs["long_name"] = "feature exponent a"
    ax = plot.loss_curves(dataset, fits=fits(dataset, "features.exponent"))
    (bar,) = [other for other in ax.figure.axes if other is not ax]
    assert bar.get_ylabel() == "feature exponent a"
    assert bar.get_ylim() == (1.0, 2.0)
    assert legend_texts(ax) == ["power law"]
    assert not ax.texts
    assert not ax.collections  # bands of the seeds
    drawn = {to_rgba(line.get_color()) for line in ax.get_lines() if line.get_linewidth() == 1.0}
    assert len(drawn) == 20


def pictures(count: int) -> dict[str, Callable[..., Axes]]:
    """Every picture of settings with a legend, of so many."""
    dataset = curves("features.exponent", np.arange(1.0, count + 1))
    dataset = dataset.assign(saturation=dataset["loss"])
    exponent = 0.5 * dataset["loss"].isel(seed=0, drop=True) ** 0
    names = ("exponent", "interval_low", "interval_high", "theory")
    local = xr.Dataset({**dict.fromkeys(names, exponent), "theory_limit": exponent[:, 0]})
    return {
        "loss": functools.partial(plot.loss_curves, dataset),
        "observable": functools.partial(plot.observable_curves, dataset, "saturation"),
        "local": functools.partial(plot.local_exponents, local, theory=False),
    }


@pytest.mark.parametrize("picture", ["loss", "observable", "local"])
@pytest.mark.parametrize("count", [2, 5, 6])
def test_a_legend_covers_what_it_stands_on_or_stands_beside_the_curves(
    picture: str, count: int
) -> None:
    ax = pictures(count)[picture]()
    figure, legend = ax.get_figure(root=True), ax.get_legend()
    assert figure is not None
    assert legend is not None
    assert len(legend.get_texts()) == count
    assert legend.get_frame_on()
    assert to_rgba(legend.get_frame().get_facecolor()) == (1.0, 1.0, 1.0, 0.9)
    figure.draw_without_rendering()
    box, axis = legend.get_window_extent(), ax.get_window_extent()
    assert (box.x0 >= axis.x1) == (count > 4)
    assert box.x1 <= figure.bbox.x1


@pytest.mark.parametrize("picture", ["loss", "observable", "local"])
def test_where_no_layout_makes_room_beside_an_axis_its_legend_stands_on_it(picture: str) -> None:
    figure, (left, _) = pyplot.subplots(1, 2)
    pictures(6)[picture](left)
    legend = left.get_legend()
    assert legend is not None
    figure.draw_without_rendering()
    assert legend.get_window_extent().x1 <= left.get_window_extent().x1
    pyplot.close(figure)


def test_few_and_those_along_no_number_have_a_legend():
    few = plot.loss_curves(curves("features.exponent", np.arange(1.0, FEW + 1)))
    assert len(few.figure.axes) == 1
    assert len(legend_texts(few)) == FEW
    many = plot.loss_curves(curves("run", [f"run {k}" for k in range(15)]))
    assert len(many.figure.axes) == 1
    assert legend_texts(many)[:2] == ["run 0", "run 1"]
    figure, legend = many.get_figure(root=True), many.get_legend()
    assert figure is not None
    assert legend is not None
    figure.draw_without_rendering()
    assert legend.get_window_extent().x0 >= many.get_window_extent().x1


def test_colors_follow_the_logarithm_of_numbers_far_apart():
    lines = setting_lines(curves("batch_size", 2.0 ** np.arange(8)), ["batch_size"])
    assert lines.shades is not None
    assert isinstance(lines.shades.norm, LogNorm)
    near = setting_lines(curves("batch_size", np.arange(2.0, 10.0)), ["batch_size"])
    assert near.shades is not None
    assert not isinstance(near.shades.norm, LogNorm)


def test_a_number_that_repeats_tells_no_settings_apart():
    dataset = curves("setting", np.arange(8)).drop_vars("setting")
    repeated = dataset.assign_coords(a=("setting", np.arange(8.0) // 2))
    assert setting_lines(repeated, ["setting"]).shades is None
    apart = repeated.assign_coords(b=("setting", np.arange(8.0)))
    assert setting_lines(apart, ["setting"]).title == "b"


def test_a_map_of_many_cells_has_no_numbers_and_few_ticks():
    names, shape = ("features.exponent", "teacher.exponent"), (25, 20)
    exponent = np.full(shape, 0.5)
    columns = dict.fromkeys(("exponent", "theory", "theory_limit"), (names, exponent))
    table = xr.Dataset(columns, {names[0]: np.linspace(1, 2, 25), names[1]: np.linspace(0, 1, 20)})
    ax = plot.exponent_map(table)
    assert not ax.texts
    assert ax.get_title() == ""
    assert len(ax.get_xticks()) <= 13
    assert [label.get_text() for label in ax.get_xticklabels()][:2] == ["1", "1.12"]
    small = plot.exponent_map(table.isel({names[0]: slice(3), names[1]: slice(2)}))
    assert len(small.texts) == 12


def contrast(one: float, other: float) -> float:
    """Of two relative luminances."""
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


@pytest.mark.parametrize("name", ["cividis", "RdBu_r", "gray"])
def test_what_is_written_on_a_cell_has_the_contrast_that_text_needs(name: str) -> None:
    """4.5 for text of every size: Web Content Accessibility Guidelines 2.2, 1.4.3."""
    shades = ScalarMappable(Normalize(0, 1), name)
    for value in np.linspace(0, 1, 101).tolist():
        color = colormaps[name](value)
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        assert contrast(luminance, {"black": 0.0, "white": 1.0}[ink_on(shades, value)]) >= 4.5


def test_a_map_writes_black_on_its_middle_colors() -> None:
    names, values = ("features.exponent", "teacher.exponent"), np.asarray([[0.1, 1.0, 1.8]])
    columns = dict.fromkeys(("exponent", "theory", "theory_limit"), (names, values))
    ax = plot.exponent_map(xr.Dataset(columns, {names[0]: [2.0], names[1]: [0.0, 1.0, 2.0]}))
    shades = {text.get_text(): text.get_color() for text in ax.texts}
    assert [shades[text] for text in ("0.10", "1.00", "1.80")] == ["white", "black", "black"]


def exponents(settings: int) -> xr.Dataset:
    """Exponents of 1 at three ratios."""
    ones, dims = np.ones((settings, 3)), ("teacher.exponent", "width")
    names = ("exponent", "slope", "interval_low", "interval_high", "theory", "theory_limit")
    columns = {**dict.fromkeys(names, (dims, ones)), "found": (dims, ones > 0)}
    ratios = ("width", [1.0, 2.0, 4.0])
    coords = {"teacher.exponent": np.linspace(0, 2, settings), "superposition_ratio": ratios}
    return xr.Dataset(columns, coords).copy(deep=True)


def test_a_slope_far_from_all_exponents_does_not_set_the_axis():
    table = exponents(2)
    table["found"][0, 0] = table["found"][1, 0] = False
    for name in ("exponent", "interval_low", "interval_high"):
        table[name][:, 0] = np.nan
    table["slope"][0, 0], table["slope"][1, 0] = 0.6, 1.4
    near = plot.exponent_against_ratio(table)
    assert not near.texts
    assert near.get_ylim()[0] < 0.6
    table["slope"][1, 0] = 7.1
    far = plot.exponent_against_ratio(table)
    assert [text.get_text() for text in far.texts] == ["1 slope beyond this axis"]
    assert far.get_ylim()[0] < 0.6
    assert 1.0 < far.get_ylim()[1] < 1.2


def test_exponents_of_many_settings_are_shaded_too():
    ax = plot.exponent_against_ratio(exponents(9))
    assert len(ax.figure.axes) == 2
    # Side by side, within a tenth of a ratio.
    places = [bars[0].get_xdata()[0] for bars in ax.containers]
    assert len(places) == 9
    assert max(places) / min(places) < 1.11
