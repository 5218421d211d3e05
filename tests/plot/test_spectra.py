"""Pictures of spectra and of a diagnosis: what they show, read back from the artists."""

import dataclasses
from typing import Any

import matplotlib.figure
import numpy as np
import pytest
from helpers import assert_one_line_error
from legends import legend_texts
from matplotlib.text import Text
from tight_frames import pentagon_and_digon, polygon, tetrahedron

from jaxsup import plot, spectral
from jaxsup.plot.diagnosis import choose_component, diagnosis_figure
from jaxsup.plot.measures import linear_law
from jaxsup.plot.spectra import localization_histogram, spectral_measures
from jaxsup.weights.diagnosis import diagnose


def test_eigenvalues_stand_in_order_with_the_level_of_a_tight_frame() -> None:
    spectrum = spectral.decompose(pentagon_and_digon())
    _, ax = plot.new_figure()
    assert plot.eigenvalue_spectrum(spectrum, ax) is ax
    dots = next(line for line in ax.get_lines() if line.get_marker() == "o")
    np.testing.assert_allclose(dots.get_ydata(), [2.5, 2.5, 2.0], rtol=1e-5)
    assert legend_texts(ax)[1:] == [
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
    spectral_measures(spectral.decompose(pentagon_and_digon()), ax, features=[0, 6, 7])
    image = ax.get_images()[0]
    np.testing.assert_allclose(image.get_array(), [[1, 0], [0, 1], [0, 0]], atol=1e-6)
    assert image.get_clim() == (0, 1)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["2.5\n(2 dim.)", "2"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0", "6", "zero 7"]
    assert figure.axes[1].get_ylabel() == "spectral measure μ (share of |w|²)"


def test_many_eigenspaces_have_a_few_readable_numbers() -> None:
    W = 40 * np.random.default_rng(5).standard_normal((60, 200))
    _, ax = plot.new_figure()
    spectral_measures(spectral.decompose(W), ax)
    words = [tick.get_text() for tick in ax.get_xticklabels()]
    assert len(words) == 4  # of seven characters: eight would touch
    assert "e+" not in "".join(words)
    assert ax.get_images()[0].get_clim()[1] < 0.5


def test_localization_counts_every_represented_feature() -> None:
    wide = np.random.default_rng(6).standard_normal((20, 50))
    for W, count in ((pentagon_and_digon(), 7), (wide, 50)):
        spectrum = spectral.decompose(W)
        _, ax = plot.new_figure()
        localization_histogram(spectrum, ax)
        assert sum(p.get_height() for p in ax.patches) == count
        assert ax.get_ylabel() == f"features (of {count} represented)"
        assert ax.get_xscale() == ("linear" if count == 7 else "log")
        assert legend_texts(ax)[0] == f"1/{int(spectrum.count)}: evenly on all eigenspaces"


def test_a_diagnosis_has_six_panels_and_the_component_that_can_be_drawn() -> None:
    W = np.zeros((12, 18))
    W[:2, :5] = polygon(5)
    W[2:5, 5:9] = tetrahedron()
    W[5:, 9:17] = np.linalg.svd(np.eye(8) - 1 / 8)[2][:7]
    diagnosis = diagnose(W)
    names = [component.name for component in diagnosis.geometry.components]
    assert names == ["pentagon", "tetrahedron", "7-simplex"]
    assert choose_component(diagnosis, None) == 0  # the simplex is larger but has seven dimensions
    for component, kind in ((None, ""), (1, "3d"), (2, "")):
        figure = diagnosis_figure(diagnosis, component=component, features=[0, 17])
        assert isinstance(figure, matplotlib.figure.Figure)
        panels = [panel.axes for panel in figure.subfigs]
        assert [len(axes) for axes in panels] == [1, 2, 1, 1, 2, 2 if component == 2 else 1]
        assert (panels[5][0].name == "3d") == (kind == "3d")
        title = figure.subfigs[5].get_suptitle()
        index = component or 0
        assert title.startswith(f"Component {index} (of 3): {names[index]}, ")
        assert figure.subfigs[1].get_suptitle() == "Spectral measures of 2 chosen features"


def test_edges_are_of_the_gram_values_that_the_name_tells_apart() -> None:
    """At a tolerance of 0.05 the octagon's 45 degrees between 135 and 180 are no noise."""
    noise = np.random.default_rng(3).standard_normal((2, 8))
    W = polygon(8) + 0.02 * noise / np.linalg.norm(noise, axis=0)
    diagnosis = diagnose(W, tolerance=0.05)
    assert diagnosis.geometry.names == {"octagon": 1}
    pairs = [
        text.split()[1] for text in legend_texts(diagnosis_figure(diagnosis).subfigs[5].axes[0])
    ]
    assert pairs == ["(8", "(8", "(8", "(4"]


def test_a_component_whose_name_is_undecided_is_not_called_unnamed() -> None:
    diagnosis = diagnose(polygon(5))
    (part,) = diagnosis.geometry.components
    part = dataclasses.replace(part, name=None, undecided=("pentagon",))
    geometry = dataclasses.replace(diagnosis.geometry, components=(part,))
    figure = diagnosis_figure(dataclasses.replace(diagnosis, geometry=geometry))
    title = "Component 0 (of 1): undecided scheme, 5 features in dimension 2"
    assert figure.subfigs[5].get_suptitle() == title


def test_a_component_of_many_cosines_is_drawn_without_edges() -> None:
    directions = np.random.default_rng(8).uniform(0, 2 * np.pi, 30)
    figure = diagnosis_figure(diagnose(np.stack([np.cos(directions), np.sin(directions)])))
    ax = figure.subfigs[5].axes[0]
    assert len(ax.get_lines()) == 1
    note: Any = ax.get_legend()
    assert note.get_title().get_text().startswith("Gram values form no")


def test_a_crowd_of_features_is_shown_by_its_cosines_and_a_zero_matrix_by_words() -> None:
    figure = diagnosis_figure(diagnose(np.random.default_rng(7).standard_normal((9, 80))))
    assert figure.subfigs[5].axes[0].get_xlabel() == "cosine of two features"
    assert figure.subfigs[1].get_suptitle() == "Spectral measures of the 8 features of largest norm"
    empty = diagnosis_figure(diagnose(np.zeros((3, 4))))
    words = [text.get_text() for panel in empty.subfigs for text in panel.axes[0].texts]
    assert words == ["zero matrix: no eigenspace", "zero matrix: no component"]


def test_features_eigenspaces_and_components_that_are_not_there_are_refused() -> None:
    diagnosis = diagnose(pentagon_and_digon())
    _, ax = plot.new_figure()
    assert_one_line_error(
        lambda: spectral_measures(diagnosis.spectrum, ax, features=[8]),
        r"features: expected features 0..7; got 8",
    )
    assert_one_line_error(
        lambda: spectral_measures(spectral.decompose(np.zeros((2, 3))), ax),
        "spectrum: expected an eigenspace; got a zero matrix",
    )
    assert_one_line_error(
        lambda: diagnosis_figure(diagnosis, component=2), r"component: expected 0..1; got 2"
    )
    assert_one_line_error(
        lambda: diagnosis_figure(diagnose(np.zeros((2, 3))), component=0),
        "component: expected none, as there is no feature",
    )


PICTURES = [plot.eigenvalue_spectrum, spectral_measures, localization_histogram, linear_law]


@pytest.mark.parametrize("draw", PICTURES)
def test_padding_is_not_drawn_and_a_batch_is_refused(draw) -> None:
    """A replica of a batch has min(K, N) columns, of which those past `count` are no eigenspace."""
    batch = spectral.decompose_batch(np.stack([pentagon_and_digon(), 2 * pentagon_and_digon()]))
    shown = []
    for spectrum in (spectral.decompose(pentagon_and_digon()), batch[0]):
        figure, ax = plot.new_figure()
        draw(spectrum, ax)
        texts = [text.get_text() for text in figure.findobj(Text) if text.get_text()]
        shown.append([*texts, *(image.get_array().shape for image in ax.get_images())])
    assert shown[0] == shown[1]
    _, ax = plot.new_figure()
    assert_one_line_error(lambda: draw(batch, ax), "spectrum: expected that of one matrix; got")
