"""Regimes: a loss curve cut into stretches of one power law each, and what is none in between."""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jaxsup._internal.validation import check_number
from jaxsup.fit.curves import Curve, Losses, bin_curve, read_losses
from jaxsup.fit.intervals import Estimate
from jaxsup.fit.kinds import (
    PLATEAU,
    POWER_LAW,
    Core,
    Rules,
    suspect_end,
    explain_end,
    measure_core,
    name_kinds,
)
from jaxsup.fit.power_law import json_safe
from jaxsup.fit.segmentation import (
    Lines,
    Noise,
    Piece,
    cut,
    fit_lines,
    measure_inflation,
    measure_noise,
    seed_deviations,
)
from jaxsup.fit.tails import Tail

_FEWEST_POINTS = 6


@dataclasses.dataclass(frozen=True)
class Stretch:
    """A part of a loss curve with one law, or with none.

    Attributes:
        kind: "power-law", "crossover", "plateau" or "cut-off".
        window: first and last step.
        exponent: mean of -d log L / d log t; of a power law without the margins at its breaks.
        interval: of the exponent of a power law or plateau, at the level of the `Regimes`; NaN
            where it cannot be known, and of what has no one exponent.
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
        where = f"{self.window[0]:g}..{self.window[1]:g}, {self.decades:.2g} decades"
        return f"{self.kind} {self.exponent:.3g}{known} [{where}]"


@dataclasses.dataclass(frozen=True)
class Regimes:
    """The stretches of a loss curve, in order and without gaps.

    Attributes:
        stretches: at least one where the curve has enough points; neighbors differ in kind or law.
        floor: level that the loss ends at, in its units, with an interval; None where no floor is
            in sight.
        confidence: level of the intervals.
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
        return next(iter(self.power_laws), None)

    @property
    def last_before_floor(self) -> Stretch | None:
        """The last power law, after which come at most a bend and a floor; None without one."""
        return next(reversed(self.power_laws), None)

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-safe values."""
        plain = {name: json_safe(value) for name, value in vars(self).items()}
        floor = None if self.floor is None else self.floor._asdict()
        return {**plain, "stretches": [each.to_dict() for each in self.stretches], "floor": floor}

    def __str__(self) -> str:
        if self.reason:
            return self.reason
        lines = [str(stretch) for stretch in self.stretches]
        return "\n".join([*lines, *([f"floor {self.floor}"] if self.floor else [])])


def regimes(
    steps: ArrayLike,
    loss: ArrayLike,
    *,
    penalty: float | int = 3.0,
    points_per_decade: int = 16,
    min_decades: float | int = 0.5,
    max_drift: float | int = 0.25,
    flat: float | int = 0.05,
    tolerance: float | int = 0.01,
    confidence: float = 0.95,
) -> Regimes:
    """Cut a loss curve into stretches of one power law each, and what lies in between.

    Arguments:
        steps: [steps], update counts >= 0, increasing; step 0 is left out (log 0).
        loss: [steps] or [seeds, steps]. In 2-D a seed with NaN or infinity is left out and counted;
            in 1-D those entries are. The (mean) curve ends before its first value <= 0.
        penalty: price of a break in noise variances, over the log of the number of bins, > 0.
        points_per_decade: bins per decade, >= 4.
        min_decades: shortest power law, in decades of steps, > 0.
        max_drift: largest drift of a power law's local exponent that noise does not explain, as a
            fraction of the exponent, > 0.
        flat: largest exponent, either sign, of a plateau, >= 0.
        tolerance: misfit of log L that is no structure, a standard deviation, >= 0.
        confidence: level of the intervals, in (0, 1).

    Returns:
        The stretches.

    Raises:
        ValueError: for arguments outside these ranges, or fewer than 3 positive steps.
    """
    _check_options(penalty, points_per_decade, min_decades, max_drift, flat, tolerance, confidence)
    losses = read_losses(steps, loss)
    curve = bin_curve(losses, points_per_decade)
    n = len(curve.x)
    if n < _FEWEST_POINTS:
        reason = f"no regimes here: {n} points of a positive loss, {_FEWEST_POINTS} are needed"
        return Regimes((), None, float(confidence), len(losses.values), losses.dropped, reason)
    noise = measure_noise(curve, tolerance)
    lines = fit_lines(curve, noise.total)
    price = penalty * math.log(n)
    pieces = cut(lines, price)
    noise = noise._replace(inflation=measure_inflation(curve, lines, pieces, noise))
    price *= noise.inflation
    pieces = cut(lines, price)
    cores = [measure_core(curve, lines, noise, piece) for piece in pieces]
    rules = Rules(price, min_decades, max_drift, flat)
    end = explain_end(curve, lines, noise, pieces, cores, rules)
    kinds = name_kinds(cores, end, rules)
    stretches = tuple(
        _describe(curve, losses, noise, lines, group, confidence, end)
        for group in _group(pieces, cores, kinds)
    )
    floor = _find_floor(curve, noise, stretches, pieces, end, confidence)
    return Regimes(stretches, floor, float(confidence), len(losses.values), losses.dropped)


def _group(
    pieces: list[Piece], cores: list[Core], kinds: list[str]
) -> list[tuple[str, Piece, Core | None, int]]:
    """Kind, bins, core and place of every stretch: neighbors of one kind, but power laws, join."""
    groups: list[tuple[str, Piece, Core | None, int]] = []
    for place, (piece, core, kind) in enumerate(zip(pieces, cores, kinds, strict=True)):
        if groups and groups[-1][0] == kind != POWER_LAW:
            groups[-1] = (kind, Piece(groups[-1][1].first, piece.last), None, place)
        else:
            groups.append((kind, piece, core, place))
    return groups


def _describe(
    curve: Curve,
    losses: Losses,
    noise: Noise,
    lines: Lines,
    group: tuple[str, Piece, Core | None, int],
    confidence: float,
    end: tuple[int, Tail] | None,
) -> Stretch:
    """One stretch with its exponent and interval."""
    kind, piece, core, place = group
    bins = slice(piece.first, piece.last + 1)
    interval = (math.nan, math.nan)
    if core is not None:
        exponent = core.exponent
    else:
        exponent = _slope(curve.x[bins], curve.y[bins], noise.total[bins])
    if kind == POWER_LAW and core is not None:
        interval = _interval(curve, losses, noise, core, confidence)
        if end is not None and end[0] == place:
            local = end[1].local[: core.last - core.first + 1]
            seen = _slope(
                curve.x[core.first : core.last + 1],
                None,
                noise.total[core.first : core.last + 1],
                local,
            )
            bias = end[1].exponent - seen
            interval = (interval[0] + min(bias, 0.0), interval[1] + max(bias, 0.0))
    first, last = curve.start[piece.first], curve.stop[piece.last] - 1
    return Stretch(
        kind,
        (float(losses.steps[first]), float(losses.steps[last])),
        float(exponent),
        interval,
        float(curve.x[piece.last] - curve.x[piece.first]) / math.log(10),
        piece.last - piece.first + 1,
    )


def _slope(x, y, variance, local=None) -> float:
    """-dy/dx by weighted least squares, or the same mean of local exponents."""
    w = 1 / variance
    d = x - (w @ x) / w.sum()
    if local is not None:
        y = -np.concatenate([[0.0], np.cumsum(np.diff(x) * (local[1:] + local[:-1]) / 2)])
    return -float((w * d) @ y / ((w * d) @ d))


def _interval(
    curve: Curve, losses: Losses, noise: Noise, core: Core, confidence: float
) -> tuple[float, float]:
    """Student's, over seeds or from the scatter, with the drift of the core."""
    from scipy.special import stdtrit

    level, seeds = (1 + confidence) / 2, len(losses.values)
    bins = slice(core.first, core.last + 1)
    x, v = curve.x[bins], noise.total[bins]
    excess = max(core.drift**2 - 4 * core.drift_error**2, 0.0)
    systematic = math.sqrt(excess / 12) * stdtrit(1e6, level)
    freedom = core.last - core.first - 1 + 6
    margin = core.error * stdtrit(freedom, level)
    if seeds > 1:
        deviations = seed_deviations(losses, curve)[:, bins]
        w = 1 / v
        d = x - (w @ x) / w.sum()
        slopes = deviations @ (w * d) / ((w * d) @ d)
        error = float(np.std(slopes, ddof=1)) / math.sqrt(seeds)
        margin = max(margin, error * stdtrit(seeds - 1, level))
    margin = math.hypot(float(margin), float(systematic))
    return core.exponent - margin, core.exponent + margin


def _find_floor(curve, noise, stretches, pieces, end, confidence) -> Estimate | None:
    """The level of the last plateau, or the floor that the end bends towards."""
    from scipy.special import ndtri

    z = float(ndtri((1 + confidence) / 2))
    if end is not None and end[1].kind == "floor":
        tail = end[1]
        width = math.exp(z * tail.error * math.sqrt(noise.inflation))
        return Estimate(tail.level, tail.level / width, tail.level * width, "law with a floor")
    if len(stretches) > 1 and stretches[-1].kind == PLATEAU:
        piece = pieces[-1]
        bins = slice(piece.first, piece.last + 1)
        w = 1 / noise.total[bins]
        level = float(np.exp(w @ curve.y[bins] / w.sum()))
        width = math.exp(z * math.sqrt(noise.inflation / w.sum()))
        return Estimate(level, level / width, level * width, "plateau")
    return None


def _check_options(
    penalty, points_per_decade, min_decades, max_drift, flat, tolerance, confidence
) -> None:
    """Raise unless every option is within its range."""
    check_number("penalty", penalty, "take about 3", low=0, low_open=True)
    check_number("points_per_decade", points_per_decade, "take 16", low=4)
    check_number("min_decades", min_decades, "ask for about 0.5", low=0, low_open=True)
    check_number("max_drift", max_drift, "give a fraction of the exponent", low=0, low_open=True)
    check_number("flat", flat, "take about 0.05", low=0)
    check_number("tolerance", tolerance, "take about 0.01", low=0)
    do = "give a fraction such as 0.95"
    check_number("confidence", confidence, do, low=0, high=1, low_open=True, high_open=True)
