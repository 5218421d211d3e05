"""The three tables of fits: what measures each, gives its records and prints it."""

from collections.abc import Callable
from typing import Any

import jaxsup
from jaxsup import fit
from jaxsup.fit.tables import exponents, local_tables, regime_tables

TABLES: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., str]]] = {
    "exponents": (
        jaxsup.measure_exponents,
        exponents.exponents_to_records,
        exponents.format_exponents,
    ),
    "regimes": (
        fit.measure_regimes,
        regime_tables.regimes_to_records,
        regime_tables.format_regimes,
    ),
    "local": (
        fit.measure_local_exponents,
        local_tables.local_exponents_to_records,
        local_tables.format_local_exponents,
    ),
}
