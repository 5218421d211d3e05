"""A figure that a notebook shows, whether pyplot is in use or not."""

import io

import matplotlib as mpl
from matplotlib.figure import Figure

from jaxsup.plot.style import STYLE


class ShownFigure(Figure):
    """A figure with a picture of its own.

    Matplotlib tells IPython how to draw its figures when pyplot makes the first one. Where that
    has happened the settings there hold, as ``InlineBackend.figure_formats``.
    """

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        with mpl.rc_context(STYLE):
            self.savefig(picture, format="png", dpi=self.dpi, bbox_inches="tight")
        return picture.getvalue()
