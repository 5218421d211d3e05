"""Least squares of log L against log t, over many windows of a curve or for many curves at once.

A fit is a line, or log(c + A t^-alpha), over a window of the binned curve.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxsup.fit.curves import Curve

_STARTS = np.geomspace(0.01, 8.0, 22)  # exponents from which a fit with a floor starts
_ITERATIONS = 60


class Fits(NamedTuple):
    """Fits of one curve over many windows, or of many curves over one.

    Attributes:
        exponent: alpha.
        log_amplitude: log A.
        floor: c, 0 where none is fitted.
        residual: of log L, 0 outside of the window.
        share: (L - floor) / L, 0 outside of the window.
        jacobian: d log L / d (log A, alpha), or (log A, alpha, c); 0 outside of the window.
        inverse: d parameters / d log L, the pseudo-inverse of the jacobian.
        amplification: of the exponent's error, by fitting the floor too; 1 without.
    """

    exponent: Float[np.ndarray, " fits"]
    log_amplitude: Float[np.ndarray, " fits"]
    floor: Float[np.ndarray, " fits"]
    residual: Float[np.ndarray, "fits points"]
    share: Float[np.ndarray, "fits points"]
    jacobian: Float[np.ndarray, "fits parameters points"]
    inverse: Float[np.ndarray, "fits parameters points"]
    amplification: Float[np.ndarray, " fits"]

    @property
    def influence(self) -> Float[np.ndarray, "fits points"]:
        """d alpha / d log L."""
        return self.inverse[:, 1]

    def evaluate(
        self, fit: int, x: Float[np.ndarray, " entries"]
    ) -> tuple[Float[np.ndarray, " entries"], Float[np.ndarray, "parameters entries"]]:
        """log L of a fit at any log t, and what its derivatives by the parameters span."""
        log_power = self.log_amplitude[fit] - self.exponent[fit] * x
        if self.jacobian.shape[1] == 2:
            return log_power, np.stack([np.ones_like(x), x - x.mean()])
        power = np.exp(log_power)
        loss = np.maximum(power + self.floor[fit], 1e-3 * power)
        share = power / loss
        return np.log(loss), np.stack([share, (x - x.mean()) * share, loss.min() / loss])


class Centered(NamedTuple):
    """log t and log L about their means in each window, 0 outside of it.

    Attributes:
        dx: log t less its mean.
        y: log L less its mean.
        mask: whether a bin lies in the window.
        center: mean of log t.
        level: mean of log L.
    """

    dx: Float[np.ndarray, "windows points"]
    y: Float[np.ndarray, "fits points"]
    mask: Bool[np.ndarray, "windows points"]
    center: Float[np.ndarray, " windows"]
    level: Float[np.ndarray, " fits"]


class Evaluation(NamedTuple):
    """log(c + A t^-alpha) held against the data.

    Attributes:
        cost: sum of squared residuals, infinite where the fitted loss is not positive.
        residual: of log L.
        share: (L - c) / L.
        jacobian: d log L / d (log A, alpha, c).
    """

    cost: Float[np.ndarray, " fits"]
    residual: Float[np.ndarray, "fits points"]
    share: Float[np.ndarray, "fits points"]
    jacobian: Float[np.ndarray, "fits 3 points"]


def fit_log_loss(
    curve: Curve,
    y: Float[np.ndarray, "curves points"],
    mask: Bool[np.ndarray, "windows points"],
    *,
    floor: bool,
) -> Fits:
    """Minimize sum (y - log(c + A t^-alpha))^2 over the bins of each window; c = 0 without floor.

    Arguments:
        curve: the bins.
        y: log L; one curve for many windows, or many for one.
        mask: bins in each window.
        floor: fit c as well.

    Returns:
        One fit for each window, or for each curve.
    """
    count = mask.sum(1, keepdims=True)
    center = (mask @ curve.x)[:, None] / count
    level = np.sum(y * mask, 1, keepdims=True) / count
    data = Centered((curve.x - center) * mask, (y - level) * mask, mask, center[:, 0], level[:, 0])
    if not floor:
        return _fit_line(data)
    with np.errstate(over="ignore", invalid="ignore"):  # losses that span 1e300 fit no floor
        return _fit_floor(data, curve.spread)


def _fit_line(data: Centered) -> Fits:
    """log L = log A - alpha log t."""
    square = np.sum(data.dx**2, 1)
    exponent = -np.sum(data.dx * data.y, 1) / square
    log_amplitude, zero = data.level + exponent * data.center, np.zeros_like(exponent)
    residual = data.y + exponent[:, None] * data.dx
    share = data.mask.astype(float)
    jacobian = np.stack([share, -data.dx], 1)
    scale = np.stack([share.sum(1), square], 1)[..., None]
    return Fits(
        exponent, log_amplitude, zero, residual, share, jacobian, jacobian / scale, zero + 1
    )


def _fit_floor(data: Centered, spread: Float[np.ndarray, " points"]) -> Fits:
    """log L = log(c + A t^-alpha)."""
    y = data.y if len(data.mask) > 1 else data.y.mean(0, keepdims=True)
    theta = _start_floor(data.dx, y, data.mask)
    theta = np.repeat(theta, len(data.y) // len(theta), 0)
    theta, best = _minimize(theta, data, spread)
    # Over some thirty decades of the loss no start of the list may lead anywhere; the line does.
    exponent = _fit_line(data).exponent
    line = np.stack([np.zeros_like(exponent), exponent, np.zeros_like(exponent)], 1)
    if np.any(_evaluate(line, data, spread).cost < best.cost):
        line, other = _minimize(line, data, spread)
        theta = np.where((other.cost < best.cost)[:, None], line, theta)
        best = _lower(best, other)
    inverse = _invert(best.jacobian)
    square = np.sum(data.dx**2, 1)
    amplification = np.maximum(np.sqrt(np.sum(inverse[:, 1] ** 2, 1) * square), 1.0)
    log_a, alpha, offset = theta.T
    log_amplitude, offset = log_a + alpha * data.center + data.level, offset * np.exp(data.level)
    return Fits(
        alpha,
        log_amplitude,
        offset,
        best.residual,
        best.share,
        best.jacobian,
        inverse,
        amplification,
    )


def _start_floor(
    dx: Float[np.ndarray, "fits points"],
    y: Float[np.ndarray, "fits points"],
    mask: Bool[np.ndarray, "fits points"],
) -> Float[np.ndarray, "fits 3"]:
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
        theta = np.stack([log_a, np.full_like(cost, alpha), offset], 1)
        lowest, best = np.where(better, cost, lowest), np.where(better[:, None], theta, best)
    return best


def _evaluate(
    theta: Float[np.ndarray, "fits 3"], data: Centered, spread: Float[np.ndarray, " points"]
) -> Evaluation:
    """log(c + exp(log A - alpha dx)) at theta = (log A, alpha, c)."""
    log_a, alpha, offset = theta[:, :1], theta[:, 1:2], theta[:, 2:]
    power = np.exp(np.clip(log_a - alpha * data.dx, -300, 300))
    loss = power + offset
    positive = loss > 0
    inverse = data.mask / np.where(positive, loss, np.inf)
    share = power * inverse
    # A bin's mean of log L: its second derivative in log t is alpha^2 share (1 - share).
    bend = spread / 2 * alpha**2 * share * (1 - share)
    residual = (data.y - (np.log(np.where(positive, loss, 1.0)) + bend)) * data.mask
    cost = np.where((positive | ~data.mask).all(1), np.sum(residual**2, 1), np.inf)
    return Evaluation(cost, residual, share, np.stack([share, -data.dx * share, inverse], 1))


def _minimize(
    theta: Float[np.ndarray, "fits 3"], data: Centered, spread: Float[np.ndarray, " points"]
) -> tuple[Float[np.ndarray, "fits 3"], Evaluation]:
    """Levenberg-Marquardt for all fits at once; ends where no fit improves."""
    best = _evaluate(theta, data, spread)
    damping = np.full(len(theta), 1e-3)
    for _ in range(_ITERATIONS):
        normal = best.jacobian @ best.jacobian.transpose(0, 2, 1)
        diagonal = np.diagonal(normal, axis1=1, axis2=2)
        ridge = damping[:, None] * diagonal + 1e-12 * diagonal.max(1, keepdims=True)
        normal = normal + np.eye(3) * ridge[:, None]
        move = np.linalg.solve(normal, best.jacobian @ best.residual[..., None])[..., 0]
        trial = _evaluate(theta + move, data, spread)
        better = trial.cost < best.cost
        theta = np.where(better[:, None], theta + move, theta)
        best = _lower(best, trial)
        damping = np.where(better, damping / 5, damping * 5)
        if not np.any(better & (np.abs(move).max(1) > 1e-10)) and np.all(damping > 1e3):
            break
    return theta, best


def _lower(one: Evaluation, other: Evaluation) -> Evaluation:
    """Of each fit the evaluation with the lower cost."""
    better = other.cost < one.cost
    return Evaluation(
        np.where(better, other.cost, one.cost),
        np.where(better[:, None], other.residual, one.residual),
        np.where(better[:, None], other.share, one.share),
        np.where(better[:, None, None], other.jacobian, one.jacobian),
    )


def _invert(
    jacobian: Float[np.ndarray, "fits 3 points"],
) -> Float[np.ndarray, "fits 3 points"]:
    """Pseudo-inverses, by the normal equations with a ridge that keeps them solvable."""
    normal = jacobian @ jacobian.transpose(0, 2, 1)
    ridge = 1e-13 * np.trace(normal, axis1=1, axis2=2)[:, None, None]
    return np.linalg.solve(normal + ridge * np.eye(3), jacobian)
