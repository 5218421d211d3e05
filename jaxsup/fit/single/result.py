"""What a power-law fit of one loss curve says."""

import dataclasses
import enum
import math
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxsup._internal.display import Shown
from jaxsup._internal.validation import check_number
from jaxsup.fit.numbers import read_numbers
from jaxsup.fit.single.refusals import Refusal


@dataclasses.dataclass(frozen=True, repr=False)
class PowerLawFit(Shown):
    """L(t) = floor + amplitude * t^-exponent over `window`, or why there is none.

    Where `found` is False, exponent, its errors and amplitude are NaN and `reason` says why;
    `slope`, `window`, `decades` and `drift` still describe what was refused, NaN where unknown.

    Attributes:
        exponent: alpha, positive for a falling loss.
        stderr: standard error of the exponent, sqrt(statistical^2 + systematic^2).
        systematic: the part of `stderr` that is due to drift and small jumps.
        interval: confidence interval of the exponent, at level `confidence`.
        confidence: level of the interval, in (0, 1).
        correlation_open: whether the record leaves open how long the noise of its one curve is
            correlated, and with it `interval`: those under the shortest and the longest plausible
            correlation differ by more than a factor of 2.
        widest: where that is open, the interval under the longest; else `interval`.
        amplitude: A, in units of the loss: the power-law part extrapolated to t = 1.
        floor: c, in units of the loss; may be negative; 0.0 where none was asked for.
        window: first and last step used.
        decades: log10 of the ratio of the mean steps of the last and the first bin used.
        drift: largest difference between the slopes of the window's three thirds, noise included.
        slope: plain -d log L / d log t over the window, with no claim that it is an exponent.
        points: log-spaced bins in the window.
        seeds_used: seeds whose mean curve is fitted.
        seeds_dropped: seeds left out because their curve holds NaN or infinity.
        found: whether there is a power law.
        reason: empty, or a sentence that starts with "no power law here".
        refusal: which check the curve fails; None where there is a power law.
    """

    exponent: float = math.nan
    stderr: float = math.nan
    systematic: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)
    confidence: float = math.nan
    correlation_open: bool = False
    widest: tuple[float, float] = (math.nan, math.nan)
    amplitude: float = math.nan
    floor: float = math.nan
    window: tuple[float, float] = (math.nan, math.nan)
    decades: float = math.nan
    drift: float = math.nan
    slope: float = math.nan
    points: int = 0
    seeds_used: int = 0
    seeds_dropped: int = 0
    found: bool = False
    reason: str = ""
    refusal: Refusal | None = None

    def predict(self, steps: ArrayLike) -> Float[np.ndarray, "..."]:
        """floor + amplitude * steps^-exponent, shaped like `steps`; NaN where not `found`.

        Arguments:
            steps: update counts >= 0; the law is infinite at 0.

        Raises:
            ValueError: one is negative, or no number.
        """
        numbers, _ = read_numbers("steps", steps)
        check_number("steps", numbers[~np.isnan(numbers)], "count updates from 0", low=0)
        with np.errstate(divide="ignore"):
            return np.asarray(self.floor + self.amplitude * numbers**-self.exponent)

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-safe values: tuples as lists, not finite as None, refusal by name."""
        names = [field.name for field in dataclasses.fields(self)]
        return {name: json_safe(getattr(self, name)) for name in names}

    def refused(self, refusal: Refusal, **figures: float | int | str) -> "PowerLawFit":
        """This result as a refusal, with the figures of its sentence."""
        return dataclasses.replace(self, refusal=refusal, reason=refusal.explain(**figures))

    def __str__(self) -> str:
        where = f"steps {self.window[0]:g} to {self.window[1]:g}, {self.points} points"
        where += f", {self.seeds_used} seeds" if self.seeds_used != 1 else ""
        where += f", {self.seeds_dropped} seeds dropped" if self.seeds_dropped else ""
        if not self.found:
            return f"{self.reason} [{where}; slope {self.slope:.3g}]"
        offset = f"{self.floor:.4g} + " if self.floor else ""
        low, high = self.interval
        interval = f"{100 * self.confidence:g}% interval {low:.4g} to {high:.4g}"
        if self.correlation_open:
            low, high = self.widest
            interval += (
                f"; the record leaves open how long its noise is correlated, "
                f"and with it the interval, up to {low:.4g} to {high:.4g}"
            )
        return (
            f"L = {offset}{self.amplitude:.4g} t^-{self.exponent:.4g}: "
            f"exponent {self.exponent:.4g} +- {self.stderr:.2g} ({interval}) [{where}]"
        )


def json_safe(value: object) -> Any:
    """A value as JSON holds it: tuples as lists, None for not finite, members by name."""
    if isinstance(value, tuple):
        return [json_safe(item) for item in value]
    if isinstance(value, enum.Enum):
        return value.name
    return None if isinstance(value, float) and not math.isfinite(value) else value
