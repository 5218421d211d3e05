"""The pictures that figures draw for themselves: what they show, read back from the artists."""

from typing import Any

import numpy as np
import xarray as xr
from helpers import assert_one_line_error
from legends import legend_texts
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb
from tight_frames import pentagon_and_digon

from jaxsup import plot
from jaxsup.reproduce.analysis import acceleration_panels, capacities, phases
from jaxsup.reproduce.analysis.energy_levels import Level
from jaxsup.reproduce.analysis.geometry_shares import draw_geometry_shares
from jaxsup.reproduce.figures import (
    anatomy,
    energy_levels,
    localization,
    no_superposition,
    toy_intro,
)
from jaxsup.spectral import frame


def axis() -> Axes:
    return plot.new_figure()[1]


def kinds() -> xr.Dataset:
    """Exponents of two students over two values of b; one setting without a power law."""
    dims = ("kind", "teacher.exponent")
    exponent = np.array([[0.5, 1.4], [0.4, np.nan]])
    values = {
        "exponent": exponent,
        "interval_low": exponent - 0.1,
        "interval_high": exponent + 0.2,
        "found": np.isfinite(exponent),
        "theory_limit": np.array([[0.5, 1.5]] * 2),
    }
    return xr.Dataset(
        {name: (dims, value) for name, value in values.items()},
        coords={"student.activation": ("kind", ["identity", "relu"])},
    ).assign(exact=(dims, [[0.55, 1.5], [0.5, np.nan]]))


def test_exponents_stand_against_theory_with_their_intervals() -> None:
    ax = no_superposition.draw_against_theory(kinds(), axis())
    assert set(legend_texts(ax)) == {
        "linear student",
        "ReLU student, bias",
        "exact linear curve, same windows",
        "(a + 2b - 1)/a",
    }
    points = [line.get_ydata() for line in ax.get_lines() if line.get_marker() == "o"]
    np.testing.assert_allclose(np.asarray(points[0]), [0.5, 1.4])
    assert ax.get_xlim() == ax.get_ylim()


def test_a_speed_up_is_drawn_as_far_as_both_reach() -> None:
    gains = np.array([[2.0, 4.0, np.nan], [np.nan] * 3])
    levels = np.array([0.5, 0.1, 0.01])
    ax = acceleration_panels.draw_speed_up(levels, gains, axis(), labels=["one", "two"])
    assert legend_texts(ax) == ["one", "two: not reached by both"]
    drawn = next(line for line in ax.get_lines() if line.get_label() == "one")
    np.testing.assert_array_equal(drawn.get_xdata(), [0.5, 0.1])
    np.testing.assert_array_equal(drawn.get_ydata(), [2, 4])
    assert ax.get_xlim()[0] > ax.get_xlim()[1]


def test_learning_times_count_what_is_not_learned_and_show_the_guide() -> None:
    times = np.array([[3.0, 12.0, np.inf]])
    ax = anatomy.draw_learning_times(np.arange(1.0, 4), times, axis(), labels=["linear"])
    assert legend_texts(ax) == ["linear (1 not learned)", "one by one: t ~ i^1.5"]
    guide = [3, 3 * 2**1.5, 3 * 3**1.5]
    np.testing.assert_allclose(np.asarray(ax.get_lines()[-1].get_ydata()), guide)


def test_saturation_against_localization_has_a_point_a_record() -> None:
    steps = np.array([0, 10, 1000])
    near, saturation = np.array([0.3, 0.5, 1.0]), np.array([0.7, 0.9, 1.0])
    ax = localization.draw_saturation(near, saturation, axis(), steps=steps)
    points = np.asarray(ax.collections[0].get_offsets())
    np.testing.assert_allclose(points, [[0.3, 0.7], [0.5, 0.9], [1.0, 1.0]])
    spread, saturation = np.array([0.1, 0.2, 0.0]), np.array([0.99, 0.96, 0.5])
    ax = localization.draw_deficit(spread, saturation, axis(), steps=steps)
    points = np.asarray(ax.collections[0].get_offsets())
    np.testing.assert_allclose(points, [[0.1, 0.01], [0.2, 0.04]])
    np.testing.assert_allclose(np.asarray(ax.get_lines()[-1].get_ydata()), [0.01, 0.04])


def test_directions_in_the_plane_are_numbered_unless_they_are_zero() -> None:
    W = np.array([[1.0, 0.0, 0.01], [0.0, 1.0, 0.0]])
    ax = toy_intro.draw_directions(W, axis(), reach=1.0)
    assert [text.get_text() for text in ax.texts] == ["1", "2"]


def test_counts_are_drawn_with_their_mean() -> None:
    counts = np.array([[2, 5], [2, 4]])
    ax = toy_intro.draw_counts(np.array([1.0, 0.05]), counts, axis())
    np.testing.assert_allclose(np.asarray(ax.get_lines()[0].get_ydata()), [2, 4.5])
    assert [text.get_text() for text in ax.texts] == ["K = 2", "N = 5"]


def test_levels_beyond_the_named_ones_are_counted() -> None:
    losses = np.repeat(np.arange(1.0, 9.0), [9, 8, 7, 6, 5, 1, 1, 1])
    levels = [
        energy_levels.Named(
            Level(loss, 0.0, np.flatnonzero(losses == loss)), f"shape {loss:g}", 1, 1
        )
        for loss in np.arange(1.0, 9.0).tolist()
    ]
    ending = energy_levels.Ending(5, 2, losses, levels)
    words = legend_texts(energy_levels.draw_levels(ending, axis()))
    assert words[0] == "1 (24%): shape 1"
    assert len(words) == 6
    assert words[-1] == "3 rarer levels"


def test_bars_of_shares_fill_the_whole() -> None:
    shares = [{"digon": 0.25, "irregular": 0.75}, {"pentagon": 1.0}]
    ax = draw_geometry_shares([1.0, 2.0], shares, axis())
    heights = np.sum([[bar.get_height() for bar in layer] for layer in ax.containers], axis=0)
    np.testing.assert_allclose(heights, 100)
    assert set(legend_texts(ax)) == {"digon", "pentagon", "irregular"}
    assert_one_line_error(
        lambda: draw_geometry_shares([2.0, 1.0], shares, axis()),
        "inverse_density: expected two or more rising",
    )


def test_capacities_stand_beside_the_values_of_known_geometries() -> None:
    values = np.asarray(frame.capacities(pentagon_and_digon()))
    networks = np.stack([values, values])
    ax = capacities.draw_capacities(networks, axis(), inverse_density=np.array([1.0, 4.0]))
    *guides, points = ax.get_lines()
    x, y = np.asarray(points.get_data())
    np.testing.assert_allclose(y, ([0.4] * 5 + [0.5] * 2 + [0]) * 2, atol=1e-6)
    np.testing.assert_allclose(x, [1.0] * 8 + [4.0] * 8)
    assert [np.asarray(line.get_ydata())[0] for line in guides] == [
        3 / 4,
        2 / 3,
        1 / 2,
        2 / 5,
        3 / 8,
    ]
    words = [text.get_text() for text in ax.texts]
    assert words[3:] == ["2/5 pentagon", "3/8 square antiprism"]
    assert words[:3] == ["3/4 tetrahedron", "2/3 triangle", "1/2 digon"]


def test_no_two_names_of_geometries_overlap() -> None:
    figure, ax = plot.new_figure()
    capacities.draw_capacities(np.array([[0.5]]), ax, inverse_density=np.array([2.0]))
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_the_plateau_is_median_and_range_against_inverse_density() -> None:
    dimensions = np.asarray([[1.0, 0.6, 0.4], [1.2, 0.8, 0.5], [1.1, 0.7, 0.9]])
    ax = capacities.draw_plateau(np.array([1.0, 2.0, 10.0]), dimensions, axis())
    guide, line = ax.get_lines()
    assert np.asarray(guide.get_ydata())[0] == 0.5
    np.testing.assert_allclose(np.asarray(line.get_data()), [[1, 2, 10], [1.1, 0.7, 0.5]])
    assert ax.get_xscale() == "log"
    assert legend_texts(ax) == ["range of 3 seeds", "median"]


def exact_losses(s: Any, r: Any) -> np.ndarray:
    """Extra feature dropped, alone, and antipodal pair: integrals over uniform inputs."""
    moment = s / 3 - s**2 / 4
    return np.stack([r * moment, moment + 0 * r, (1 + r) * s**2 / 6])


def test_phases_and_their_boundaries_agree_with_the_exact_losses() -> None:
    s, r = np.geomspace(0.01, 1, 40), np.geomspace(0.1, 10, 31)
    outcomes = exact_losses(*np.meshgrid(s, r)).argmin(0)
    ax = phases.draw_phases(s, r, outcomes, axis())
    mesh = next(c for c in ax.collections if isinstance(c, QuadMesh))
    np.testing.assert_array_equal(np.asarray(mesh.get_array()), outcomes)
    lower, upper, between = (np.asarray(line.get_data()) for line in ax.get_lines())
    for line, tied in ((lower, (0, 2)), (upper, (1, 2)), (between, (0, 1))):
        losses = exact_losses(*line)
        np.testing.assert_allclose(losses[tied[0]], losses[tied[1]], rtol=1e-12)
        np.testing.assert_allclose(losses.min(0), losses[tied[0]], rtol=1e-12)
    np.testing.assert_allclose([lower[:, -1], upper[:, -1], between[:, 0]], [[4 / 7, 1]] * 3)
    assert legend_texts(ax) == [*phases.PHASES, "boundary by exact losses"]
    left, right = ax.get_xlim()
    assert left > right  # sparser to the right, as in the literature


def test_what_is_no_known_phase_stays_white_and_is_in_the_legend() -> None:
    outcomes = np.asarray([[2, phases.NONE], [2, 0]])
    s, r = np.array([0.1, 0.5]), np.array([0.5, 1.0])
    ax = phases.draw_phases(s, r, outcomes, axis())
    array = np.ma.asarray(next(c for c in ax.collections if isinstance(c, QuadMesh)).get_array())
    assert np.ma.getmaskarray(array).tolist() == [[False, True], [False, False]]
    assert legend_texts(ax)[:3] == ["extra feature dropped", "antipodal pair", "none of these"]


def test_phases_differ_in_lightness() -> None:
    light = [float(np.dot(to_rgb(c), [0.2126, 0.7152, 0.0722])) for c in phases._COLORS]
    assert light[0] - light[1] > 0.2
    assert light[1] - light[2] > 0.2


def test_the_excess_ends_at_its_98th_percentile_or_at_one_per_cent() -> None:
    s, r = np.array([0.1, 0.5]), np.array([0.5, 1.0])
    for ratio, bound in ((np.full((2, 2), 1.05), 5.0), (np.full((2, 2), 1.001), 1.0)):
        ax = phases.draw_excess(s, r, ratio, axis())
        mesh = next(c for c in ax.collections if isinstance(c, QuadMesh))
        np.testing.assert_allclose(mesh.get_clim(), (-bound, bound))
