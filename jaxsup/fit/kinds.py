"""What each piece of a cut curve is: a power law, a crossover between two, a plateau, a cut-off."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup.fit.curves import Curve
from jaxsup.fit.segmentation import Lines, Noise, Piece
from jaxsup.fit.tails import Tail, fit_cutoff, fit_floor

POWER_LAW, CROSSOVER, PLATEAU, CUT_OFF = "power-law", "crossover", "plateau", "cut-off"
_MARGIN = 0.15  # of a piece's bins at an end that meets another piece: a crossover starts there
_FEWEST = 3
_CLEAR = 2.0  # standard errors
_LEAST_FOLDS = 2.0  # times that an exponential cut-off divides the loss by e, to be called one


class Core(NamedTuple):
    """The steady inside of a piece, without its margins, and the line through it.

    Attributes:
        first: first bin.
        last: last bin, included.
        exponent: -d log L / d log t.
        error: its standard error by the noise, tolerance included.
        drift: change of the local exponent from end to end, by a parabola.
        drift_error: its standard error by the noise alone.
        decades: of steps, of the whole piece.
    """

    first: int
    last: int
    exponent: float
    error: float
    drift: float
    drift_error: float
    decades: float


class Rules(NamedTuple):
    """What decides between the kinds.

    Attributes:
        price: of a piece, in variances.
        min_decades: shortest power law or plateau.
        max_drift: largest clear drift of a power law, as a fraction of its exponent.
        flat: largest exponent of a plateau.
    """

    price: float
    min_decades: float
    max_drift: float
    flat: float


def measure_core(curve: Curve, lines: Lines, noise: Noise, piece: Piece) -> Core:
    """Line and parabola through a piece without its margins."""
    n, size = len(curve.x), piece.last - piece.first + 1
    margin = min(round(_MARGIN * size), (size - _FEWEST) // 2)
    first = piece.first + margin * (piece.first > 0)
    last = piece.last - margin * (piece.last < n - 1)
    bins = slice(first, last + 1)
    drift, drift_variance = _measure_drift(curve.x[bins], curve.y[bins], noise.white[bins])
    return Core(
        first,
        last,
        -float(lines.slope[first, last]),
        math.sqrt(noise.inflation / float(lines.square[first, last])),
        drift,
        math.sqrt(noise.inflation * drift_variance),
        float(curve.x[piece.last] - curve.x[piece.first]) / math.log(10),
    )


def explain_end(
    curve: Curve, lines: Lines, noise: Noise, pieces: list[Piece], cores: list[Core], rules: Rules
) -> tuple[int, Tail] | None:
    """The piece from which one bent law does better than all the lines, and that law.

    A bent law has one parameter more than a line, and pays half a piece more.
    """
    best, chosen = 0.0, None
    saved = 0.0
    for place in range(len(pieces) - 1, -1, -1):
        saved += float(lines.cost[pieces[place]]) + rules.price
        if place == len(pieces) - 1 or cores[place].decades < rules.min_decades:
            continue
        for fit in (fit_floor, fit_cutoff):
            tail = fit(curve, noise.total, cores[place].first)
            if tail is None:
                continue
            gain = saved - tail.cost - 1.5 * rules.price
            if gain > best:
                best, chosen = gain, (place, tail)
    return chosen


def name_kinds(cores: list[Core], end: tuple[int, Tail] | None, rules: Rules) -> list[str]:
    """The kind of every piece."""
    kinds = []
    for place, core in enumerate(cores):
        bent = ""
        if end is not None and place > end[0]:
            bent = CUT_OFF if end[1].folds >= _LEAST_FOLDS else CROSSOVER
        starts = end is not None and place == end[0]
        kinds.append(_name_kind(place, core, cores, bent, starts, rules))
    return kinds


def _name_kind(
    place: int, core: Core, cores: list[Core], bent: str, starts: bool, rules: Rules
) -> str:
    """One piece's kind, with its neighbors at hand and the bent law that it belongs to."""
    long_enough = core.decades >= rules.min_decades * (1 - 1e-9)
    if abs(core.exponent) <= max(rules.flat, _CLEAR * core.error) and long_enough:
        return PLATEAU
    if bent:
        return bent
    if not long_enough or core.exponent <= 0 or (not starts and _drifts(place, core, cores, rules)):
        return CROSSOVER
    return POWER_LAW


def _drifts(place: int, core: Core, cores: list[Core], rules: Rules) -> bool:
    """Whether the local exponent is on its way from one neighbor's to the other's.

    Between two neighbors, one lower and one higher, a piece has to be steadier than half of the
    drift of a smooth passage. Any piece may drift by `max_drift` or by what noise explains.
    """
    if abs(core.drift) > max(rules.max_drift * core.exponent, 3 * core.drift_error):
        return True
    if not 0 < place < len(cores) - 1:
        return False
    before, after = cores[place - 1].exponent, cores[place + 1].exponent
    if not min(before, after) < core.exponent < max(before, after):
        return False
    passage = (after - before) / 2
    return core.drift * math.copysign(1, passage) > abs(passage) / 2


def _measure_drift(
    x: Float[np.ndarray, " points"],
    y: Float[np.ndarray, " points"],
    variance: Float[np.ndarray, " points"],
) -> tuple[float, float]:
    """Change of -dy/dx over the range of x by a weighted parabola, and its variance."""
    if len(x) < 4:
        return 0.0, math.inf
    w = 1 / np.sqrt(variance)
    z = (x - x.mean()) / (x[-1] - x[0])
    q, r = np.linalg.qr(np.stack([np.ones_like(z), z, z * z], 1) * w[:, None])
    scale = 2 / (float(r[2, 2]) * float(x[-1] - x[0]))
    return -scale * float(q[:, 2] @ (y * w)), scale**2


def suspect_end(curve: Curve, lines: Lines, noise: Noise, core: Core, least: float) -> list[Tail]:
    """Bent laws that fit the last piece better than its line by more than luck explains."""
    cost = float(lines.cost[core.first, core.last])
    tails = [fit(curve, noise.total, core.first) for fit in (fit_floor, fit_cutoff)]
    return [t for t in tails if t is not None and cost - t.cost > least * noise.inflation]
