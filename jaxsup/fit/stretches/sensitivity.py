"""How the exponents of regimes depend on the numbers of the protocol: penalty, bins, shortest law.

Every number is varied by itself, the others at their defaults.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from jaxsup._internal.validation import check_choice
from jaxsup.fit.stretches.regime_search import regimes
from jaxsup.fit.stretches.regimes import Regimes, Stretch

VARIATIONS: Mapping[str, tuple[float, ...]] = {
    "penalty": (1.5, 2.0, 3.0, 4.5, 6.0),
    "points_per_decade": (8, 12, 16, 24),
    "min_decades": (0.3, 0.4, 0.5, 0.7, 1.0),
    "max_drift": (0.15, 0.25, 0.4),
    "tolerance": (0.003, 0.01, 0.02),
}
_STRETCHES: Mapping[str, Callable[[Regimes], Stretch | None]] = {
    "first": lambda found: found.first,
    "last_before_floor": lambda found: found.last_before_floor,
    "steepest": lambda found: found.steepest,
}


def measure_sensitivity(
    steps: ArrayLike,
    loss: ArrayLike,
    *,
    which: str = "last_before_floor",
    variations: Mapping[str, Sequence[float | int]] = VARIATIONS,
) -> list[dict[str, Any]]:
    """The exponent of one stretch at every value of every option of `jaxsup.fit.regimes`.

    Arguments:
        steps: [steps], as `jaxsup.fit.regimes` takes them.
        loss: [steps] or [seeds, steps].
        which: "first", "last_before_floor" or "steepest" of the power laws.
        variations: values of options, by name.

    Returns:
        One JSON-safe mapping a value: option, value, exponent, low, high, first, last (None where
        there is no power law) and the number of power laws.

    Raises:
        ValueError: as `jaxsup.fit.regimes`, or `which` is none of the three.
    """
    check_choice("which", which, _STRETCHES)
    records = []
    for option, values in variations.items():
        for value in values:
            options: dict[str, Any] = {option: value}
            found = regimes(steps, loss, **options)
            records.append({"option": option, "value": value, **_describe(found, which)})
    return records


def format_sensitivity(records: Sequence[Mapping[str, Any]]) -> str:
    """Records of `measure_sensitivity` as aligned text, one line each."""
    header = ["option", "value", "exponent", "interval", "steps", "power laws"]
    rows = [header]
    for record in records:
        cells = ["none", "-", "-"]
        if record["exponent"] is not None:
            low, high = record["low"], record["high"]
            cells = [f"{record['exponent']:.3f}", "-", f"{record['first']:g}..{record['last']:g}"]
            cells[1] = "-" if low is None else f"{low:.3f}..{high:.3f}"
        rows.append([record["option"], f"{record['value']:g}", *cells, f"{record['power_laws']}"])
    columns = [
        [cell.rjust(max(map(len, column))) for cell in column] for column in zip(*rows, strict=True)
    ]
    return "\n".join("  ".join(line) for line in zip(*columns, strict=True))


def _describe(found: Regimes, which: str) -> dict[str, Any]:
    """The chosen stretch as the fields of a record."""
    names = ("exponent", "low", "high", "first", "last")
    stretch = _STRETCHES[which](found)
    numbers: Sequence[float | None] = (None,) * len(names)
    if stretch is not None:
        plain = stretch.to_dict()
        numbers = (plain["exponent"], *plain["interval"], *plain["window"])
    return {**dict(zip(names, numbers, strict=True)), "power_laws": len(found.power_laws)}
