"""Pictures of features, spectra and superposition: what they show, read back from the artists."""

from typing import Any

import matplotlib.figure
import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb

from jaxsup import plot, spectral
from jaxsup.plot.diagnosis import choose_component
from jaxsup.plot.features import _ARROW
from jaxsup.weights.diagnosis import diagnose

RNG = np.random.default_rng(0)


def polygon(n: int) -> np.ndarray:
    """Corners of a regular polygon as columns."""
    angles = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angles), np.sin(angles)])


def tetrahedron() -> np.ndarray:
    """Four unit corners with cosine -1/3, as columns."""
    return np.asarray([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / np.sqrt(3)


def turned(W: np.ndarray, dimensions: int) -> np.ndarray:
    """The columns isometrically in a larger space."""
    frame = np.linalg.qr(RNG.standard_normal((dimensions, dimensions)))[0]
    return frame[:, : len(W)] @ W


def legend(ax: Any) -> list[str]:
    """The labels in an axis's legend."""
    return [text.get_text().replace("−", "-") for text in ax.get_legend().get_texts()]


def blocks() -> np.ndarray:
    """A pentagon, a digon and a zero column."""
    W = np.zeros((3, 8))
    W[:2, :5] = polygon(5)
    W[2, 5:7] = 1, -1
    return W


def test_features_are_arrows_and_pairs_of_one_gram_value_edges_of_one_kind() -> None:
    _, ax = plot.new_figure()
    assert plot.feature_geometry(polygon(5), ax) is ax
    near, far = np.cos(2 * np.pi / 5), np.cos(4 * np.pi / 5)
    assert legend(ax) == [f"{near:.3g} (5 pairs)", f"{far:.3g} (5 pairs)"]
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
        assert legend(ax) == ["0.1 (1 pair)"]


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
    assert legend(ax) == ["1 (1 pair)", "-1 (2 pairs)"]


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
    assert plot.feature_geometry_3d(turned(tetrahedron(), latent), ax) is ax
    edges = [line for line in ax.get_lines() if line.get_color() != _ARROW]
    assert len(edges) == 6
    ends = np.asarray([line.get_data_3d() for line in edges])
    lengths = np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=1)
    np.testing.assert_allclose(lengths, np.sqrt(8 / 3), rtol=1e-9)
    assert legend(ax) == ["-0.333 (6 pairs)"]
    name = "latent dimension 3" if latent == 3 else "axis 3 (33% of |W|²)"
    assert ax.get_zlabel() == name
    figure.canvas.draw()


def test_the_gram_matrix_is_drawn_entry_by_entry() -> None:
    _, ax = plot.new_figure()
    plot.gram_matrix(polygon(5), ax, labels=[3, 4, 5, 6, 7])
    image = ax.get_images()[0]
    np.testing.assert_allclose(image.get_array(), polygon(5).T @ polygon(5))
    assert image.get_clim() == pytest.approx((-1, 1))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["3", "4", "5", "6", "7"]


def test_cosines_are_counted_beside_the_welch_bound() -> None:
    W = np.concatenate([polygon(5) * 3, np.zeros((2, 1))], axis=1)
    _, ax = plot.new_figure()
    plot.cosine_histogram(W, ax)
    heights = {round(p.get_x(), 2): p.get_height() for p in ax.patches if p.get_height()}
    assert heights == {0.3: 5, -0.82: 5}
    assert legend(ax) == ["Welch bound ±0.632"]  # six columns: sqrt(4 / (2 * 5))
    _, ax = plot.new_figure()
    plot.cosine_histogram(np.tile(polygon(5), 40), ax, most=50)
    assert ax.get_xlabel() == "cosine of two features (50 of 200 features)"
    assert sum(p.get_height() for p in ax.patches) == 50 * 49 / 2


def test_eigenvalues_stand_in_order_with_the_level_of_a_tight_frame() -> None:
    spectrum = spectral.decompose(blocks())
    _, ax = plot.new_figure()
    assert plot.eigenvalue_spectrum(spectrum, ax) is ax
    dots = next(line for line in ax.get_lines() if line.get_marker() == "o")
    np.testing.assert_allclose(dots.get_ydata(), [2.5, 2.5, 2.0], rtol=1e-5)
    assert legend(ax)[1:] == [
        "tight frame, |W|²/3 = 2.33",
        "one eigenspace of several dimensions",
        "eigenvalue (2 eigenspaces)",
    ]
    low, high = ax.patches[0].get_y(), ax.patches[0].get_y() + ax.patches[0].get_height()
    q = np.sqrt(3 / 8)
    np.testing.assert_allclose([low, high], 7 / 3 * np.asarray([(1 - q) ** 2, (1 + q) ** 2]))


@pytest.mark.parametrize("shape", [(40, 400), (400, 40)])
def test_the_band_of_random_features_holds_the_eigenvalues_of_random_features(shape) -> None:
    W = np.random.default_rng(4).standard_normal(shape)
    _, ax = plot.new_figure()
    plot.eigenvalue_spectrum(spectral.decompose(W), ax)
    low, high = ax.patches[0].get_y(), ax.patches[0].get_y() + ax.patches[0].get_height()
    values = np.linalg.svd(W, compute_uv=False) ** 2
    # The edges of the spectrum are sharp up to a few percent at this size.
    assert values.max() == pytest.approx(high, rel=0.06)
    assert values.min() == pytest.approx(low, rel=0.06)


def test_spectral_measures_are_features_against_eigenspaces() -> None:
    figure, ax = plot.new_figure()
    plot.spectral_measures(spectral.decompose(blocks()), ax, features=[0, 6, 7])
    image = ax.get_images()[0]
    np.testing.assert_allclose(image.get_array(), [[1, 0], [0, 1], [0, 0]], atol=1e-6)
    assert image.get_clim() == (0, 1)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["2.5\n(2 dim.)", "2"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0", "6", "zero 7"]
    assert figure.axes[1].get_ylabel() == "spectral measure μ (share of |w|²)"


def test_many_eigenspaces_have_a_few_readable_numbers() -> None:
    W = 40 * np.random.default_rng(5).standard_normal((60, 200))
    _, ax = plot.new_figure()
    plot.spectral_measures(spectral.decompose(W), ax)
    words = [tick.get_text() for tick in ax.get_xticklabels()]
    assert len(words) == 8
    assert "e+" not in "".join(words)
    assert ax.get_images()[0].get_clim()[1] < 0.5


def test_localization_counts_every_represented_feature() -> None:
    for W, count in ((blocks(), 7), (np.random.default_rng(6).standard_normal((20, 50)), 50)):
        spectrum = spectral.decompose(W)
        _, ax = plot.new_figure()
        plot.localization_histogram(spectrum, ax)
        assert sum(p.get_height() for p in ax.patches) == count
        assert ax.get_ylabel() == f"features (of {count} represented)"
        assert ax.get_xscale() == ("linear" if count == 7 else "log")
        assert legend(ax)[0] == f"1/{int(spectrum.count)}: evenly on all eigenspaces"


def test_capacities_stand_beside_the_values_of_known_geometries() -> None:
    _, ax = plot.new_figure()
    capacities = np.asarray(spectral.capacities(blocks()))
    assert plot.capacity_scatter(capacities, ax) is ax
    *guides, points = ax.get_lines()
    np.testing.assert_allclose(points.get_ydata(), [0.4] * 5 + [0.5] * 2 + [0], atol=1e-6)
    assert [line.get_ydata()[0] for line in guides] == [3 / 4, 2 / 3, 1 / 2, 2 / 5, 3 / 8]
    words = [text.get_text() for text in ax.texts]
    assert words[3:] == ["2/5 pentagon", "3/8 square antiprism"]
    assert words[:3] == ["3/4 tetrahedron", "2/3 triangle", "1/2 digon"]


def test_no_two_names_of_geometries_overlap() -> None:
    figure, ax = plot.new_figure()
    plot.capacity_scatter(np.asarray([0.5]), ax)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_capacities_of_several_networks_stand_over_their_own_value() -> None:
    _, ax = plot.new_figure()
    values = np.asarray([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    plot.capacity_scatter(values, ax, against=[1.0, 4.0, 16.0], name="1 / density")
    points = ax.get_lines()[-1]
    np.testing.assert_allclose(points.get_xdata(), [1, 1, 4, 4, 16, 16])
    np.testing.assert_allclose(points.get_ydata(), values.ravel())
    assert (ax.get_xscale(), ax.get_xlabel()) == ("log", "1 / density")
    _, ax = plot.new_figure()
    plot.capacity_scatter([0.1, 0.2], ax, against=[0.0, 3.0])
    np.testing.assert_allclose(ax.get_lines()[-1].get_xdata(), [0, 3])


def test_the_plateau_is_median_and_range_against_inverse_density() -> None:
    sparsity = np.asarray([0.9, 0.0, 0.5])
    dimensions = np.asarray([[0.4, 1.0, 0.6], [0.5, 1.2, 0.8], [0.9, 1.1, 0.7]])
    _, ax = plot.new_figure()
    assert plot.dimension_plateau(sparsity, dimensions, ax) is ax
    guide, line = ax.get_lines()
    assert guide.get_ydata()[0] == 0.5
    np.testing.assert_allclose(line.get_xdata(), [1, 2, 10])
    np.testing.assert_allclose(line.get_ydata(), [1.1, 0.7, 0.5])
    assert ax.get_xscale() == "log"
    assert legend(ax) == ["range of 3 seeds", "median"]
    _, ax = plot.new_figure()
    plot.dimension_plateau(sparsity, dimensions[0], ax, inverse_density=False)
    np.testing.assert_allclose(ax.get_lines()[1].get_xdata(), [0, 0.5, 0.9])
    assert ax.get_xscale() == "linear"
    assert ax.get_legend() is None


def exact_losses(s: Any, r: Any) -> np.ndarray:
    """Extra feature dropped, alone, and antipodal pair: integrals over uniform inputs."""
    moment = s / 3 - s**2 / 4
    return np.stack([r * moment, moment + 0 * r, (1 + r) * s**2 / 6])


def test_phases_and_their_boundaries_agree_with_the_exact_losses() -> None:
    s, r = np.geomspace(0.01, 1, 40), np.geomspace(0.1, 10, 31)
    outcomes = exact_losses(*np.meshgrid(s, r)).argmin(0)
    _, ax = plot.new_figure()
    assert plot.two_feature_phases(s, r, outcomes, ax) is ax
    mesh = next(c for c in ax.collections if isinstance(c, QuadMesh))
    np.testing.assert_array_equal(np.asarray(mesh.get_array()), outcomes)
    lower, upper, between = (np.asarray(line.get_data()) for line in ax.get_lines())
    for line, tied in ((lower, (0, 2)), (upper, (1, 2)), (between, (0, 1))):
        losses = exact_losses(*line)
        np.testing.assert_allclose(losses[tied[0]], losses[tied[1]], rtol=1e-12)
        np.testing.assert_allclose(losses.min(0), losses[tied[0]], rtol=1e-12)
    np.testing.assert_allclose([lower[:, -1], upper[:, -1], between[:, 0]], [[4 / 7, 1]] * 3)
    assert legend(ax) == [*plot.PHASES, "boundary by exact losses"]
    left, right = ax.get_xlim()
    assert left > right  # sparser to the right, as in the literature


def test_what_is_no_known_phase_stays_white_and_is_in_the_legend() -> None:
    outcomes = np.asarray([[2.0, np.nan], [2.0, 0.0]])
    _, ax = plot.new_figure()
    plot.two_feature_phases([0.1, 0.5], [0.5, 1.0], outcomes, ax)
    array = np.ma.asarray(next(c for c in ax.collections if isinstance(c, QuadMesh)).get_array())
    assert np.ma.getmaskarray(array).tolist() == [[False, True], [False, False]]
    assert legend(ax)[:3] == ["extra feature dropped", "antipodal pair", "none of these"]


def test_phases_differ_in_lightness() -> None:
    from jaxsup.plot.superposition import _PHASE_COLOURS

    light = [float(np.dot(to_rgb(c), [0.2126, 0.7152, 0.0722])) for c in _PHASE_COLOURS]
    assert light[0] - light[1] > 0.2
    assert light[1] - light[2] > 0.2


def test_a_diagnosis_has_four_panels_and_the_component_that_can_be_drawn() -> None:
    W = np.zeros((12, 18))
    W[:2, :5] = polygon(5)
    W[2:5, 5:9] = tetrahedron()
    W[5:, 9:17] = np.linalg.svd(np.eye(8) - 1 / 8)[2][:7]
    found = diagnose(W)
    names = [component.name for component in found.geometry.components]
    assert names == ["pentagon", "tetrahedron", "7-simplex"]
    assert choose_component(found, None) == 0  # the simplex is larger but has seven dimensions
    for component, kind in ((None, ""), (1, "3d"), (2, "")):
        figure = plot.diagnosis_figure(found, component=component, features=[0, 17])
        assert isinstance(figure, matplotlib.figure.Figure)
        panels = [panel.axes for panel in figure.subfigs]
        assert [len(axes) for axes in panels] == [1, 2, 1, 2 if component == 2 else 1]
        assert (panels[3][0].name == "3d") == (kind == "3d")
        title = figure.subfigs[3].get_suptitle()
        index = component or 0
        assert title.startswith(f"Component {index} (of 3): {names[index]}, ")
        assert figure.subfigs[1].get_suptitle() == "Spectral measures of 2 chosen features"


def test_a_component_of_many_cosines_is_drawn_without_edges() -> None:
    directions = np.random.default_rng(8).uniform(0, 2 * np.pi, 30)
    figure = plot.diagnosis_figure(diagnose(np.stack([np.cos(directions), np.sin(directions)])))
    ax = figure.subfigs[3].axes[0]
    assert len(ax.get_lines()) == 1
    note: Any = ax.get_legend()
    assert note.get_title().get_text().startswith("Gram values form no")


def test_a_crowd_of_features_is_shown_by_its_cosines_and_a_zero_matrix_by_words() -> None:
    figure = plot.diagnosis_figure(diagnose(np.random.default_rng(7).standard_normal((9, 80))))
    assert figure.subfigs[3].axes[0].get_xlabel() == "cosine of two features"
    assert figure.subfigs[1].get_suptitle() == "Spectral measures of the 8 features of largest norm"
    empty = plot.diagnosis_figure(diagnose(np.zeros((3, 4))))
    words = [text.get_text() for panel in empty.subfigs for text in panel.axes[0].texts]
    assert words == ["zero matrix: no eigenspace", "zero matrix: no component"]


S3, R2 = [0.1, 0.2, 0.3], [0.5, 1.0]
MISTAKES = [
    (plot.feature_geometry, (np.zeros(3),), {}, "vectors: expected a finite, non-empty"),
    (plot.feature_geometry, ([[np.nan]],), {}, "vectors: expected a finite, non-empty"),
    (
        plot.gram_matrix,
        (polygon(3),),
        {"labels": [1]},
        r"labels: expected shape \(3,\), one a feature; got a",
    ),
    (plot.feature_geometry_3d, (polygon(3),), {}, "ax: expected a 3-D axis; got a rectilinear one"),
    (plot.cosine_histogram, ([[0.0, 1.0]],), {}, "vectors: expected two features that are not"),
    (plot.capacity_scatter, ([1.2],), {}, r"capacities: expected numbers in \[0, 1\]; got a range"),
    (plot.capacity_scatter, ([[[0.1]]],), {}, "capacities: expected finite numbers with 1 or 2"),
    (plot.capacity_scatter, ([0.1],), {"against": [1, 2]}, "against: expected 1 values; got 2"),
    (plot.dimension_plateau, ([1.0], [0.5]), {}, r"sparsity: expected numbers in \[0, 1\)"),
    (plot.dimension_plateau, ([0.5], [0.5, 0.5]), {}, "dimensions: expected 1 instances; got a"),
    (plot.two_feature_phases, (S3, R2, [[0]]), {}, "outcomes: expected a code for each of 2 imp"),
    (plot.two_feature_phases, (R2[::-1], R2, [[0]]), {}, "density: expected two or more rising"),
    (plot.two_feature_phases, ([0.5, 1.5], R2, [[0]]), {}, "density: .* numbers up to 1; got"),
    (plot.two_feature_phases, (S3, [0, 1], [[0]]), {}, "importance: expected two or more rising"),
]


@pytest.mark.parametrize(("draw", "data", "options", "message"), MISTAKES)
def test_data_that_cannot_be_drawn_are_refused(draw, data, options, message: str) -> None:
    _, ax = plot.new_figure()
    with pytest.raises(ValueError, match=message):
        draw(*data, ax, **options)


def test_features_eigenspaces_and_components_that_are_not_there_are_refused() -> None:
    found = diagnose(blocks())
    _, ax = plot.new_figure()
    with pytest.raises(ValueError, match=r"features: expected indices 0..7; got 8"):
        plot.spectral_measures(found.spectrum, ax, features=[8])
    with pytest.raises(ValueError, match="spectrum: expected an eigenspace; got a zero matrix"):
        plot.spectral_measures(spectral.decompose(np.zeros((2, 3))), ax)
    with pytest.raises(ValueError, match=r"component: expected 0..1; got 2"):
        plot.diagnosis_figure(found, component=2)
    with pytest.raises(ValueError, match="component: expected none, as there is no feature"):
        plot.diagnosis_figure(diagnose(np.zeros((2, 3))), component=0)
