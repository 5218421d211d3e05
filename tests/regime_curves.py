"""Synthetic loss curves whose laws are known, and how often `jaxsup.fit.regimes` reads them right.

The protocol of the acceptance, as it was laid down before it was run:

- Record: t = 1..10^D, D uniform in 4..5; either 80 log-spaced steps (fewer where they coincide), or
  every step. One curve, or the mean of 5 seeds. Noise: independent, normal, relative to the loss,
  of one seed between 1% and 10%, log-uniform. Half of the curves have an additive floor. The three
  choices (record, seeds, floor) take turns.
- A law lasts where the local exponent without noise is within 10% of the law's.
- Two laws: t^-0.3 then t^-1.0. Half of the crossovers are sharp; the other half are smooth,
  L = (t / t_c)^-0.3 (1 + (t / t_c)^(1 / w))^(-0.7 w), w uniform in 0.1..0.3 (in log t). t_c is
  uniform in log t where each law lasts at least a decade. With a floor the second law ends at a
  uniform place after that decade, where the floor makes its exponent 10% smaller.
- One law: exponent uniform in 0.1..1.5. With a floor it lasts at least a decade, likewise.

A curve with two laws is read right where the first and the last power law that are found have
intervals that hold 0.3 and 1.0, and neither interval holds the other number. A curve with one law
is read right where one power law is found, whatever its interval.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from jaxsup.fit import regimes

LAWS = (0.3, 1.0)
DECADE = math.log(10)
SHARE = 0.1  # of an exponent: where the local one is off by more a law has ended
TURNS = list(itertools.product((False, True), (80, None), (1, 5)))


class Curve(NamedTuple):
    """A synthetic curve and what it is made of."""

    steps: np.ndarray
    loss: np.ndarray
    laws: tuple[float, ...]
    floor: float
    noise: float
    turn: tuple[bool, int | None, int]


class Reading(NamedTuple):
    """What was read of a curve."""

    right: bool
    laws_found: int
    held: tuple[bool, ...]
    widths: tuple[float, ...]


def two_laws(rng, turn, correlation=0.0) -> Curve:
    """t^-0.3 then t^-1.0, each for a decade at least."""
    with_floor = turn[0]
    first, second = LAWS
    gap = second - first
    width = rng.choice([0.0, rng.uniform(0.1, 0.3)])
    # The crossover moves the local exponent by gap / (1 + exp(-z)), z = (log t - log t_c) / width.
    before = width * math.log(gap / (SHARE * first) - 1)
    after = width * math.log(gap / (SHARE * second) - 1)
    last = rng.uniform(4, 5) * DECADE
    end = rng.uniform(2 * DECADE + before + after, last) if with_floor else last
    center = rng.uniform(DECADE + before, end - DECADE - after)

    def law(x):
        far = np.maximum(x - center, 0)
        bend = far if width == 0 else width * np.logaddexp(0, (x - center) / width)
        return np.exp(-first * (x - center) - gap * bend)

    floor = law(end) * SHARE / (1 - SHARE) if with_floor else 0.0
    return make_curve(rng, law, last, LAWS, float(floor), turn, correlation)


def one_law(rng, turn, correlation=0.0) -> Curve:
    """One power law, for a decade at least."""
    exponent = rng.uniform(0.1, 1.5)
    last = rng.uniform(4, 5) * DECADE
    floor = 0.0
    if turn[0]:
        floor = math.exp(-exponent * rng.uniform(DECADE, last)) * SHARE / (1 - SHARE)
    laws = (exponent,)
    return make_curve(rng, lambda x: np.exp(-exponent * x), last, laws, floor, turn, correlation)


def make_curve(rng, law, last, laws, floor, turn, correlation) -> Curve:
    """A law with its floor, recorded with noise; `correlation` is that of neighboring records."""
    _, points, seeds = turn
    steps = np.arange(1.0, math.floor(math.exp(last)) + 1)
    if points is not None:
        steps = np.unique(np.round(np.geomspace(1, math.floor(math.exp(last)), points)))
    noise = 10 ** rng.uniform(-2, -1)
    z = rng.standard_normal((seeds, len(steps)))
    if correlation:
        z = autoregressive(z, correlation)
    loss = (law(np.log(steps)) + floor) * (1 + noise * z)
    return Curve(steps, loss[0] if seeds == 1 else loss, laws, floor, float(noise), turn)


def autoregressive(z, correlation) -> np.ndarray:
    """AR(1) with variance 1 along the last axis, from independent normal numbers."""
    from scipy.signal import lfilter

    scale = math.sqrt(1 - correlation**2)
    drive = np.concatenate([z[..., :1], scale * z[..., 1:]], -1)
    return np.asarray(lfilter([1.0], [1.0, -correlation], drive, axis=-1))


def read(curve: Curve) -> Reading:
    """Whether the laws of a curve are found; of two the first and the last count."""
    found = regimes(curve.steps, curve.loss).power_laws
    count = len(found)
    chosen = [found[0], found[-1]][: len(curve.laws)] if count >= len(curve.laws) else []
    inside = [
        [low <= law <= high for law in curve.laws]
        for low, high in (each.interval for each in chosen)
    ]
    held = tuple(row[place] for place, row in enumerate(inside))
    widths = tuple(float(high - low) / 2 for low, high in (each.interval for each in chosen))
    right = count == 1
    if len(curve.laws) > 1:
        right = inside == [[True, False], [False, True]]
    return Reading(right, count, held, widths)


def read_many(make, cases, seed, turns=TURNS, correlation=0.0) -> list[tuple[Curve, Reading]]:
    """Curves of every turn, each with its reading."""
    rng = np.random.default_rng(seed)
    curves = (make(rng, turns[case % len(turns)], correlation) for case in range(cases))
    return [(curve._replace(loss=curve.loss[..., :0]), read(curve)) for curve in curves]


def summarize(readings: list[tuple[Curve, Reading]]) -> str:
    """Shares and median half-widths, of all curves and by turn, as lines of text."""
    groups = {"all": readings}
    for curve, reading in readings:
        with_floor, points, seeds = curve.turn
        floor = "floor" if with_floor else "no floor"
        steps = "every step" if points is None else "80 steps"
        name = f"{floor}, {steps}, {seeds} seed{'s' * (seeds > 1)}"
        groups.setdefault(name, []).append((curve, reading))
    lines = ["curves  right  as many  each held      half-widths"]
    for name, group in groups.items():
        laws = len(group[0][0].laws)
        full = [reading for _, reading in group if len(reading.held) == laws]
        held = " ".join(f"{np.mean([r.held[k] for r in full]):.3f}" for k in range(laws))
        width = " ".join(f"{np.median([r.widths[k] for r in full]):.4f}" for k in range(laws))
        right = np.mean([reading.right for _, reading in group])
        many = np.mean([reading.laws_found == laws for _, reading in group])
        lines.append(f"{len(group):6d}  {right:.3f}    {many:.3f}  {held:13s}  {width}  {name}")
    return "\n".join(lines)
