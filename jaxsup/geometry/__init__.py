"""Names of feature geometries: Gram color classes, coherent closure, schemes, the catalogue.

`classify` is the entry point. Everything runs on the host in float64 and exact integers.
"""

from jaxsup.geometry.classify import classify as classify
from jaxsup.geometry.report import Geometry as Geometry

__all__ = [
    "Geometry",
    "classify",
]
