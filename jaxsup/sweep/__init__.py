"""Many runs at once: the grid, the programs that train it, and the store that it ends up in."""

from jaxsup.sweep.axes import Sweep as Sweep
from jaxsup.sweep.execution import run as run
from jaxsup.sweep.processes import Share as Share
from jaxsup.sweep.reading import open_store as open_store
from jaxsup.sweep.training import Stopped as Stopped
