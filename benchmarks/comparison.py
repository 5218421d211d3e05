"""From turns to a line of the table: medians, ratios with their spread, agreement of curves."""

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import Any

# Two-sided probability with which equal curves are called different, at each recorded step.
_LEVEL = 1e-5


@dataclasses.dataclass(frozen=True)
class Spread:
    """A measured number: the median of its rounds, the smallest and the largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of the values of several rounds."""
        return cls(statistics.median(values), min(values), max(values))


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        work: what is done.
        against: what it is held against.
        reached: how often faster ("x"), which share ("%"), how many ("") or how long ("s").
        unit: one of these four.
        target: what it must reach, in the same unit; None where nothing was promised.
        at_most: whether the target is a ceiling.
        ours, theirs: cost of both sides in microseconds a unit of work, where there are two.
        note: what a reader must know.
        attainable: whether it is held against the most that there can be. More than that is an
            error of the benchmark, not a good result.
    """

    work: str
    against: str
    reached: Spread
    unit: str
    target: float | None = None
    at_most: bool = False
    ours: float | None = None
    theirs: float | None = None
    note: str = ""
    attainable: bool = False

    @property
    def impossible(self) -> bool:
        """Whether more than the attainable was measured: the peak is none."""
        return self.attainable and self.reached.median > 1

    @property
    def met(self) -> bool | None:
        """Whether the median meets the target; None without one. What cannot be meets none."""
        if self.target is None:
            return None
        if self.impossible:
            return False
        if self.at_most:
            return self.reached.median <= self.target
        return self.reached.median >= self.target


def compare(
    work: str, against: str, ours: Sequence[float], theirs: Sequence[float], **more: Any
) -> Row:
    """How often faster `ours` is than `theirs`, costs of the same rounds: ratios round by round."""
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    return Row(
        work,
        against,
        Spread.of(ratios),
        "x",
        ours=1e6 * statistics.median(ours),
        theirs=1e6 * statistics.median(theirs),
        **more,
    )


def rows_against(
    work: str,
    seats: Mapping[str, Any],
    rivals: Mapping[str, tuple[str, float | None]],
    note: Callable[[str], str],
) -> list[Row]:
    """A row for each rival that took part, "jaxsup" against it; of the others it is said why not.

    `rivals` holds what the table calls each, and its target; `note` makes the note of its row.
    """
    rows = []
    for name, (against, target) in rivals.items():
        if seats[name].missing:
            print(f"skipped: {against}: {seats[name].missing}")
            continue
        costs = seats["jaxsup"].costs, seats[name].costs
        rows.append(compare(work, against, *costs, target=target, note=note(name)))
    return rows


def share_of(
    work: str, against: str, ours: Sequence[float], bounds: Sequence[float], **more: Any
) -> Row:
    """Which share of the attainable `ours` is: least cost over cost, of the same rounds."""
    row = compare(work, against, ours, bounds)
    return dataclasses.replace(row, unit="%", attainable=True, **more)


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Whether two curves have the same mean.

    Attributes:
        agree: at every recorded step.
        difference: largest difference of the means, relative to the first one.
        bound: the difference allowed there.
    """

    agree: bool
    difference: float
    bound: float


def same_mean(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> Agreement:
    """Hold the mean curves of two contenders, [replicas, steps], against each other.

    Replica r of one starts from the same weights as replica r of the other, and draws data of its
    own from the same law. So the differences of replicas scatter about zero, and their mean is
    allowed to be Student's t at the level 1e-5 times its standard error. Replicas that only one of
    the two has are left out.

    Raises:
        ValueError: there are fewer than four replicas to compare.
    """
    import numpy as np
    from scipy.stats import t

    count = min(len(ours), len(theirs))
    if count < 4:
        raise ValueError(f"curves: expected at least 4 replicas of both; got {count}; train more")
    a, b = np.asarray(ours[:count], float), np.asarray(theirs[:count], float)
    gaps = b - a
    mean, error = gaps.mean(axis=0), gaps.std(axis=0, ddof=1) / sqrt(count)
    allowed = t.isf(_LEVEL / 2, count - 1) * error
    scale = np.abs(a.mean(axis=0))
    worst = int(np.argmax(np.abs(mean) / np.maximum(allowed, np.finfo(float).tiny)))
    return Agreement(
        bool(np.all(np.abs(mean) <= allowed)),
        float(abs(mean[worst]) / scale[worst]),
        float(allowed[worst] / scale[worst]),
    )


def same_values(ours: Any, theirs: Any, tolerance: float) -> Agreement:
    """Hold numbers that both compute without chance against each other.

    `difference` is the largest one, relative to the largest of ours.
    """
    import numpy as np

    a, b = np.asarray(ours, float), np.asarray(theirs, float)
    difference = float(np.max(np.abs(a - b)) / np.max(np.abs(a)))
    return Agreement(bool(difference <= tolerance), difference, tolerance)


def insist(agreement: Agreement, what: str) -> str:
    """A note about curves that agree.

    Raises:
        SystemExit: they do not: two programs that do different work have no ratio.
    """
    text = f"differ by {agreement.difference:.2g}, allowed {agreement.bound:.2g}"
    if not agreement.agree:
        raise SystemExit(f"benchmarks: {what} {text}: not the same work, nothing is timed")
    return f"curves {text}"


class Notes:
    """Agreement with the first contender, found before timing: a note for each rival's row.

    Arguments:
        work: what is compared, for the message if it differs.
        first: the contender that the others are held against.
        agreement: curves of two contenders -> `Agreement`.
        exact: the same for rivals that draw the same random numbers, by name.
    """

    def __init__(
        self,
        work: str,
        first: str,
        agreement: Callable[[Any, Any], Agreement],
        exact: Mapping[str, Callable[[Any, Any], Agreement]] | None = None,
    ) -> None:
        self.work, self.first = work, first
        self.agreement, self.exact = agreement, exact or {}
        self.found: dict[str, str] = {}

    def __call__(self, contenders: Mapping[str, Any]) -> None:
        """Compare all that take part and have a curve."""
        ours = contenders[self.first].curve
        for name, rival in contenders.items():
            if name != self.first and rival.curve is not None:
                agreement = self.exact.get(name, self.agreement)(ours, rival.curve)
                self.found[name] = insist(agreement, f"{self.work}, {name}")

    def __getitem__(self, name: str) -> str:
        """The note of a rival."""
        return self.found[name]
