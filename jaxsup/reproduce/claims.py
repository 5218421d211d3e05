"""Published statements held to measured numbers, and the verdicts that follow.

**The rule.** A claim has a published range [low, high], its tolerance included, and a measured
estimate with a 95% interval. The verdict is

- "agrees" where the whole interval lies in the range and is no wider than it;
- "differs" where the interval and the range have no point in common;
- "not claimed" otherwise: the interval reaches across an end of the range, or is too wide; and
  where the source states no number, where nothing could be measured, or where the experiment is
  too small to decide, each with its reason.

So a value outside of the range never agrees, one inside never differs, and more data can only turn
"not claimed" into one of the two, as long as the intervals are nested. Both verdicts are tests: if
the quantity is in the range, "differs" comes up in at most 5% of experiments, and if it is not,
"agrees" in at most 5%, as intervals hold what they measure in 95%.

A range that is open on one side has no width that an interval could be wider than: it states a
`scale`, the size of a difference that matters, say the distance from its end to the reading that it
is told apart from. Where it states none, the distance from its end to zero stands in. A range whose
other end is the natural one of its quantity (a share, 0 or 1) is no open range: [0.5, 1].

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
        low, high: the range; one of them is infinite where it is open.
        words: how the source says it, and whose the tolerance is.
        scale: of an open range: the widest interval that decides, > 0, in units of the range;
            None: the distance from its end to zero.
    """

    low: float
    high: float
    words: str
    scale: float | None = None

    @staticmethod
    def about(value: float, tolerance: float, words: str = "") -> Published:
        """value +- tolerance.

        Arguments:
            value: published number.
            tolerance: >= 0.
            words: how the source says it; default: the value.
        """
        return Published(value - tolerance, value + tolerance, words or f"{value:g}")

    @property
    def width(self) -> float:
        """The widest interval that can agree: high - low; of an open range, its scale."""
        width = self.high - self.low
        if math.isfinite(width):
            return width
        if self.scale is not None:
            return self.scale
        return abs(self.high if math.isinf(self.low) else self.low)

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
        ValueError: a range or an estimate is missing without a reason, a range that is none or
            is open without a scale, or an interval that does not hold its value.
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
        if self.published is not None:
            _check_range(self.published)
        estimate = self.measured
        if estimate is not None and not estimate.low <= estimate.value <= estimate.high:
            numbers = tuple(estimate[:3])
            raise fail("measured", "low <= value <= high", numbers, "give an interval")

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        if self.reason or self.published is None or self.measured is None:
            return NOT_CLAIMED
        (low, high, *_), (_, start, end, _) = self.published, self.measured
        if end < low or start > high:
            return DIFFERS
        inside = low <= start and end <= high
        return AGREES if inside and end - start <= self.published.width else NOT_CLAIMED

    @property
    def explanation(self) -> str:
        """Why there is no verdict; empty where there is one."""
        if self.reason or self.published is None or self.measured is None:
            return self.reason
        if self.verdict != NOT_CLAIMED:
            return ""
        (low, high, *_), (value, start, end, _) = self.published, self.measured
        if low <= start and end <= high:
            return f"the interval is wider than {self.published.width:.3g}: it cannot decide"
        where = "inside" if low <= value <= high else "outside"
        return f"the value is {where} the published range, the interval too wide to decide"

    def to_dict(self) -> dict[str, Any]:
        """All fields and the verdict as JSON-safe values; infinite ends of a range are None."""
        published = None
        if self.published is not None:
            ends = [end if math.isfinite(end) else None for end in self.published[:2]]
            published = {"low": ends[0], "high": ends[1], "words": self.published.words}
            published["width"] = self.published.width
        return {
            "quantity": self.quantity,
            "statement": self.statement,
            "source": self.source,
            "published": published,
            "measured": None if self.measured is None else self.measured._asdict(),
            "verdict": self.verdict,
            "explanation": self.explanation,
        }


def _check_range(published: Published) -> None:
    """A range with at least one finite end, and a scale where it has one only."""
    low, high, *_ = published
    ends = (low, high)
    if not low <= high or not (math.isfinite(low) or math.isfinite(high)):
        raise fail("published", "low <= high, one of them finite", ends, "give the range")
    if not (math.isfinite(low) and math.isfinite(high)) and not published.width > 0:
        do = "say the size of a difference that matters"
        raise fail("published", "a positive scale of an open range", published.scale, do)


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
