from . import toys as toys
from .claims import Claim as Claim
from .claims import Published as Published
from .figure import AbstractFigure as AbstractFigure
from .figure import AbstractWeightsFigure as AbstractWeightsFigure
from .figure import Findings as Findings
from .registry import figure_titles as figure_titles
from .run import reproduce as reproduce
