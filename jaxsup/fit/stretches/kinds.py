"""What each piece of a cut curve is: a power law, a crossover between two, a plateau, a cut-off.

`docs/methods/exponents.md` states the rules and the reasons for their numbers.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup.fit.curves import Curve
from jaxsup.fit.stretches.bin_noise import Noise
from jaxsup.fit.stretches.jumps import jumps_between
from jaxsup.fit.stretches.segmentation import Lines, Piece
from jaxsup.fit.stretches.tails import Tail, fit_cutoff, fit_floor

POWER_LAW, CROSSOVER, PLATEAU, CUT_OFF = "power-law", "crossover", "plateau", "cut-off"
_MARGIN = 0.15  # of a piece's bins at an end that meets another piece: a crossover starts there
_FEWEST_INSIDE = 3  # bins without the margins
_FEWEST_POINTS = 5  # bins of a power law or plateau
_CLEAR = 2.0  # standard errors of a slope
_CLEAR_DRIFT = 4.0  # of a drift; many pieces are looked at
_LAW_HOLDS = 0.1  # of an exponent: a bent law that is off by less still looks like the law
_TINY = 1e-300
_LEAST_FOLDS = 2.0  # times that an exponential cut-off divides the loss by e, to be called one


class Core(NamedTuple):
    """The steady inside of a piece, without its margins, and the line through it.

    Attributes:
        first: first bin.
        last: last bin, included.
        exponent: -d log L / d log t.
        error: its standard error by the noise, tolerance included.
        shift: what the margins change of the exponent.
        drift: change of the local exponent from end to end, by a parabola.
        drift_error: its standard error by the noise alone.
        decades: of steps, of the whole piece.
        points: bins of the whole piece.
        share: of the whole piece's length in log t.
        contrast: of `exponent` with that from end to end of the piece, beyond what noise explains.
    """

    first: int
    last: int
    exponent: float
    error: float
    shift: float
    drift: float
    drift_error: float
    decades: float
    points: int
    share: float
    contrast: float


class Rules(NamedTuple):
    """What decides between the kinds.

    Attributes:
        price: of a piece, in variances.
        min_decades: shortest power law or plateau.
        max_drift: largest clear drift of a power law, as a fraction of its exponent.
        flat: largest exponent of a plateau, either sign.
    """

    price: float
    min_decades: float | int
    max_drift: float | int
    flat: float | int

    def long_enough(self, core: Core) -> bool:
        """Whether a piece may be a power law or plateau."""
        reached = core.decades >= self.min_decades * (1 - 1e-9)
        return reached and core.points >= _FEWEST_POINTS

    def line_misses(self, core: Core) -> bool:
        """Whether a line is not that of its piece, which falls by far more or less as a whole.

        So it is where curvature was taken for noise: the line then leaves out what seems noisy.
        """
        return core.contrast > max(self.flat, self.max_drift * abs(core.exponent))


class End(NamedTuple):
    """A bent law that holds from some piece to the end of the curve.

    Attributes:
        place: of that piece.
        tail: the law.
    """

    place: int
    tail: Tail

    @property
    def is_bent_law(self) -> bool:
        """Whether it ends at a floor or in an exponential, and does not only steepen a little."""
        return self.tail.kind == "floor" or self.tail.folds >= _LEAST_FOLDS


def measure_core(curve: Curve, lines: Lines, noise: Noise, piece: Piece) -> Core:
    """Line and parabola through a piece without its margins."""
    size = piece.last - piece.first + 1
    margin = min(round(_MARGIN * size), (size - _FEWEST_INSIDE) // 2)
    first = piece.first + margin * (piece.first > 0)
    last = piece.last - margin * (piece.last < len(curve.x) - 1)
    bins, x = slice(first, last + 1), curve.x
    drift, variance = _measure_drift(x[bins], curve.y[bins], noise.white[bins])
    return Core(
        first=first,
        last=last,
        exponent=-float(lines.slope[first, last]),
        error=math.sqrt(noise.inflation / float(lines.square[first, last])),
        shift=float(lines.slope[first, last] - lines.slope[piece]),
        drift=drift,
        drift_error=math.sqrt(noise.inflation * variance),
        decades=float(x[piece.last] - x[piece.first]) / math.log(10),
        points=size,
        share=float(x[last] - x[first]) / max(float(x[piece.last] - x[piece.first]), _TINY),
        contrast=_measure_contrast(curve, noise, piece, float(lines.slope[first, last])),
    )


def merge(
    curve: Curve, lines: Lines, noise: Noise, pieces: list[Piece], rules: Rules
) -> list[Piece]:
    """The pieces, long neighbors of one exponent made one, but for those that a jump parts."""
    merged = pieces[:1]
    for piece in pieces[1:]:
        before, after = (measure_core(curve, lines, noise, each) for each in (merged[-1], piece))
        apart = abs(before.exponent - after.exponent)
        alike = apart < _CLEAR * math.hypot(before.error, after.error)
        alike = alike and not jumps_between(curve, lines, noise, merged[-1], piece)
        if alike and rules.long_enough(before) and rules.long_enough(after):
            merged[-1] = Piece(merged[-1].first, piece.last)
        else:
            merged.append(piece)
    return merged


def explain_end(
    curve: Curve, lines: Lines, noise: Noise, pieces: list[Piece], cores: list[Core], rules: Rules
) -> End | None:
    """The law with a floor or cut-off that does better than the lines from some piece on, if any.

    It has one parameter more than a line and pays half a piece more; of several the best counts.
    """
    most, chosen, beyond = 0.0, None, 0.0
    for place in range(len(pieces) - 1, -1, -1):
        first, last = cores[place].first, pieces[place].last
        pay = float(lines.cost[first, last]) + beyond
        beyond += float(lines.cost[pieces[place]]) + rules.price
        if not rules.long_enough(cores[place]):
            continue
        tail = _bend(curve, noise, cores, place)
        # The lines pay for the pieces after this one; a bend costs half of one.
        gain = -math.inf if tail is None else pay - tail.cost - rules.price / 2
        if tail is not None and gain > most:
            most, chosen = gain, End(place, tail)
    return chosen


def _bend(curve: Curve, noise: Noise, cores: list[Core], place: int) -> Tail | None:
    """A floor where the curve flattens from a piece on, a cut-off where it steepens."""
    change = cores[-1].exponent - cores[place].exponent
    if place == len(cores) - 1:
        change = cores[place].drift
    fit = fit_floor if change < 0 else fit_cutoff
    return fit(curve, noise.total, cores[place].first)


def extend_law(pieces: list[Piece], cores: list[Core], end: End) -> list[Piece]:
    """The pieces, those before the bend of the last law made one with its first."""
    start, local = cores[end.place].first, end.tail.local
    law, rest = pieces[end.place], pieces[end.place + 1 :]
    while rest:
        steepness = local[rest[0].first - start : rest[0].last + 1 - start]
        away = abs(float(steepness.mean()) - end.tail.exponent)
        if away > _LAW_HOLDS * abs(end.tail.exponent):
            break
        law = Piece(law.first, rest.pop(0).last)
    return [*pieces[: end.place], law, *rest]


def suspect_end(curve: Curve, lines: Lines, noise: Noise, core: Core) -> list[Tail]:
    """Bent laws that fit the last piece better than its line by more than one variance."""
    cost = float(lines.cost[core.first, core.last])
    tails = (
        fit_floor(curve, noise.total, core.first),
        fit_cutoff(curve, noise.total, core.first),
    )
    return [tail for tail in tails if tail is not None and cost - tail.cost > noise.inflation]


def name_kinds(cores: list[Core], end: End | None, rules: Rules) -> list[str]:
    """The kind of every piece."""
    return [_name_kind(place, cores, end, rules) for place in range(len(cores))]


def _name_kind(place: int, cores: list[Core], end: End | None, rules: Rules) -> str:
    """One piece's kind, with its neighbors at hand and the bent law that it may belong to."""
    core = cores[place]
    flat = rules.flat + min(rules.flat, _CLEAR * core.error)
    if rules.long_enough(core) and abs(core.exponent) <= flat:
        return PLATEAU
    if end is not None and place > end.place:
        return CUT_OFF if end.tail.kind == CUT_OFF and end.is_bent_law else CROSSOVER
    if not rules.long_enough(core) or core.exponent <= 0:
        return CROSSOVER
    explained = end is not None and place == end.place and end.is_bent_law
    return CROSSOVER if not explained and _drifts(place, cores, rules) else POWER_LAW


def _drifts(place: int, cores: list[Core], rules: Rules) -> bool:
    """Whether a piece's local exponent is on its way to another.

    Any piece may drift by `max_drift` or by what noise explains. Where it lies between lower and
    higher neighbors it has to drift less than half as much as a smooth passage would, on which it
    covers half of the way from one to the other. The first and the last piece have one neighbor,
    and their drift towards it has to be clear as well.
    """
    core = cores[place]
    allowed = rules.max_drift * core.exponent
    if abs(core.drift) > max(allowed, _CLEAR_DRIFT * core.drift_error):
        return True
    before, after = (
        cores[min(max(beside, 0), len(cores) - 1)].exponent for beside in (place - 1, place + 1)
    )
    at_an_end = place in (0, len(cores) - 1)
    if not at_an_end and not min(before, after) < core.exponent < max(before, after):
        return False
    passage = (after - before) / (1 if at_an_end else 2)
    drift = core.drift * math.copysign(1, passage)
    if at_an_end and drift < max(allowed, _CLEAR * core.drift_error):
        return False
    return drift > core.share * abs(passage) / 2


def _measure_contrast(curve: Curve, noise: Noise, piece: Piece, slope: float) -> float:
    """Slope from end to end of a piece, less that of its line and of the noise.

    The noise is that of a typical bin: what is large at one end may be curvature. An end is the
    first or last bin or the one beside it, whichever suits the line: one of them may be an outlier.
    """
    bins = slice(piece.first, piece.last + 1)
    x, away = curve.x[bins], curve.y[bins] - slope * curve.x[bins]
    run, rise = x[[-1, -2]] - x[[[0], [1]]], away[[-1, -2]] - away[[[0], [1]]]
    if run.min() <= 0:
        return 0.0
    error = math.sqrt(2 * float(np.median(noise.total[bins])))
    return max(float(((np.abs(rise) - _CLEAR_DRIFT * error) / run).min()), 0.0)


def _measure_drift(
    x: Float[np.ndarray, " points"],
    y: Float[np.ndarray, " points"],
    variance: Float[np.ndarray, " points"],
) -> tuple[float, float]:
    """Change of -dy/dx over the range of x by a weighted parabola, and its variance."""
    if len(x) < 4 or not variance.all():
        return 0.0, math.inf
    w = 1 / np.sqrt(variance)
    z = (x - x.mean()) / (x[-1] - x[0])
    q, r = np.linalg.qr(np.stack([np.ones_like(z), z, z * z], 1) * w[:, None])
    scale = 2 / (float(r[2, 2]) * float(x[-1] - x[0]))
    return -scale * float(q[:, 2] @ (y * w)), scale**2
