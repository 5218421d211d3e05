"""Figures in one quiet style: each function draws data on an axis and returns the axis.

Data are plain arrays or the objects that measured them. `new_figure` makes an axis, `save_figure`
writes the file.
"""

from jaxsup.plot.style import STYLE as STYLE
from jaxsup.plot.style import new_figure as new_figure
from jaxsup.plot.style import save_figure as save_figure
from jaxsup.plot.training import exponent_against_ratio as exponent_against_ratio
from jaxsup.plot.training import exponent_map as exponent_map
from jaxsup.plot.training import loss_curves as loss_curves
