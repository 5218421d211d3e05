"""Least squares of log L against log t over many windows at once: the engine of `jaxsup.fit.power_law`.

A curve is thinned to a log-spaced grid; a fit is a line, or log(c + A t^-alpha), over a window of
it. Each window is cut into thirds: the scatter of the residuals about a line of each third is the
noise, the difference between those lines' slopes the drift.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import chdtri

MIN_POINTS = 9  # three in each third: a line, and one more to see the noise by
_MIN_DROP = math.log(1.1)  # a loss that falls by less over the window is a plateau
_MIN_SIGNAL = (
    5.0  # exponent / upper bound of its error: a falling loss, not a lucky stretch of noise
)
_HIDDEN = 5.0  # drift that noise may hide / accepted drift; exp(-t) drifts by 6 and more
_MIN_SHARE = 0.1  # where (L - floor) / L is less, the window shows the floor, not the power law
_MAX_OFFSET = 3.0  # largest -floor / L; beyond, c + A t^-alpha is a logarithm and alpha undefined
_RESOLUTION = 1e-3  # relative error granted to one decade: of two clean windows the longer wins
_WINDOW_ENDS = (25, 21)  # candidate ends of automatic windows, without and with a floor
_STARTS = np.geomspace(0.01, 8.0, 22)  # exponents from which a fit with a floor starts


class Curve(NamedTuple):
    """One curve on the log-spaced grid."""

    x: Float[np.ndarray, " points"]  # mean of log t in each bin
    y: Float[np.ndarray, " points"]  # mean of log L in each bin
    spread: Float[np.ndarray, " points"]  # variance of log t in each bin
    start: Int[np.ndarray, " points"]  # each bin's first entry
    stop: Int[np.ndarray, " points"]  # one past its last entry


class Fits(NamedTuple):
    """Fits of one curve over many windows, or of many curves over one."""

    exponent: Float[np.ndarray, " fits"]
    log_amplitude: Float[np.ndarray, " fits"]
    floor: Float[np.ndarray, " fits"]
    residual: Float[np.ndarray, "fits points"]  # of log L; 0 outside the window
    share: Float[np.ndarray, "fits points"]  # (L - floor) / L; 0 outside the window
    influence: Float[np.ndarray, "fits points"]  # d exponent / d log L
    amplification: Float[np.ndarray, " fits"]  # of the exponent's error, by fitting the floor too


class Trust(NamedTuple):
    """How far the fits of one curve are to be trusted."""

    statistical: Float[np.ndarray, " fits"]  # standard error of the exponent
    freedom: Float[np.ndarray, " fits"]  # its degrees of freedom
    slopes: Float[np.ndarray, "fits thirds"]
    drift: Float[np.ndarray, " fits"]  # beyond two standard errors, times the amplification
    drop: Float[np.ndarray, " fits"]  # of log L over the window
    score: Float[np.ndarray, " fits"]  # relative error of the exponent to expect
    stage: Int[np.ndarray, " fits"]  # checks passed: falls, signal, floor, steady; 4 = all


def bin_curve(
    t: Float[np.ndarray, " steps"],
    loss: Float[np.ndarray, " steps"],
    origin: float,
    points_per_decade: int,
) -> Curve:
    """Means of log t and log L over bins of 1 / points_per_decade decade counted from `origin`."""
    x = np.log(t)
    # The small shift keeps steps that lie on an edge, up to rounding, on one side of it.
    label = np.floor((x - math.log(origin)) * points_per_decade / math.log(10) + 1e-6)
    start = np.flatnonzero(np.diff(label, prepend=-1.0))
    stop = np.append(start[1:], x.size)[: start.size]
    mean = bin_means(x, start, stop)
    spread = bin_means((x - np.repeat(mean, stop - start)) ** 2, start, stop)
    return Curve(mean, bin_means(np.log(loss), start, stop), spread, start, stop)


def bin_means(
    values: Float[np.ndarray, "*curves steps"],
    start: Int[np.ndarray, " points"],
    stop: Int[np.ndarray, " points"],
) -> Float[np.ndarray, "*curves points"]:
    """Means over [start, stop) along the last axis."""
    if not start.size:
        return values[..., :0]
    return np.add.reduceat(values, start, axis=-1) / (stop - start)


def candidate_windows(
    curve: Curve, min_decades: float | int, *, floor: bool, whole: bool
) -> tuple[Int[np.ndarray, " fits"], Int[np.ndarray, " fits"]]:
    """First and last bins, both included, of the windows to try that are long enough."""
    last = len(curve.x) - 1
    if last < 0:
        return curve.start, curve.start
    ends = np.unique(np.linspace(0, last, 2 if whole else _WINDOW_ENDS[floor]).round().astype(int))
    low, high = (grid.ravel() for grid in np.meshgrid(ends, ends))
    decades = (curve.x[high] - curve.x[low]) / math.log(10)
    keep = (high - low + 1 >= MIN_POINTS) & (decades >= min_decades * (1 - 1e-9))
    return low[keep], high[keep]


def between(
    low: Int[np.ndarray, " fits"], high: Int[np.ndarray, " fits"], count: int
) -> Bool[np.ndarray, "fits points"]:
    """Which of `count` bins lie in each window, both ends included."""
    index = np.arange(count)
    return (index >= low[:, None]) & (index <= high[:, None])


def fit_log_loss(
    curve: Curve,
    y: Float[np.ndarray, "curves points"],
    mask: Bool[np.ndarray, "windows points"],
    *,
    floor: bool,
) -> Fits:
    """Fit log L = y over the windows in mask: one curve and many windows, or the reverse."""
    count = mask.sum(1, keepdims=True)
    center = (mask @ curve.x)[:, None] / count
    dx = (curve.x - center) * mask
    level = np.sum(y * mask, 1, keepdims=True) / count
    y = (y - level) * mask
    center, level = center[:, 0], level[:, 0]
    square = np.sum(dx**2, 1)
    if not floor:
        slope = -np.sum(dx * y, 1) / square
        residual = y + slope[:, None] * dx
        influence = -dx / square[:, None]
        log_amplitude, none = level + slope * center, np.zeros_like(slope)
        return Fits(slope, log_amplitude, none, residual, mask.astype(float), influence, none + 1)
    theta = _start_floor(dx, y if len(mask) > 1 else y.mean(0, keepdims=True), mask)
    theta = np.repeat(theta, len(y) // len(theta), 0)
    theta, residual, share, influence = _minimise(theta, dx, y, mask, curve.spread)
    amplification = np.maximum(np.sqrt(np.sum(influence**2, 1) * square), 1.0)
    log_a, alpha, offset = theta.T
    log_amplitude, offset = log_a + alpha * center + level, offset * np.exp(level)
    return Fits(alpha, log_amplitude, offset, residual, share, influence, amplification)


def _start_floor(dx, y, mask) -> Float[np.ndarray, "fits 3"]:
    """Best (log A, alpha, c) over a list of alpha; c and A by least squares of relative errors."""
    inverse = np.where(mask, np.exp(-y), 0.0)
    best = np.tile([0.0, 0.1, 0.0], (len(dx), 1))
    lowest = np.full(len(dx), np.inf)
    for alpha in _STARTS:
        power = np.exp(-alpha * dx) * inverse
        pp, pc, cc = (power**2).sum(1), (power * inverse).sum(1), (inverse**2).sum(1)
        p, c = power.sum(1), inverse.sum(1)
        determinant = np.maximum(pp * cc - pc**2, 1e-300)
        amplitude, offset = (p * cc - c * pc) / determinant, (c * pp - p * pc) / determinant
        fitted = amplitude[:, None] * power + offset[:, None] * inverse
        cost = np.sum((mask - fitted) ** 2, 1)
        feasible = (amplitude > 0) & ((fitted > 0) | ~mask).all(1)
        better = feasible & (cost < lowest)
        log_a = np.log(np.where(better, amplitude, 1.0))
        found = np.stack([log_a, np.full_like(cost, alpha), offset], 1)
        lowest, best = np.where(better, cost, lowest), np.where(better[:, None], found, best)
    return best


def _evaluate(theta, dx, y, mask, spread):
    """Cost, residual, share, Jacobian [fits, 3, points] of y = log(c + exp(log A - alpha dx))."""
    log_a, alpha, offset = theta[:, :1], theta[:, 1:2], theta[:, 2:]
    power = np.exp(np.clip(log_a - alpha * dx, -300, 300))
    loss = power + offset
    positive = loss > 0
    inverse = mask / np.where(positive, loss, np.inf)
    share = power * inverse
    # A bin's mean of log L: its second derivative in log t is alpha^2 share (1 - share).
    fitted = np.log(np.where(positive, loss, 1.0)) + spread / 2 * alpha**2 * share * (1 - share)
    residual = (y - fitted) * mask
    cost = np.where((positive | ~mask).all(1), np.sum(residual**2, 1), np.inf)
    return cost, residual, share, np.stack([share, -dx * share, inverse], 1)


def _minimise(theta, dx, y, mask, spread, iterations=60):
    """Levenberg-Marquardt for all fits at once; ends where no fit improves."""
    cost, residual, share, jacobian = _evaluate(theta, dx, y, mask, spread)
    damping = np.full(len(theta), 1e-3)
    for _ in range(iterations):
        normal = jacobian @ jacobian.transpose(0, 2, 1)
        diagonal = np.diagonal(normal, axis1=1, axis2=2)
        ridge = damping[:, None] * diagonal + 1e-12 * diagonal.max(1, keepdims=True)
        normal = normal + np.eye(3) * ridge[:, None]
        move = np.linalg.solve(normal, jacobian @ residual[..., None])[..., 0]
        trial = _evaluate(theta + move, dx, y, mask, spread)
        better = trial[0] < cost
        theta = np.where(better[:, None], theta + move, theta)
        cost = np.where(better, trial[0], cost)
        residual = np.where(better[:, None], trial[1], residual)
        share = np.where(better[:, None], trial[2], share)
        jacobian = np.where(better[:, None, None], trial[3], jacobian)
        damping = np.where(better, damping / 5, damping * 5)
        if not np.any(better & (np.abs(move).max(1) > 1e-10)) and np.all(damping > 1e3):
            break
    normal = jacobian @ jacobian.transpose(0, 2, 1)
    ridge = 1e-13 * np.trace(normal, axis1=1, axis2=2)[:, None, None]
    influence = np.linalg.solve(normal + ridge * np.eye(3), jacobian)[:, 1]
    return theta, residual, share, influence


def assess(
    curve: Curve,
    fits: Fits,
    low: Int[np.ndarray, " fits"],
    high: Int[np.ndarray, " fits"],
    min_decades: float | int,
    max_drift: float | int,
) -> Trust:
    """Judge the fits of one curve over the windows low..high; formulas in `jaxsup.fit.power_law`."""
    size, rows = high - low + 1, np.arange(low.size)
    u, bend, square, count = _thirds(curve, fits, low, size)
    total = np.sum(u**2, (1, 2))
    flat = u.sum(1)
    r = np.sum(flat[:, 1:] * flat[:, :-1], 1) / np.maximum(total, 1e-300)
    r = np.clip(r + (1 + r) * 6 / size, 0.0, 0.9)
    inflation = (1 + r) / (1 - r)
    terms = (fits.influence * flat) ** 2
    statistical = np.sqrt(inflation * terms.sum(1))
    effective = 3 * terms.sum(1) ** 2 / np.maximum(np.sum(terms**2, 1), 1e-300)
    freedom = np.maximum(np.minimum(effective, size) * (size - 6) / size / inflation, 1.0)

    # A third's own noise, steadied by three points' worth of the whole window's.
    noise = (np.sum(u**2, 2) + 3 * (total / size)[:, None]) / (count + 3)
    variance = inflation[:, None] * noise / square
    slopes = fits.exponent[:, None] + bend
    one, other = [0, 1, 0], [1, 2, 2]
    excess = (bend[:, one] - bend[:, other]) ** 2 - 4 * (variance[:, one] + variance[:, other])
    drift = fits.amplification * np.sqrt(np.maximum(excess.max(1), 0))

    alpha = np.maximum(fits.exponent, 1e-9)
    width = curve.x[high] - curve.x[low]
    resolution = _RESOLUTION * fits.amplification * math.log(10) / width
    # Windows compete on plain noise: by their own leverage and autocorrelation luck would choose.
    plain = total / size * np.sum(fits.influence**2, 1)
    score = np.sqrt((plain + drift**2 / 12) / alpha**2 + resolution**2)

    # Few points may show little noise by luck: what passes must pass at its 95% upper bound.
    bound = (size - 6) / chdtri(size - 6, 0.95)
    hidden = np.ptp(bend, 1) + 2 * np.sqrt(bound * (variance[:, 0] + variance[:, 2]))
    limit = max_drift * alpha
    visible = np.max((fits.share >= _MIN_SHARE) * (curve.x - curve.x[low][:, None]), 1)
    fitted = curve.y - fits.residual
    drop = fitted[rows, low] - fitted[rows, high]
    checks = (
        (drop > _MIN_DROP) & (fits.exponent > 0),
        alpha >= _MIN_SIGNAL * np.sqrt(bound) * statistical,
        (fits.floor >= -_MAX_OFFSET * np.exp(curve.y[low]))
        & (visible >= min_decades * math.log(10) * (1 - 1e-9)),
        (drift <= limit) & (fits.amplification * hidden <= _HIDDEN * limit),
    )
    stage = np.cumprod(checks, 0).sum(0)
    return Trust(statistical, freedom, slopes, drift, drop, score, stage)


def _thirds(curve, fits, low, size):
    """Line through each third's residuals: u [fits, 3, points], slope, sum of squares, points.

    u is the scatter about the line over sqrt(1 - leverage), so that u^2 is unbiased for white
    noise.
    """
    edges = [low + (size * part) // 3 for part in range(4)]
    parts = [between(edges[k], edges[k + 1] - 1, len(curve.x)) for k in range(3)]
    inside = np.stack(parts, 1).astype(float)
    count = inside.sum(2, keepdims=True)
    dx = (curve.x - (inside @ curve.x)[..., None] / count) * inside
    square = np.sum(dx**2, 2, keepdims=True)
    e = fits.residual[:, None] * inside
    bend = -np.sum(dx * e, 2, keepdims=True) / square
    scatter = e - inside * e.sum(2, keepdims=True) / count + dx * bend
    u = scatter / np.sqrt(1 - inside / count - dx**2 / square)
    return u, bend[..., 0], square[..., 0], count[..., 0]
