"""Pictures of measures beside random matrices: what they show, read back from the artists."""

import numpy as np
import pytest
from tight_frames import uneven_tight_frame

from jaxsup import plot
from jaxsup.plot.diagnosis import diagnosis_figure
from jaxsup.plot.measures import histogram_beside_nulls, linear_law
from jaxsup.spectral import decompose
from jaxsup.weights import measures
from jaxsup.weights.diagnosis import Diagnosis, diagnose


def two_frames() -> np.ndarray:
    W = np.zeros((5, 35))
    W[:2, :14] = uneven_tight_frame(2, 14, 4.0, 0)
    W[2:, 14:34] = uneven_tight_frame(3, 20, 0.25, 1)
    return W


@pytest.fixture(scope="module")
def random() -> Diagnosis:
    return diagnose(np.random.default_rng(0).standard_normal((8, 120)))


def test_features_of_few_eigenspaces_lie_on_their_lines() -> None:
    _, ax = plot.new_figure()
    assert linear_law(decompose(two_frames()), ax) is ax
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["λ = 4 (14 features)", "λ = 0.25 (20 features)", "D = |w|² / λ"]
    dots = [line for line in ax.get_lines() if line.get_marker() == "o"]
    lines = [line for line in ax.get_lines() if line.get_marker() == "None"]
    for place, (count, value) in enumerate(((14, 4.0), (20, 0.25))):
        x, y = (np.asarray(v, np.float64) for v in dots[place].get_data())
        assert len(x) == count
        np.testing.assert_allclose(y, x / value, rtol=1e-4)
        ends = np.asarray(lines[place].get_data())
        np.testing.assert_allclose(ends[1], ends[0] / value, rtol=1e-6)
        assert dots[place].get_color() == lines[place].get_color()
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_many_eigenspaces_are_a_scale_of_colors(random: Diagnosis) -> None:
    figure, ax = plot.new_figure()
    spectrum = random.spectrum
    linear_law(spectrum, ax)
    (dots,) = ax.collections
    values, homes = np.asarray(spectrum.eigenvalues), np.asarray(spectrum.homes)
    np.testing.assert_allclose(dots.get_array(), values[homes])
    squares, capacities = np.asarray(spectrum.norms) ** 2, np.asarray(spectrum.capacities)
    np.testing.assert_allclose(dots.get_offsets(), np.stack([squares, capacities], 1), rtol=1e-5)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[0] == f"|w|² / λ, largest λ = {values[0]:.4g}"
    assert labels[1] == f"|w|² / λ, median λ = {np.median(values):.4g}"
    assert labels[2] == f"|w|² / λ, smallest λ = {values[-1]:.4g}"
    assert figure.axes[1].get_ylabel() == "λ of home eigenspace (units of W²)"


@pytest.mark.parametrize("name", ["slack", "eigenvalue_spreads"])
def test_every_feature_is_counted_and_the_outlines_are_means(random: Diagnosis, name: str) -> None:
    _, ax = plot.new_figure()
    histogram_beside_nulls(random.measures, np.arange(120), ax, name=name)
    bars = [patch for patch in ax.patches if hasattr(patch, "get_height")]
    assert sum(bar.get_height() for bar in bars) == 120
    outlines = [patch for patch in ax.patches if patch not in bars]
    assert [outline.get_label() for outline in outlines] == [
        "Gaussian",
        "norms kept, directions redrawn",
    ]
    for outline in outlines:
        assert outline.get_data().values.sum() == pytest.approx(120)
    edges = outlines[0].get_data().edges
    middle = np.average((edges[1:] + edges[:-1]) / 2, weights=outlines[0].get_data().values)
    key = "slack" if name == "slack" else "eigenvalue_spread"
    assert middle == pytest.approx(random.measures.samples["gaussian"][key].mean(), rel=0.03)


def test_titles_have_the_numbers_beside_their_nulls(random: Diagnosis) -> None:
    figure = diagnosis_figure(random)
    values, null = random.measures.values, random.measures.null
    redrawn = null("directions", "saturation")
    assert figure.subfigs[4].get_suptitle() == (
        f"Saturation {values['saturation']:.4f} (Gaussian {120 / 127:.4f}, "
        f"directions redrawn {redrawn:.4f})"
    )
    law = f"{values['linear_law']:.3f} (Gaussian {null('gaussian', 'linear_law'):.3f})"
    assert figure.subfigs[3].get_suptitle() == f"Linear law: median slope × λ = {law}"


def test_without_samples_and_without_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "_WORK", 1.0)
    for W in (two_frames(), np.zeros((2, 3))):
        figure = diagnosis_figure(diagnose(W))
        slack = figure.subfigs[4].axes[0]
        assert bool(slack.patches) == bool(W.any())
        assert "redrawn" not in figure.subfigs[4].get_suptitle()
    assert figure.subfigs[3].get_suptitle().startswith("Linear law: no eigenspace of enough")
