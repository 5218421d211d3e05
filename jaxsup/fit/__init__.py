"""Power laws of loss curves: exponents with the window they hold in and an interval."""

from jaxsup.fit.exponents import measure_exponents as measure_exponents
from jaxsup.fit.power_law import PowerLawFit as PowerLawFit
from jaxsup.fit.power_law import fit_power_law as fit_power_law
