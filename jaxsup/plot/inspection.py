"""The figure of a matrix of which some features were chosen."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from jaxsup._internal.validation import fail
from jaxsup.plot.diagnosis import choose_component, diagnosis_figure
from jaxsup.plot.style import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jaxsup.weights.diagnosis import Diagnosis
    from jaxsup.weights.features.inspection import Inspection


def inspection_figure(diagnosis: Diagnosis, inspection: Inspection) -> Figure:
    """`diagnosis_figure` of the whole matrix, but for the component: that of the chosen features.

    Arguments:
        diagnosis: of the matrix.
        inspection: of chosen features; see `jaxsup.weights.features.inspection`.

    Raises:
        ValueError: no features were chosen, or none that the matrix represents.
    """
    chosen = inspection.chosen
    if chosen is None or chosen.geometry is None or not inspection.has_geometry:
        expected, do = "chosen features with a direction", "give some to `Questions`"
        raise fail("inspection", expected, "none", do, described=True)
    alone = dataclasses.replace(diagnosis, geometry=chosen.geometry)
    figure = diagnosis_figure(alone, features=chosen.features.tolist())
    part = chosen.geometry.components[choose_component(alone, None) or 0]
    size = f"{len(part.features):,} feature{'s' * (len(part.features) != 1)}"
    title = f"Chosen features alone: {part.label}, {size} in dimension {part.dimension}"
    # The last panel is the component's.
    figure.subfigs[-1].suptitle(title, fontsize=STYLE["axes.titlesize"])
    return figure
