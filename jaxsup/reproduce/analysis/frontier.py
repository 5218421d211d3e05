"""The compute-optimal frontier: the lowest loss that any width reaches with so much compute.

Curves of several widths K over compute C, the number of multiply-adds of training so far, have a
lower envelope L*(C) = min_K L_K(C), and the width K*(C) that attains it. Where both are power laws,
L* ~ C^-alpha and K* ~ C^kappa. Widths are a grid, so K* is read off a parabola in
(log K, log L) through the best width and its two neighbors.

The end of the envelope at which the smallest or the largest trained width is best says nothing of a
frontier: a width beyond might do better. Only a compute at which the best width has a neighbor
on both sides, trained to that compute, is on the frontier.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxsup.fit import intervals
from jaxsup.fit.intervals import Estimate

_POINTS_PER_DECADE = 20


def multiply_adds(features: int, latent: int, batch: int, active: float = 1.0) -> float:
    """Multiply-adds of a training step of a bottleneck student, B (2 N K + 2 K^2 + n K) + K^2.

    For each of B samples the forward pass takes n K for W x (n active features: columns of W are
    summed), K^2 for the core and N K for the readout W^T. Backward, the residuals take N K to come
    back through W, and K^2 to become the gradient of the core, an outer product. W is frozen, so
    nothing is sent below the core. The update of the core takes K^2 a step. Work that grows as N or
    K a sample (activation, bias), drawing of samples and evaluation are not counted.

    Arguments:
        features: N.
        latent: K.
        batch: B, samples a step.
        active: n, active features of a sample on average: the sum of their probabilities.

    >>> multiply_adds(features=8, latent=2, batch=1)
    46.0
    """
    per_sample = 2 * features * latent + 2 * latent**2 + active * latent
    return float(batch * per_sample + latent**2)


class Frontier(NamedTuple):
    """The envelope of loss curves over compute; NaN where no width was trained to a compute.

    Attributes:
        compute: multiply-adds, log-spaced.
        loss: lowest loss at each.
        best: position of the width that has it.
        width: K*, from a parabola in log-log; NaN unless the best width is bracketed.
        bracketed: whether a smaller and a larger width were trained to this compute, and do worse.
    """

    compute: Float[np.ndarray, " points"]
    loss: Float[np.ndarray, " points"]
    best: Int[np.ndarray, " points"]
    width: Float[np.ndarray, " points"]
    bracketed: Bool[np.ndarray, " points"]


def find_frontier(
    widths: Int[np.ndarray, " widths"],
    compute: Float[np.ndarray, "widths steps"],
    loss: Float[np.ndarray, "widths steps"],
) -> Frontier:
    """The lower envelope of curves, interpolated in log-log between their records.

    Arguments:
        widths: K, rising.
        compute: multiply-adds until each record, > 0 and rising along steps.
        loss: > 0; a curve that is not finite is nowhere best, and nobody's neighbor.
    """
    ends = np.log10(compute.min()), np.log10(compute.max())
    points = round((ends[1] - ends[0]) * _POINTS_PER_DECADE) + 1
    grid = np.linspace(*ends, points)
    filled = np.full((len(widths), points), np.inf)
    for row in np.flatnonzero(np.isfinite(loss).all(axis=1)):
        x, y = np.log10(compute[row]), np.log(loss[row])
        filled[row] = np.interp(grid, x, y, left=np.inf, right=np.inf)
    best = filled.argmin(axis=0)
    columns = np.arange(points)
    lower, upper = np.maximum(best - 1, 0), np.minimum(best + 1, len(widths) - 1)
    around = np.stack([filled[row, columns] for row in (lower, best, upper)])
    bracketed = (lower < best) & (best < upper) & np.isfinite(around).all(axis=0)
    logs = np.log(widths.astype(np.float64))
    places = np.stack([logs[row] for row in (lower, best, upper)])
    width = np.full(points, np.nan)
    width[bracketed] = np.exp(_vertex(places[:, bracketed], around[:, bracketed]))
    with np.errstate(over="ignore"):
        lowest = np.exp(around[1])
    lowest[~np.isfinite(lowest)] = np.nan
    return Frontier(10**grid, lowest, best, width, bracketed)


def _vertex(
    x: Float[np.ndarray, "3 points"], y: Float[np.ndarray, "3 points"]
) -> Float[np.ndarray, " points"]:
    """Where the parabola through three points is lowest; y[1] <= y[0], y[2]."""
    left, right = x[1] - x[0], x[2] - x[1]
    fall, rise = (y[0] - y[1]) / left, (y[2] - y[1]) / right  # slopes, signs so that both are >= 0
    total = fall + rise
    # A level stretch, all three alike, has its lowest point anywhere: in the middle.
    steepness = np.where(total > 0, total, 1.0)
    return x[1] + (fall * right - rise * left) / (2 * steepness)


def fitted(frontier: Frontier, first: float) -> Bool[np.ndarray, " points"]:
    """The window of a fit: the longest bracketed stretch with a loss of at most half of the first.

    Before that, hardly anything has been learned, and curves leave their plateau together.

    Arguments:
        frontier: result of `find_frontier`.
        first: loss before training.
    """
    suited = frontier.bracketed & (frontier.loss <= first / 2)
    ends = np.flatnonzero(np.diff(np.concatenate([[False], suited, [False]]).astype(int)))
    if not ends.size:
        return suited
    starts, stops = ends[::2], ends[1::2]
    longest = int(np.argmax(stops - starts))
    points = np.arange(len(suited))
    return (points >= starts[longest]) & (points < stops[longest])


def why_outside(frontier: Frontier, first: float, point: int, widths: int) -> str:
    """Why a point of the envelope belongs to no fit, in a few words.

    Arguments:
        frontier: result of `find_frontier`.
        first: loss before training.
        point: its position; before the first and after the last there is no training.
        widths: how many there are.
    """
    if not 0 <= point < len(frontier.compute):
        return "training ends"
    if frontier.loss[point] > first / 2:
        return "the loss is above half of the first"
    if frontier.best[point] in (0, widths - 1):
        return f"the {'largest' if frontier.best[point] else 'smallest'} K is best"
    return "a neighbor of the best K was not trained to this compute"


class Exponents(NamedTuple):
    """Slopes in log-log over a window of compute; NaN where it has fewer than three points.

    Attributes:
        loss: alpha of L* ~ C^-alpha.
        width: kappa of K* ~ C^kappa.
        loss_early, loss_late: alpha over the lower and the upper half of the window; they differ
            where the envelope is no power law.
        width_early, width_late: kappa likewise.
        decades: decades of compute from the first to the last point of the window.
    """

    loss: float
    width: float
    loss_early: float
    loss_late: float
    width_early: float
    width_late: float
    decades: float


def measure_frontier(frontier: Frontier, window: Bool[np.ndarray, " points"]) -> Exponents:
    """Exponents of loss and width by least squares in log-log, over a window."""
    x = np.log(frontier.compute[window])
    loss, width = np.log(frontier.loss[window]), np.log(frontier.width[window])
    half = (len(x) + 1) // 2
    early, late = slice(half), slice(len(x) - half, None)
    return Exponents(
        loss=-_slope(x, loss),
        width=_slope(x, width),
        loss_early=-_slope(x[early], loss[early]),
        loss_late=-_slope(x[late], loss[late]),
        width_early=_slope(x[early], width[early]),
        width_late=_slope(x[late], width[late]),
        decades=float(np.ptp(x)) / math.log(10) if len(x) else 0.0,
    )


def _slope(x: Float[np.ndarray, " points"], y: Float[np.ndarray, " points"]) -> float:
    if len(x) < 3:
        return float("nan")
    centered = x - x.mean()
    return float(centered @ y / (centered @ centered))


class Measured(NamedTuple):
    """The frontier of one a.

    Attributes:
        a: exponent of the data.
        compute: multiply-adds until each record but the first, [widths, records].
        loss: mean over seeds at the step size that is best at each record, likewise.
        first: loss before training.
        rates: positions of the best step sizes along the envelope, [points].
        frontier: the envelope of the curves.
        exponents: over its window.
        size, height: exponents of K* and of L* with their intervals; None without two seeds or a
            window.
    """

    a: float
    compute: Float[np.ndarray, "widths steps"]
    loss: Float[np.ndarray, "widths steps"]
    first: float
    rates: Int[np.ndarray, " points"]
    frontier: Frontier
    exponents: Exponents
    size: Estimate | None
    height: Estimate | None


def measure_one(
    a: float,
    widths: Int[np.ndarray, " widths"],
    compute: Float[np.ndarray, "widths steps"],
    loss: Float[np.ndarray, "seeds widths rates records"],
) -> Measured:
    """The frontier of one a, with intervals that resample the seeds.

    Arguments:
        a: exponent of the data.
        widths: K, rising.
        compute: multiply-adds until each record but the first.
        loss: of every record; a step size at which any seed diverged is no candidate of its width.
    """
    finite = np.isfinite(loss).min(axis=(0, 3), keepdims=True)
    candidates = np.where(finite, loss, np.inf)

    def envelope(seeds: Float[np.ndarray, "seeds widths rates records"]) -> tuple[Any, ...]:
        mean = seeds.mean(axis=0)
        first = float(loss[..., 0].mean())
        frontier = find_frontier(widths, compute, mean[..., 1:].min(axis=1))
        return mean, first, frontier, measure_frontier(frontier, fitted(frontier, first))

    def estimate(name: str) -> Estimate | None:
        if len(loss) < 2 or not np.isfinite(getattr(exponents, name)):
            return None
        return intervals.from_bootstrap(candidates, lambda draw: getattr(envelope(draw)[3], name))

    mean, first, frontier, exponents = envelope(candidates)
    nearest = np.abs(np.log(compute[frontier.best] / frontier.compute[:, None])).argmin(axis=1)
    return Measured(
        a,
        compute,
        mean[..., 1:].min(axis=1),
        first,
        mean[frontier.best, :, 1 + nearest].argmin(axis=1),
        frontier,
        exponents,
        estimate("width"),
        estimate("loss"),
    )
