"""Published figures by name, and what one needs to write another.

A figure is a class with a configuration, a measurement, claims and a picture: see
`jaxsup.reproduce.AbstractFigure`. The public names are listed in ``__init__.pyi`` and imported when
they are first used, so that the command can list the figures before JAX is loaded.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
