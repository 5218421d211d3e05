"""Power laws of loss curves: exponents with the window they hold in and an interval."""

from jaxsup.fit.exponents import format_exponents as format_exponents
from jaxsup.fit.exponents import measure_exponents as measure_exponents
from jaxsup.fit.intervals import Estimate as Estimate
from jaxsup.fit.intervals import from_bootstrap as from_bootstrap
from jaxsup.fit.intervals import from_fit as from_fit
from jaxsup.fit.intervals import from_samples as from_samples
from jaxsup.fit.intervals import from_share as from_share
from jaxsup.fit.local_exponents import local_exponent as local_exponent
from jaxsup.fit.local_tables import measure_local_exponents as measure_local_exponents
from jaxsup.fit.power_law import PowerLawFit as PowerLawFit
from jaxsup.fit.power_law import fit_power_law as fit_power_law
from jaxsup.fit.regime_search import regimes as regimes
from jaxsup.fit.regime_tables import measure_regimes as measure_regimes
