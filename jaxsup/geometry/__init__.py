"""Names of feature geometries: Gram colour classes, coherent closure, schemes, the catalogue.

`classify` is the entry point. Everything runs on the host in float64 and exact integers.
"""

from jaxsup.geometry.catalogue import Entry as Entry
from jaxsup.geometry.catalogue import candidates as candidates
from jaxsup.geometry.census import commonest as commonest
from jaxsup.geometry.census import composition as composition
from jaxsup.geometry.census import feature_shares as feature_shares
from jaxsup.geometry.classify import classify as classify
from jaxsup.geometry.coherent import Closure as Closure
from jaxsup.geometry.coherent import coherent_closure as coherent_closure
from jaxsup.geometry.embedding import Idempotent as Idempotent
from jaxsup.geometry.report import Component as Component
from jaxsup.geometry.report import Eigenspace as Eigenspace
from jaxsup.geometry.report import Geometry as Geometry
from jaxsup.geometry.scheme import AssociationScheme as AssociationScheme
