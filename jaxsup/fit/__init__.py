"""Power laws of loss curves: exponents with the window they hold in and an interval.

`jaxsup.fit_power_law` fits one curve, `jaxsup.measure_exponents` a dataset, `fit_scaling` a law of
losses over model sizes and data. Intervals of other
numbers, as claims need them, are in `jaxsup.fit.intervals`.
"""

from jaxsup.fit.scaling.laws import fit_scaling as fit_scaling
from jaxsup.fit.single.result import PowerLawFit as PowerLawFit
from jaxsup.fit.stretches.local_exponents import local_exponent as local_exponent
from jaxsup.fit.stretches.regime_search import regimes as regimes
from jaxsup.fit.tables.exponents import format_exponents as format_exponents
from jaxsup.fit.tables.local_tables import measure_local_exponents as measure_local_exponents
from jaxsup.fit.tables.regime_tables import measure_regimes as measure_regimes

__all__ = [
    "PowerLawFit",
    "fit_scaling",
    "format_exponents",
    "local_exponent",
    "measure_local_exponents",
    "measure_regimes",
    "regimes",
]
