"""Train thousands of small teacher-student networks at once; measure how and what they learn.

The public names are listed in ``__init__.pyi`` and imported when they are first used, so that the
command answers before JAX is loaded.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
