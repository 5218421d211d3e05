"""Pictures of feature directions: what they show, read back from the artists."""

import numpy as np
import pytest
from helpers import assert_one_line_error
from legends import legend_texts
from tight_frames import polygon, tetrahedron

from jaxsup import plot
from jaxsup.plot.geometry import _ARROW, cosine_histogram, feature_geometry_3d, gram_matrix

RNG = np.random.default_rng(0)


def turned(W: np.ndarray, dimensions: int) -> np.ndarray:
    """The columns isometrically in a larger space."""
    frame = np.linalg.qr(RNG.standard_normal((dimensions, dimensions)))[0]
    return frame[:, : len(W)] @ W


def test_features_are_arrows_and_pairs_of_one_gram_value_edges_of_one_kind() -> None:
    _, ax = plot.new_figure()
    assert plot.feature_geometry(polygon(5), ax) is ax
    near, far = np.cos(2 * np.pi / 5), np.cos(4 * np.pi / 5)
    assert legend_texts(ax) == [f"{near:.3g} (5 pairs)", f"{far:.3g} (5 pairs)"]
    *edges, tips = ax.get_lines()
    np.testing.assert_allclose(np.asarray(tips.get_data()), polygon(5))
    kinds: dict[str, set[float]] = {}
    for edge in edges:
        ends = np.asarray(edge.get_data())
        kinds.setdefault(edge.get_color(), set()).add(round(float(ends[:, 0] @ ends[:, 1]), 6))
    assert sorted(map(sorted, kinds.values())) == [[round(far, 6)], [round(near, 6)]]
    assert [text.get_text() for text in ax.texts] == ["0", "1", "2", "3", "4"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("latent dimension 1", "latent dimension 2")


def test_a_small_gram_value_is_not_called_zero() -> None:
    pair = np.asarray([[1.0, 0.1], [0.0, np.sqrt(0.99)]])
    for tolerance in (1e-3, 0.2):
        _, ax = plot.new_figure()
        plot.feature_geometry(pair, ax, tolerance=tolerance)
        assert legend_texts(ax) == ["0.1 (1 pair)"]


def test_features_beyond_the_plane_are_projected_and_the_axes_say_how_much_is_seen() -> None:
    _, ax = plot.new_figure()
    plot.feature_geometry(turned(polygon(5), 6), ax, labels=[10, 11, 12, 13, 14])
    tips = np.asarray(ax.get_lines()[-1].get_data())
    np.testing.assert_allclose(tips.T @ tips, polygon(5).T @ polygon(5), atol=1e-12)
    assert ax.get_xlabel() == "axis 1 (50% of |W|²)"
    assert [text.get_text() for text in ax.texts] == ["10", "11", "12", "13", "14"]
    _, ax = plot.new_figure()
    plot.feature_geometry(np.eye(4) * [2.0, 1.0, 1.0, 1.0], ax)
    assert ax.get_xlabel() == f"axis 1 ({4 / 7:.0%} of |W|²)"


def test_a_digon_is_drawn_on_a_line_and_features_at_one_place_share_their_number() -> None:
    _, ax = plot.new_figure()
    plot.feature_geometry(np.asarray([[1.0, 1.0, -1.0]]), ax)
    assert [text.get_text() for text in ax.texts] == ["0, 1", "2"]
    assert legend_texts(ax) == ["1 (1 pair)", "-1 (2 pairs)"]


@pytest.mark.parametrize(
    ("count", "note"), [(9, "Gram values form no\nclasses"), (300, "300 features:\nno edges")]
)
def test_edges_are_left_out_where_they_would_say_nothing(count: int, note: str) -> None:
    _, ax = plot.new_figure()
    plot.feature_geometry(np.random.default_rng(1).standard_normal((2, count)), ax)
    assert len(ax.get_lines()) == 1
    assert ax.get_legend().get_title().get_text().startswith(note)
    assert len(ax.texts) == (9 if count == 9 else 0)


@pytest.mark.parametrize("latent", [3, 6])
def test_a_tetrahedron_stands_in_space(latent: int) -> None:
    figure, ax = plot.new_figure(projection="3d")
    assert feature_geometry_3d(turned(tetrahedron(), latent), ax) is ax
    edges = [line for line in ax.get_lines() if line.get_color() != _ARROW]
    assert len(edges) == 6
    ends = np.asarray([line.get_data_3d() for line in edges])
    lengths = np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=1)
    np.testing.assert_allclose(lengths, np.sqrt(8 / 3), rtol=1e-9)
    assert legend_texts(ax) == ["-0.333 (6 pairs)"]
    name = "latent dimension 3" if latent == 3 else "axis 3 (33% of |W|²)"
    assert ax.get_zlabel() == name
    figure.canvas.draw()


def test_the_gram_matrix_is_drawn_entry_by_entry() -> None:
    _, ax = plot.new_figure()
    gram_matrix(polygon(5), ax, labels=[3, 4, 5, 6, 7])
    image = ax.get_images()[0]
    np.testing.assert_allclose(image.get_array(), polygon(5).T @ polygon(5))
    assert image.get_clim() == pytest.approx((-1, 1))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["3", "4", "5", "6", "7"]


def test_cosines_are_counted_beside_the_welch_bound() -> None:
    W = np.concatenate([polygon(5) * 3, np.zeros((2, 1))], axis=1)
    _, ax = plot.new_figure()
    cosine_histogram(W, ax)
    heights = {round(p.get_x(), 2): p.get_height() for p in ax.patches if p.get_height()}
    assert heights == {0.3: 5, -0.82: 5}
    assert legend_texts(ax) == ["Welch bound ±0.612"]  # of five columns: sqrt(3 / (2 * 4))
    assert ax.get_xlabel() == "cosine of two features (5 of 6 features, 1 zero)"
    _, ax = plot.new_figure()
    cosine_histogram(np.eye(3, 5), ax)  # three orthogonal ones: no bound
    assert ax.get_legend() is None
    _, ax = plot.new_figure()
    cosine_histogram(np.tile(polygon(5), 40), ax, most=50)
    assert ax.get_xlabel() == "cosine of two features (50 of 200 features)"
    assert sum(p.get_height() for p in ax.patches) == 50 * 49 / 2


MISTAKES = [
    (plot.feature_geometry, (np.zeros(3),), {}, "vectors: expected a finite, non-empty"),
    (plot.feature_geometry, ([[np.nan]],), {}, "vectors: expected a finite, non-empty"),
    (gram_matrix, (1j * polygon(3),), {}, "vectors: expected real numbers; got dtype complex128"),
    (cosine_histogram, ([["a"]],), {}, "vectors: expected real numbers; got dtype <U1"),
    (
        gram_matrix,
        (polygon(3),),
        {"labels": [1]},
        r"labels: expected shape \(3,\), one a feature; got a",
    ),
    (feature_geometry_3d, (polygon(3),), {}, "ax: expected a 3-D axis; got a rectilinear one"),
    (cosine_histogram, ([[0.0, 1.0]],), {}, "vectors: expected two features that are not"),
]


@pytest.mark.parametrize(("draw", "data", "options", "message"), MISTAKES)
def test_data_that_cannot_be_drawn_are_refused(draw, data, options, message: str) -> None:
    _, ax = plot.new_figure()
    assert_one_line_error(lambda: draw(*data, ax, **options), message)
