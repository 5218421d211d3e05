"""Stretches of a loss curve, and what a curve's regimes are read from."""

import dataclasses
import math
from typing import Any

from jaxsup._internal.display import Shown, html_table, html_text
from jaxsup.fit.intervals import Estimate
from jaxsup.fit.single.result import json_safe
from jaxsup.fit.stretches.kinds import POWER_LAW


@dataclasses.dataclass(frozen=True, repr=False)
class Stretch(Shown):
    """A part of a loss curve with one law, or with none.

    Attributes:
        kind: "power-law", "crossover", "plateau" or "cut-off".
        window: first and last step.
        exponent: -d log L / d log t by a line; where the stretch is one piece of the cut, as a
            power law is, without the outer 15% of its bins at each end that meets another piece: a
            crossover may begin there.
        interval: of a power law's exponent, at the level of its `Regimes`. NaN where it cannot be
            known, and for what is no power law.
        decades: log10 of the ratio of the mean steps of its last and first bin.
        points: its bins.
    """

    kind: str
    window: tuple[float, float]
    exponent: float
    interval: tuple[float, float]
    decades: float
    points: int

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-safe values: tuples as lists, not finite as None."""
        return {name: json_safe(value) for name, value in vars(self).items()}

    def __str__(self) -> str:
        low, high = self.interval
        known = f" ({low:.3g} to {high:.3g})" if math.isfinite(low) else ""
        where = f"steps {self.window[0]:g} to {self.window[1]:g}, {self.decades:.2g} decades"
        return f"{self.kind} {self.exponent:.3g}{known} [{where}]"


@dataclasses.dataclass(frozen=True, repr=False)
class Regimes(Shown):
    """The stretches of a loss curve.

    Attributes:
        stretches: in order and without gaps; neighbors differ in kind, or are two power laws. Empty
            where the curve has too few points.
        floor: level that the loss ends at or bends towards, in its units, with an interval; None
            where no floor is in sight.
        confidence: level of the intervals, in (0, 1).
        seeds_used: seeds whose mean curve is cut.
        seeds_dropped: seeds left out because their curve holds NaN or infinity.
        reason: empty, or a sentence that says why there are no stretches.
    """

    stretches: tuple[Stretch, ...]
    floor: Estimate | None
    confidence: float
    seeds_used: int
    seeds_dropped: int
    reason: str = ""

    @property
    def power_laws(self) -> tuple[Stretch, ...]:
        """The stretches with a power law, in order."""
        return tuple(stretch for stretch in self.stretches if stretch.kind == POWER_LAW)

    @property
    def first(self) -> Stretch | None:
        """The first power law; None without one."""
        return self.power_laws[0] if self.power_laws else None

    @property
    def last_before_floor(self) -> Stretch | None:
        """The last power law: after it come bends, plateaus and cut-offs only. None without one."""
        return self.power_laws[-1] if self.power_laws else None

    @property
    def steepest(self) -> Stretch | None:
        """The power law with the largest exponent; None without one."""
        return max(self.power_laws, key=lambda stretch: stretch.exponent, default=None)

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-safe values: stretches and floor as mappings."""
        plain = {name: json_safe(value) for name, value in vars(self).items()}
        floor = None if self.floor is None else self.floor._asdict()
        return {**plain, "stretches": [each.to_dict() for each in self.stretches], "floor": floor}

    def __str__(self) -> str:
        if self.reason:
            return self.reason
        floor = [] if self.floor is None else [f"floor {self.floor}"]
        return "\n".join([*map(str, self.stretches), *floor])

    def _repr_html_(self) -> str:
        if self.reason:
            return html_text(repr(self))
        head = ("stretch", "first step", "last step", "exponent", "interval", "decades")
        rows = [
            (
                stretch.kind,
                *(f"{end:g}" for end in stretch.window),
                f"{stretch.exponent:.3g}",
                " to ".join(f"{end:.3g}" for end in stretch.interval if math.isfinite(end)),
                f"{stretch.decades:.2f}",
            )
            for stretch in self.stretches
        ]
        floor = "" if self.floor is None else html_text(f"floor {self.floor}")
        return html_table(rows, head) + floor
