"""Many runs at once: the grid of points, the programs that train them, the labelled result."""

from jaxsup.sweep.axes import Sweep as Sweep
from jaxsup.sweep.execution import run as run
