"""The gallery's pictures: what they show, read back from the artists, and what they refuse."""

import re

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes

from jaxsup import plot


def axis() -> Axes:
    return plot.new_figure()[1]


def words_of(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def kinds() -> xr.Dataset:
    """Exponents of two students over two values of b; one setting without a power law."""
    dims = ("kind", "teacher.exponent")
    exponent = np.array([[0.5, 1.4], [0.4, np.nan]])
    values = {
        "exponent": exponent,
        "interval_low": exponent - 0.1,
        "interval_high": exponent + 0.2,
        "found": np.isfinite(exponent),
        "theory": np.array([[0.5, 1.5]] * 2),
    }
    return xr.Dataset(
        {name: (dims, value) for name, value in values.items()},
        coords={"student.activation": ("kind", ["identity", "relu"])},
    ).assign(exact=("teacher.exponent", [0.55, 1.5]))


def test_exponents_stand_against_theory_with_their_intervals() -> None:
    ax = plot.exponent_against_theory(kinds(), axis())
    assert set(words_of(ax)) == {
        "linear student",
        "ReLU student, bias",
        "exact linear curve, this N",
        "(a + 2b - 1)/a",
    }
    points = [line.get_ydata() for line in ax.get_lines() if line.get_marker() == "o"]
    np.testing.assert_allclose(np.asarray(points[0]), [0.5, 1.4])
    assert ax.get_xlim() == ax.get_ylim()


def test_the_shares_near_one_stand_beside_their_levels() -> None:
    factors = {"optimiser": {"SGD": [0.9, 1.1, 2.0, np.nan], "Adam": []}}
    ax = plot.exponents_by_factor(factors, axis())
    notes = [text.get_text() for text in ax.texts]
    assert notes == ["optimiser", "67%", "no power law"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["SGD", "Adam"]


def test_the_atlas_frames_what_is_about_one_and_hatches_what_is_not_there() -> None:
    grid = np.array([[0.79, 0.8, 1.0], [1.2, 1.21, np.nan]])
    ax = plot.exponent_atlas(grid, axis(), rows=["frozen", "learned"], columns=["a", "b", "c"])
    frames = sorted((patch.get_x(), patch.get_y()) for patch in ax.patches)  # pyright: ignore
    assert frames == [(0, 1), (1, 0), (2, 0)]
    assert [text.get_text() for text in ax.texts] == ["0.79", "0.80", "1.00", "1.20", "1.21"]
    assert ax.patch.get_hatch()


def test_variance_shares_are_bars_in_per_cent() -> None:
    ax = plot.variance_shares({"data": 0.25, "density": float("nan")}, axis())
    assert [bar.get_width() for bar in ax.patches] == [25.0, 0.0]  # pyright: ignore
    assert [text.get_text() for text in ax.texts] == ["25%", "0%"]


def test_a_speed_up_is_drawn_as_far_as_both_reach() -> None:
    gains = np.array([[2.0, 4.0, np.nan], [np.nan] * 3])
    ax = plot.speed_up([0.5, 0.1, 0.01], gains, axis(), labels=["one", "two"])
    assert words_of(ax) == ["one", "two: not reached by both"]
    drawn = next(line for line in ax.get_lines() if line.get_label() == "one")
    np.testing.assert_array_equal(drawn.get_xdata(), [0.5, 0.1])
    np.testing.assert_array_equal(drawn.get_ydata(), [2, 4])
    assert ax.get_xlim()[0] > ax.get_xlim()[1]


def test_learning_times_count_what_is_not_learned_and_show_the_guide() -> None:
    times = np.array([[3.0, 12.0, np.inf]])
    ax = plot.learning_times([1, 2, 3], times, axis(), labels=["linear"], slope=2.0)
    assert words_of(ax) == ["linear (1 not learned)", "one by one: t ~ i^2"]
    np.testing.assert_allclose(np.asarray(ax.get_lines()[-1].get_ydata()), [3, 12, 27])


def spectra() -> xr.Dataset:
    values = np.arange(1.0, 9.0).reshape(1, 4, 2)
    values[..., 1] = np.nan  # padding
    dims = ("seed", "step", "eigenvalue")
    return xr.Dataset({"spectrum": (dims, values)}, coords={"step": [0, 1, 10, 100]})


def test_spectra_along_training_leave_out_padding_and_the_start() -> None:
    ax = plot.spectra_along_training(spectra(), "spectrum", axis())
    assert words_of(ax) == ["t = 1", "t = 10", "t = 100"]
    assert [line.get_ydata() for line in ax.get_lines()] == [[3], [5], [7]]


def test_saturation_against_localisation_has_a_point_a_record() -> None:
    steps = np.array([0, 10, 1000])
    ax = plot.saturation_scatter([0.3, 0.5, 1.0], [0.7, 0.9, 1.0], axis(), steps=steps)
    points = np.asarray(ax.collections[0].get_offsets())
    np.testing.assert_allclose(points, [[0.3, 0.7], [0.5, 0.9], [1.0, 1.0]])
    ax = plot.saturation_deficit([0.1, 0.2, np.nan], [0.99, 0.96, 0.5], axis(), steps=steps)
    points = np.asarray(ax.collections[0].get_offsets())
    np.testing.assert_allclose(points, [[0.1, 0.01], [0.2, 0.04]])
    np.testing.assert_allclose(np.asarray(ax.get_lines()[-1].get_ydata()), [0.01, 0.04])


def test_directions_in_the_plane_are_numbered_unless_they_are_zero() -> None:
    ax = plot.feature_directions(np.array([[1.0, 0.0, 0.01], [0.0, 1.0, 0.0]]), axis(), reach=1.0)
    assert [text.get_text() for text in ax.texts] == ["1", "2"]


def test_counts_are_drawn_with_their_mean() -> None:
    counts = np.array([[2, 5], [2, 4]])
    ax = plot.represented_counts([1.0, 0.05], counts, axis(), features=5, latent=2)
    np.testing.assert_allclose(np.asarray(ax.get_lines()[0].get_ydata()), [2, 4.5])
    assert [text.get_text() for text in ax.texts] == ["K = 2", "N = 5"]


BAD = {
    "kind": (
        lambda ax: plot.exponent_against_theory(kinds().transpose("teacher.exponent", "kind"), ax),
        "table: expected a first axis 'kind'",
    ),
    "factors": (lambda ax: plot.exponents_by_factor({}, ax), "factors: expected at least one"),
    "atlas": (
        lambda ax: plot.exponent_atlas(np.ones((2, 2)), ax, rows=["a"], columns=["b"]),
        "exponents: expected a number for each of 1 rows x 1 columns",
    ),
    "shares": (lambda ax: plot.variance_shares({}, ax), "shares: expected at least one factor"),
    "gains": (
        lambda ax: plot.speed_up([0.5], np.ones((2, 1)), ax, labels=["one"]),
        "gains: expected 1 lines of 1 levels",
    ),
    "times": (
        lambda ax: plot.learning_times([1, 2], np.ones((1, 3)), ax, labels=["one"], slope=1.0),
        "times: expected 1 lines of 2 features",
    ),
    "spectrum": (
        lambda ax: plot.spectra_along_training(spectra(), "other", ax),
        "name: expected a variable of the dataset; got 'other'; record it",
    ),
    "spectrum axes": (
        lambda ax: plot.spectra_along_training(spectra().isel(seed=0), "spectrum", ax),
        "name: expected a spectrum over seed and step",
    ),
    "records": (
        lambda ax: plot.saturation_scatter([0.5], [0.5, 0.6], ax, steps=[1]),
        "values: expected arrays of one shape",
    ),
    "nothing finite": (
        lambda ax: plot.saturation_deficit([np.nan], [0.5], ax, steps=[1]),
        "values: expected at least one finite point",
    ),
    "directions": (
        lambda ax: plot.feature_directions(np.ones((3, 2)), ax, reach=1.0),
        "vectors: expected finite vectors [2, features]",
    ),
    "reach": (
        lambda ax: plot.feature_directions(np.ones((2, 2)), ax, reach=0.0),
        "reach: expected a finite number > 0",
    ),
    "counts": (
        lambda ax: plot.represented_counts([1.0], np.ones((2, 2)), ax, features=5, latent=2),
        "counts: expected starts x 1 densities",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_for_the_gallery_is_a_one_line_error(case: str) -> None:
    draw, words = BAD[case]
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        draw(axis())
    assert "\n" not in str(caught.value)
