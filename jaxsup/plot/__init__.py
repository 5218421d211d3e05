"""Pictures in one quiet style: each function draws data on an axis and returns the axis.

The axis is the one given as `ax`, or a new one. Data are plain arrays or the objects that measured
them. `new_figure` makes an axis outside of pyplot, whose figure a notebook shows as the last value
of a cell; `save_figure` writes the file. What a picture of your own needs to look the same is in
`jaxsup.plot.style`.
Pictures of one object beside these: `curves.spectra_along_training`, `geometry.gram_matrix` and
`geometry.feature_geometry_3d`, `spectra.spectral_measures`, `diagnosis.diagnosis_figure`.
"""

from jaxsup.plot.curves import loss_curves as loss_curves
from jaxsup.plot.curves import observable_curves as observable_curves
from jaxsup.plot.exponents import exponent_against_ratio as exponent_against_ratio
from jaxsup.plot.exponents import exponent_map as exponent_map
from jaxsup.plot.exponents import local_exponents as local_exponents
from jaxsup.plot.geometry import feature_geometry as feature_geometry
from jaxsup.plot.spectra import eigenvalue_spectrum as eigenvalue_spectrum
from jaxsup.plot.style import new_figure as new_figure
from jaxsup.plot.style import save_figure as save_figure

__all__ = [
    "eigenvalue_spectrum",
    "exponent_against_ratio",
    "exponent_map",
    "feature_geometry",
    "local_exponents",
    "loss_curves",
    "new_figure",
    "observable_curves",
    "save_figure",
]
