"""Figures of two matrices: every panel shows what was compared, or says that it was not."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from tight_frames import polygon, rotation, simplex, stack

from jaxsup.plot import save_figure
from jaxsup.plot.comparison import comparison_figure
from jaxsup.weights.pairs.comparison import compare

FRAME = stack(polygon(5), 2 * simplex(3), 0.5 * polygon(7))


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape)


def heights(line) -> np.ndarray:
    return np.asarray(line.get_ydata(), np.float64)


def texts(figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


@pytest.mark.slow
def test_eigenspaces_are_cells_and_the_lines_are_the_data(tmp_path: Path) -> None:
    turned = rotation(np.random.default_rng(1), 7) @ FRAME
    found = compare(FRAME, turned)
    figure = comparison_figure(found)
    spectrum, angles, cells, matches = figure.axes[:4]
    assert found.bases is not None
    values = found.bases[0].values ** 2
    np.testing.assert_allclose(heights(spectrum.lines[0]), values / values.mean())
    np.testing.assert_allclose(heights(angles.lines[1]), 0, atol=1e-5)
    assert found.eigenspaces is not None
    assert found.eigenspaces.overlaps is not None
    shown = np.asarray(cells.images[0].get_array())
    np.testing.assert_allclose(shown, found.eigenspaces.overlaps)
    assert len(cells.texts) == 9
    assert found.matches is not None
    cosines = np.asarray(matches.lines[0].get_xdata(), np.float64)[:-1]
    np.testing.assert_array_equal(cosines, np.sort(found.matches[0].cosines))
    save_figure(figure, tmp_path / "two.png")
    picture = matplotlib.image.imread(tmp_path / "two.png")
    assert picture.shape[:2] == (1520, 2200)
    for panel in (picture[:760, :1100], picture[:760, 1100:], picture[760:, :1100]):
        assert len(np.unique(panel.reshape(-1, panel.shape[-1]), axis=0)) > 50


def test_spans_are_a_line_beside_chance() -> None:
    A, B = random(2, 40, 100)
    found = compare(A, B, absolute=True).eigenspaces
    assert found is not None
    ax = comparison_figure(compare(A, B, absolute=True)).axes[2]
    np.testing.assert_allclose(heights(ax.lines[0]), found.leading_overlaps)
    np.testing.assert_allclose(heights(ax.lines[1]), found.leading / 40)


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ((random(3, 20), random(5, 20)), ["no common latent space"]),
        ((np.zeros((3, 4)), np.eye(3, 4)), ["no subspaces to compare", "no features to compare"]),
        ((np.zeros((3, 4)), np.eye(3, 4)), ["no eigenspaces to compare"]),
        ((np.zeros((3, 4)), np.zeros((3, 4))), ["no spectrum"]),
    ],
)
def test_what_was_not_compared_is_said(
    pair: tuple[np.ndarray, np.ndarray], said: list[str]
) -> None:
    found = texts(comparison_figure(compare(*pair)))
    assert set(said) <= set(found)
