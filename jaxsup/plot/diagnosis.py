"""One figure of six panels for what `jaxsup.weights.diagnose` diagnosis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from jaxsup._internal.validation import fail, is_integer
from jaxsup.plot.geometry import (
    cosine_histogram,
    feature_geometry,
    feature_geometry_3d,
    gram_matrix,
)
from jaxsup.plot.measures import histogram_beside_nulls, linear_law
from jaxsup.plot.spectra import eigenvalue_spectrum, localization_histogram, spectral_measures
from jaxsup.plot.style import STYLE, bare_figure, say_instead

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from jaxsup.geometry.report import Component
    from jaxsup.weights.diagnosis import Diagnosis

_IN_SPACE = 3  # dimensions that can be drawn
_READABLE = 64  # features whose Gram matrix can be read


def diagnosis_figure(
    diagnosis: Diagnosis, *, features: Sequence[int] = (), component: int | None = None
) -> Figure:
    """What a matrix holds, beside what random matrices show, in six panels.

    Eigenvalues, spectral measures of some features, and localization; the linear law of capacity
    and norm, slack and spread with the histograms of both nulls, and one component.

    Arguments:
        diagnosis: result of `jaxsup.weights.diagnose`.
        features: whose spectral measures are shown; default: those of largest norm.
        component: index into `diagnosis.geometry.components`; default: the largest that has a name
            and at most three dimensions, else the largest with a name, else the largest. In two or
            three dimensions it is drawn with its Gram graph, beyond that as a Gram matrix (up to
            64 features) or as a histogram of cosines.

    Raises:
        ValueError: a feature or the component is not there.
    """
    from jaxsup.weights.diagnosis import largest_features

    index = choose_component(diagnosis, component)
    part = None if index is None else diagnosis.geometry.components[index]
    flat = part is None or part.dimension != _IN_SPACE
    with mpl.rc_context(STYLE):
        figure = bare_figure(15.5, 7.6)
        # Panels of their own: a legend beside one does not narrow the others.
        panels: list[SubFigure] = np.asarray(figure.subfigures(2, 3)).ravel().tolist()
        axes = [panel.add_subplot() for panel in panels[:4]]
        beside = panels[4].subplots(2, 1)
        last = panels[5].add_subplot(projection=None if flat else "3d")
        figure.get_layout_engine().set(w_pad=0.09, h_pad=0.09)  # pyright: ignore
        rows = list(features) or largest_features(diagnosis)
        titles = [
            "Spectrum of F = W Wᵀ",
            f"Spectral measures of {_described(features, len(rows))}",
            "Localization of features",
            _law_title(diagnosis),
            _saturation_title(diagnosis),
            "" if index is None else _component_title(diagnosis, index),
        ]
        for panel, title in zip(panels, titles, strict=True):
            panel.suptitle(title, fontsize=STYLE["axes.titlesize"])
        eigenvalue_spectrum(diagnosis.spectrum, axes[0])
        if rows and int(diagnosis.spectrum.count):
            spectral_measures(diagnosis.spectrum, axes[1], features=rows)
        else:
            say_instead(axes[1], "zero matrix: no eigenspace")
        localization_histogram(diagnosis.spectrum, axes[2])
        linear_law(diagnosis.spectrum, axes[3])
        _draw_beside_nulls(diagnosis, beside)
        if part is None:
            left_out = diagnosis.geometry.left_out
            say_instead(last, "components left out" if left_out else "zero matrix: no component")
        else:
            _draw_component(diagnosis, part, last)
    return figure


def choose_component(diagnosis: Diagnosis, position: int | None) -> int | None:
    """Index of the component to draw; None for a matrix without any.

    Raises:
        ValueError: there is no component with the wanted index.
    """
    components = diagnosis.geometry.components
    if position is not None:
        if not is_integer(position) or not 0 <= position < len(components):
            expected = f"0..{len(components) - 1}" if components else "none, as there is no feature"
            raise fail(
                "component", expected, position, "count from 0, in the order of the features"
            )
        return position

    def worth(index: int) -> tuple[bool, bool, int]:
        part = components[index]
        named = part.name is not None and len(part.features) > 1  # one vector is no picture
        return named, named and part.dimension <= _IN_SPACE, len(part.features)

    return max(range(len(components)), key=worth, default=None)


def _draw_beside_nulls(diagnosis: Diagnosis, axes: Sequence[Axes]) -> None:
    """Slack and spread, which share a legend."""
    kept = np.flatnonzero(np.asarray(diagnosis.spectrum.represented))
    for ax, name in zip(axes, ("slack", "eigenvalue_spreads"), strict=True):
        histogram_beside_nulls(diagnosis.measures, kept, ax, name=name)
    if len(kept):
        low, high = axes[0].get_ylim()
        axes[0].set_ylim(low, 1.5 * high)
        axes[0].legend(loc="upper left", ncols=3, columnspacing=1.2)


def _law_title(diagnosis: Diagnosis) -> str:
    """The median line beside that of a Gaussian matrix."""
    measures = diagnosis.measures
    value, null = measures.values["linear_law"], measures.null("gaussian", "linear_law")
    if np.isnan(value):
        return "Linear law: no eigenspace of enough features and norms"
    beside = "" if np.isnan(null) else f" (Gaussian {null:.3f})"
    return f"Linear law: median slope × λ = {value:.3f}{beside}"


def _saturation_title(diagnosis: Diagnosis) -> str:
    measures = diagnosis.measures
    gaussian, redrawn = (measures.null(kind, "saturation") for kind in ("gaussian", "directions"))
    beside = f"Gaussian {gaussian:.4f}"
    beside += "" if np.isnan(redrawn) else f", directions redrawn {redrawn:.4f}"
    return f"Saturation {measures.values['saturation']:.4f} ({beside})"


def _draw_component(diagnosis: Diagnosis, part: Component, ax: Axes) -> None:
    vectors = diagnosis.matrix[:, part.features].astype(np.float64)
    noise = diagnosis.geometry.tolerance
    # Two products of noisy vectors, over the largest square of a noisy norm.
    tolerance = 2 * noise * (2 + noise) / (1 - noise) ** 2
    if part.dimension <= _IN_SPACE:
        draw = feature_geometry_3d if part.dimension == _IN_SPACE else feature_geometry
        draw(vectors, ax, labels=part.features, tolerance=tolerance)
    elif len(part.features) <= _READABLE:
        gram_matrix(vectors, ax, labels=part.features)
    else:
        cosine_histogram(vectors, ax)


def _described(features: Sequence[int], count: int) -> str:
    if features:
        return f"{count} chosen feature{'s' * (count != 1)}"
    return f"the {count} features of largest norm" if count != 1 else "one feature"


def _component_title(diagnosis: Diagnosis, index: int) -> str:
    part = diagnosis.geometry.components[index]
    total = len(diagnosis.geometry.components)
    size = f"{len(part.features):,} feature{'s' * (len(part.features) != 1)}"
    return f"Component {index} (of {total}): {part.label}, {size} in dimension {part.dimension}"
