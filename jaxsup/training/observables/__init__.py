"""What may be recorded of a network: the loss, sizes of arrays, spectra and geometry."""

from jaxsup.training.observables.registry import OBSERVABLES as OBSERVABLES
from jaxsup.training.observables.registry import observables_of as observables_of
