"""Published statements held to measured numbers, and the verdicts that follow.

**The rule.** A claim has a published range [low, high], its tolerance included, and a measured
estimate with a 95% interval. The verdict is

- "differs" where the interval and the range have no point in common;
- "not claimed" where the source states no number, where nothing could be measured, where the
  experiment is too small to decide (each with its reason), or where the interval is too wide to
  tell: it reaches beyond the range on both sides, or it touches the range from outside, its value
  not in it, and is wider than the range;
- "agrees" otherwise.

A verdict is of the experiment at hand, with its sizes and steps; "differs" at a small scale is no
refutation at another. Nothing here knows of training: plain numbers in, words out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxsup._internal.validation import fail

if TYPE_CHECKING:
    from jaxsup.fit.intervals import Estimate

AGREES, DIFFERS, NOT_CLAIMED = "agrees", "differs", "not claimed"
VERDICTS = (AGREES, DIFFERS, NOT_CLAIMED)


class Published(NamedTuple):
    """A published number as a range that includes its tolerance.

    Attributes:
        low, high: the range; infinite where it is open.
        words: how the source says it, and whose the tolerance is.
    """

    low: float
    high: float
    words: str

    @staticmethod
    def about(value: float, tolerance: float, words: str = "") -> Published:
        """value +- tolerance.

        Arguments:
            value: published number.
            tolerance: >= 0.
            words: how the source says it; default: the value.
        """
        return Published(value - tolerance, value + tolerance, words or f"{value:g}")

    def __str__(self) -> str:
        if math.isinf(self.low):
            return f"<= {self.high:.3g}"
        if math.isinf(self.high):
            return f">= {self.low:.3g}"
        return f"{self.low:.3g} to {self.high:.3g}"


@dataclasses.dataclass(frozen=True)
class Claim:
    """A published statement, what was measured of it, and the verdict by the rule above.

    Attributes:
        quantity: the measured number in a few words, with its unit if it has one.
        statement: what the source says, in a sentence.
        source: paper and section.
        published: the range; None where the source states none.
        measured: the estimate; None where nothing could be measured.
        reason: why there is no verdict; needed where a range or an estimate is missing, and
            wherever it is given the verdict is "not claimed".

    Raises:
        ValueError: a range or an estimate is missing without a reason, or an interval that does
            not hold its value.
    """

    quantity: str
    statement: str
    source: str
    published: Published | None
    measured: Estimate | None
    reason: str = ""

    def __post_init__(self) -> None:
        if (self.published is None or self.measured is None) and not self.reason:
            missing = "published" if self.published is None else "measured"
            raise fail(missing, "a number, or a reason why there is none", None, "say the reason")
        estimate = self.measured
        if estimate is not None and not estimate.low <= estimate.value <= estimate.high:
            numbers = tuple(estimate[:3])
            raise fail("measured", "low <= value <= high", numbers, "give an interval")

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        if self.reason or self.published is None or self.measured is None:
            return NOT_CLAIMED
        (low, high, _), (value, start, end, _) = self.published, self.measured
        if end < low or start > high:
            return DIFFERS
        beyond = start < low and end > high
        outside = not low <= value <= high
        return NOT_CLAIMED if beyond or (outside and end - start > high - low) else AGREES

    @property
    def explanation(self) -> str:
        """Why there is no verdict; empty where there is one."""
        if self.reason or self.verdict != NOT_CLAIMED:
            return self.reason
        return "the interval is too wide beside the published range: it cannot decide"

    def to_dict(self) -> dict[str, Any]:
        """All fields and the verdict as JSON-safe values; infinite ends of a range are None."""
        published = None
        if self.published is not None:
            ends = [end if math.isfinite(end) else None for end in self.published[:2]]
            published = {"low": ends[0], "high": ends[1], "words": self.published.words}
        return {
            "quantity": self.quantity,
            "statement": self.statement,
            "source": self.source,
            "published": published,
            "measured": None if self.measured is None else self.measured._asdict(),
            "verdict": self.verdict,
            "explanation": self.explanation,
        }


def format_claims(claims: Sequence[Claim]) -> list[str]:
    """Claims as lines: statement and source, then measured against published with the verdict."""
    lines = []
    for claim in claims:
        published = "no number" if claim.published is None else str(claim.published)
        measured = "nothing" if claim.measured is None else f"{claim.measured}"
        words = f' ("{claim.published.words}")' if claim.published else ""
        basis = f" [{claim.measured.basis}]" if claim.measured else ""
        lines += [
            f"{claim.verdict.upper()}: {claim.quantity}",
            f"  claim      {claim.statement} ({claim.source})",
            f"  published  {published}{words}",
            f"  measured   {measured}{basis}",
        ]
        if claim.explanation:
            lines.append(f"  because    {claim.explanation}")
    return lines
