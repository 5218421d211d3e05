"""One figure of four panels for what `jaxsup.weights.diagnose` diagnosis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from jaxsup._internal.validation import fail
from jaxsup.plot.geometry import (
    cosine_histogram,
    feature_geometry,
    feature_geometry_3d,
    gram_matrix,
)
from jaxsup.plot.spectra import eigenvalue_spectrum, localization_histogram, spectral_measures
from jaxsup.plot.style import STYLE

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
    """Eigenvalues, spectral measures of some features, localization, and one component.

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
    from matplotlib.figure import Figure

    from jaxsup.weights.diagnosis import largest_features

    index = choose_component(diagnosis, component)
    part = None if index is None else diagnosis.geometry.components[index]
    flat = part is None or part.dimension != _IN_SPACE
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 7.6), layout="constrained")
        # Panels of their own: a legend beside one does not narrow the others.
        panels: list[SubFigure] = np.asarray(figure.subfigures(2, 2)).ravel().tolist()
        axes = [panel.add_subplot() for panel in panels[:3]]
        axes.append(panels[3].add_subplot(projection=None if flat else "3d"))
        figure.get_layout_engine().set(w_pad=0.09, h_pad=0.09)  # pyright: ignore
        rows = list(features) or largest_features(diagnosis)
        titles = [
            "Spectrum of F = W Wᵀ",
            f"Spectral measures of {_described(features, len(rows))}",
            "Localization of features",
            "" if index is None else _component_title(diagnosis, index),
        ]
        for panel, title in zip(panels, titles, strict=True):
            panel.suptitle(title, fontsize=STYLE["axes.titlesize"])
        eigenvalue_spectrum(diagnosis.spectrum, axes[0])
        if rows and int(diagnosis.spectrum.count):
            spectral_measures(diagnosis.spectrum, axes[1], features=rows)
        else:
            _say(axes[1], "zero matrix: no eigenspace")
        localization_histogram(diagnosis.spectrum, axes[2])
        if part is None:
            left_out = diagnosis.geometry.left_out
            _say(axes[3], "components left out" if left_out else "zero matrix: no component")
        else:
            _draw_component(diagnosis, part, axes[3])
    return figure


def choose_component(diagnosis: Diagnosis, position: int | None) -> int | None:
    """Index of the component to draw; None for a matrix without any.

    Raises:
        ValueError: there is no component with the wanted index.
    """
    components = diagnosis.geometry.components
    if position is not None:
        if not 0 <= position < len(components):
            expected = f"0..{len(components) - 1}" if components else "none, as there is no feature"
            raise fail(
                "component", expected, position, "count from 0, in the order of the features"
            )
        return position

    def worth(index: int) -> tuple[bool, bool, int]:
        part = components[index]
        named = part.name is not None
        return named, named and part.dimension <= _IN_SPACE, len(part.features)

    return max(range(len(components)), key=worth, default=None)


def _draw_component(diagnosis: Diagnosis, part: Component, ax: Axes) -> None:
    vectors = diagnosis.matrix[:, part.features].astype(np.float64)
    tolerance = 8 * diagnosis.geometry.tolerance
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
    name = part.name or ("unnamed scheme" if part.kind == "scheme" else "irregular")
    size = f"{len(part.features):,} feature{'s' * (len(part.features) != 1)}"
    return f"Component {index} (of {total}): {name}, {size} in dimension {part.dimension}"


def _say(ax: Axes, text: str) -> None:
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes)
