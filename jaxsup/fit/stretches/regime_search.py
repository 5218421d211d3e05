"""Regimes: a loss curve cut into stretches of one power law each, and what is none in between.

Plain arrays in host numpy, in double precision; nothing here knows of training.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxsup._internal.blas import one_blas_thread
from jaxsup._internal.validation import MOST, check_integer, check_number
from jaxsup.fit.curves import Curve, Losses, bin_curve, group_curves, read_losses
from jaxsup.fit.stretches.bin_noise import (
    Noise,
    measure_noise,
    resolvable,
    scatter_inflation,
    seed_deviations,
)
from jaxsup.fit.stretches.jumps import jumps_between
from jaxsup.fit.stretches.kinds import (
    CROSSOVER,
    PLATEAU,
    POWER_LAW,
    Core,
    End,
    Rules,
    explain_end,
    extend_law,
    measure_core,
    merge,
    name_kinds,
    suspect_end,
)
from jaxsup.fit.stretches.regimes import Regimes, Stretch
from jaxsup.fit.stretches.segmentation import (
    Lines,
    Piece,
    best_cuts,
    cut,
    fit_lines,
    seed_inflation,
)
from jaxsup.fit.stretches.stretch_intervals import line_influence, measure_floor, measure_interval

_FEWEST_POINTS = 6
_STEADY = {POWER_LAW, PLATEAU}


class RegimeOptions(NamedTuple):
    """Options of `regimes`, by their names; `check` says which are outside of their ranges."""

    penalty: float | int = 3.0
    points_per_decade: int = 16
    min_decades: float | int = 0.5
    max_drift: float | int = 0.25
    flat: float | int = 0.05
    tolerance: float | int = 0.01
    confidence: float = 0.95

    def check(self) -> None:
        """Raise unless every option is within its range.

        Raises:
            ValueError: one is not.
        """
        fraction = "give a fraction of the exponent"
        check_number("penalty", self.penalty, "take 3", low=0, low_open=True)
        check_integer("points_per_decade", self.points_per_decade, "take 16", low=4, high=MOST)
        check_number("min_decades", self.min_decades, "ask for about 0.5", low=0, low_open=True)
        check_number("max_drift", self.max_drift, fraction, low=0, low_open=True)
        check_number("flat", self.flat, "take about 0.05", low=0)
        check_number("tolerance", self.tolerance, "take about 0.01", low=0)
        ends = {"low": 0, "high": 1, "low_open": True, "high_open": True}
        check_number("confidence", self.confidence, "give a fraction such as 0.95", **ends)


class _Prepared(NamedTuple):
    """A curve before it is cut: what is measured of many at once."""

    curve: Curve
    deviations: Float[np.ndarray, "seeds points"]
    noise: Noise
    lines: Lines
    cuts: list[list[Piece]]
    inflation: float


class _Cut(NamedTuple):
    """A curve cut in pieces, with what is known of each."""

    curve: Curve
    deviations: Float[np.ndarray, "seeds points"]
    losses: Losses
    noise: Noise
    lines: Lines
    cores: list[Core]
    end: End | None


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

    Lines through log L against log t, on log-spaced bins, that need not join; the breaks minimize
    the sum of squares over the noise, plus `penalty` log n for each piece. A piece is a power law
    where it is long enough and its local exponent steady; otherwise it is a crossover, a plateau or
    an exponential cut-off. `docs/methods/exponents.md` has the rules.

    Arguments:
        steps: [steps], update counts >= 0, increasing; step 0 is left out (log 0).
        loss: [steps] or [seeds, steps]. In 2-D a seed with NaN or infinity is left out and counted;
            in 1-D those entries are. The (mean) curve ends before its first value <= 0.
        penalty: price of a piece in noise variances, over the log of the number of bins, > 0.
        points_per_decade: bins per decade, an integer >= 4.
        min_decades: shortest power law or plateau, in decades of steps, > 0.
        max_drift: largest change of a power law's local exponent from end to end that noise does
            not explain, as a fraction of the exponent, > 0.
        flat: largest exponent, either sign, of a plateau, >= 0.
        tolerance: misfit of log L that is no structure, a standard deviation, >= 0.
        confidence: level of the intervals, in (0, 1).

    Returns:
        The stretches, in order, and the floor.

    Raises:
        ValueError: for arguments outside these ranges, or fewer than 3 positive steps.

    Reference:
        Lines by dynamic programming: Bellman, Commun. ACM 4 (1961) 284; a penalty of the kind of
        Yao, Stat. Probab. Lett. 6 (1988) 181.

    >>> import numpy as np
    >>> t = np.arange(1, 10_001)
    >>> found = regimes(t, t**-0.3 * (1 + (t / 300) ** 7.0) ** -0.1)
    >>> [(each.kind, round(each.exponent, 2)) for each in found.power_laws]
    [('power-law', 0.3), ('power-law', 1.0)]
    """
    options = RegimeOptions(
        penalty, points_per_decade, min_decades, max_drift, flat, tolerance, confidence
    )
    options.check()
    return find_regimes([read_losses(steps, loss)], options)[0]


@one_blas_thread()
def find_regimes(records: Sequence[Losses], options: RegimeOptions) -> list[Regimes]:
    """`regimes` of many curves: noise, lines and cuts of those with the same bins at once.

    Arguments:
        records: losses of each curve.
        options: of `regimes`.
    """
    curves = [bin_curve(losses, options.points_per_decade) for losses in records]
    found: dict[int, Regimes] = {}
    groups: dict[int, list[int]] = {}  # by number of seeds
    for place, (losses, curve) in enumerate(zip(records, curves, strict=True)):
        if len(curve.x) < _FEWEST_POINTS:
            counts = f"{len(curve.x)} log-spaced points of a positive loss"
            reason = f"no regimes here: {counts}, {_FEWEST_POINTS} are needed"
            known = float(options.confidence), len(losses.values), losses.dropped
            found[place] = Regimes((), None, *known, reason)
        else:
            groups.setdefault(len(losses.values), []).append(place)
    for alike in groups.values():
        for rows, curve in group_curves([curves[place] for place in alike]):
            places = [alike[row] for row in rows]
            for place, prepared in zip(
                places, _prepare(curve, [records[k] for k in places], options), strict=True
            ):
                found[place] = _cut_curve(prepared, records[place], options)
    return [found[place] for place in range(len(records))]


def _prepare(
    curve: Curve, records: list[Losses], options: RegimeOptions, *, trend: bool = True
) -> list[_Prepared]:
    """Noise, lines and cheapest cuts of curves with the same bins and as many seeds."""
    noise = resolvable(curve, measure_noise(curve, options.tolerance, trend=trend))
    lines = fit_lines(curve, noise.total)
    deviations = np.stack([seed_deviations(losses, curve) for losses in records])
    if deviations.shape[1] > 1:
        least = seed_inflation(deviations, curve, lines, noise, options.min_decades)
    else:
        least = scatter_inflation(curve, noise)
    return [
        _Prepared(
            curve._replace(y=y), deviations[k], noise.of(k), lines.of(k), cuts, float(least[k])
        )
        for k, (y, cuts) in enumerate(zip(curve.y, best_cuts(lines), strict=True))
    ]


def _cut_curve(
    prepared: _Prepared, losses: Losses, options: RegimeOptions, *, trend: bool = True
) -> Regimes:
    """The stretches of one curve; `trend`: whether its noise was let grow along it."""
    curve, deviations, noise, lines, cuts, least = prepared
    price = options.penalty * math.log(len(curve.x))
    pieces, inflation = cut(curve, lines, noise, price, cuts, least)
    noise = noise._replace(inflation=inflation)
    rules = Rules(price * inflation, options.min_decades, options.max_drift, options.flat)
    pieces = merge(curve, lines, noise, pieces, rules)
    cores = [measure_core(curve, lines, noise, piece) for piece in pieces]
    end = explain_end(curve, lines, noise, pieces, cores, rules)
    if end is not None and end.is_bent_law:
        pieces = extend_law(pieces, cores, end)
        cores = [measure_core(curve, lines, noise, piece) for piece in pieces]
    kinds = name_kinds(cores, end, rules)
    missed = [rules.line_misses(core) for core in cores]
    if trend and any(miss and kind in _STEADY for miss, kind in zip(missed, kinds, strict=True)):
        # Growing curvature was taken for growing noise, and what comes late left out.
        alone = curve._replace(y=curve.y[None])
        (again,) = _prepare(alone, [losses], options, trend=False)
        return _cut_curve(again, losses, options, trend=False)
    whole = _Cut(curve, deviations, losses, noise, lines, cores, end)
    intervals = [_interval(whole, place, options.confidence) for place in range(len(cores))]
    kinds = [
        CROSSOVER if (kind == POWER_LAW and low <= 0) or (kind in _STEADY and miss) else kind
        for kind, (low, _), miss in zip(kinds, intervals, missed, strict=True)
    ]
    groups = _join(whole, pieces, kinds)
    stretches = tuple(_describe(whole, *group, intervals) for group in groups)
    plateau = groups[-1][1] if groups[-1][0] == PLATEAU and len(groups) > 1 else None
    floor = measure_floor(curve, noise, plateau, end and end.tail, options.confidence)
    known = float(options.confidence), len(losses.values), losses.dropped
    return Regimes(stretches, floor, *known)


def _join(whole: _Cut, pieces: list[Piece], kinds: list[str]) -> list[tuple[str, Piece, int]]:
    """Kind, bins and first place of each stretch: neighbors of one kind but power laws are one.

    Where the loss jumps from one power law or plateau to another, the bins beside the jump are a
    crossover.
    """
    groups: list[tuple[str, Piece, int]] = []
    for place, (piece, kind) in enumerate(zip(pieces, kinds, strict=True)):
        if not groups:
            groups.append((kind, piece, place))
            continue
        earlier, (first, last), start = groups[-1]
        known = whole.curve, whole.lines, whole.noise
        if (
            earlier in _STEADY
            and kind in _STEADY
            and jumps_between(*known, pieces[place - 1], piece)
        ):
            groups[-1] = (earlier, Piece(first, last - 1), start)
            groups.append((CROSSOVER, Piece(last, piece.first), place))
            groups.append((kind, Piece(piece.first + 1, piece.last), place))
        elif earlier == kind != POWER_LAW:
            groups[-1] = (kind, Piece(first, piece.last), start)
        else:
            groups.append((kind, piece, place))
    return groups


def _interval(whole: _Cut, place: int, confidence: float) -> tuple[float, float]:
    """Interval of a piece's exponent, if it is a power law."""
    tails = [whole.end.tail] if whole.end is not None and whole.end.place == place else []
    if whole.end is None and place == len(whole.cores) - 1:
        tails = suspect_end(whole.curve, whole.lines, whole.noise, whole.cores[place])
    core = whole.cores[place]
    return measure_interval(whole.curve, whole.deviations, whole.noise, core, tails, confidence)


def _describe(
    whole: _Cut, kind: str, piece: Piece, place: int, intervals: list[tuple[float, float]]
) -> Stretch:
    """One stretch with its exponent and, of a power law, its interval."""
    curve, core = whole.curve, whole.cores[place]
    bins = slice(piece.first, piece.last + 1)
    if kind == POWER_LAW or core.points == piece.last - piece.first + 1:
        exponent = core.exponent
    else:
        exponent = float(line_influence(curve.x[bins], whole.noise.total[bins]) @ curve.y[bins])
    first, last = curve.start[piece.first], curve.stop[piece.last] - 1
    return Stretch(
        kind,
        (float(whole.losses.steps[first]), float(whole.losses.steps[last])),
        exponent,
        intervals[place] if kind == POWER_LAW else (math.nan, math.nan),
        float(curve.x[piece.last] - curve.x[piece.first]) / math.log(10),
        piece.last - piece.first + 1,
    )
