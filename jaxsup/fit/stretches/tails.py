"""Ends of loss curves that bend away from a power law: at a floor, or at an exponential cut-off.

Either is fitted from a bin to the end of the curve, by weighted least squares of log L.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup.fit.curves import Curve

_EXPONENTS = np.geomspace(0.02, 6.0, 48)
_RATIO = float(np.log(_EXPONENTS[1] / _EXPONENTS[0]))
_REFINEMENTS = [np.linspace(-1, 1, 13) * _RATIO / 6**level for level in range(3)]
_LARGEST = 50.0  # change of log L that is looked at: products stay finite
_WORST = 1e12  # condition of a matrix that is inverted


class Tail(NamedTuple):
    """A power law with a floor or a cut-off, fitted from some bin to the end.

    Attributes:
        kind: "floor" or "cut-off".
        cost: sum of squares over their variances.
        exponent: alpha of the law that is bent.
        local: -d log L / d log t of the fit, at each of its bins.
        level: the floor, in units of the loss; 0 with a cut-off.
        error: standard error of the floor's logarithm, or of that of 1 / tau.
        folds: t / tau at the end of the curve; 0 with a floor.
    """

    kind: str
    cost: float
    exponent: float
    local: Float[np.ndarray, " points"]
    level: float
    error: float
    folds: float


def fit_floor(curve: Curve, variance: Float[np.ndarray, " points"], first: int) -> Tail | None:
    """c + A t^-alpha, c > 0, from bin `first` on; None where there is no such floor.

    At each alpha of a grid, and then of a finer one, c and A follow from least squares of the
    relative errors; the cost is that of log L at these.
    """
    x, y, v = curve.x[first:], curve.y[first:], variance[first:]
    shape = x[0] - x
    exponents = _EXPONENTS
    place, costs, power, offset = _search_floor(shape, y, v, exponents)
    for finer in _REFINEMENTS:
        exponents = exponents[place] * np.exp(finer)
        place, costs, power, offset = _search_floor(shape, y, v, exponents)
    exponent, cost = float(exponents[place]), float(costs[place])
    if not math.isfinite(cost):
        return None
    law = power[place] * np.exp(exponent * shape)
    share = law / (offset[place] + law)
    # Standard errors at the best fit, in log A, alpha and log c.
    design = np.stack([share, share * shape * exponent, 1 - share]) / np.sqrt(v)
    error = _last_error(design)
    if error is None:
        return None
    scale = math.exp(float(y[0]))
    return Tail("floor", cost, exponent, exponent * share, scale * float(offset[place]), error, 0.0)


def fit_cutoff(curve: Curve, variance: Float[np.ndarray, " points"], first: int) -> Tail | None:
    """A t^-alpha exp(-t / tau), tau > 0, from bin `first` on; None where it does not steepen."""
    x, y, w = curve.x[first:], curve.y[first:], 1 / np.sqrt(variance[first:])
    time = np.exp(x - x[-1])
    design = np.stack([np.ones_like(x), -(x - x[-1]), -time]) * w
    solution, _, rank, _ = np.linalg.lstsq(design.T, y * w, rcond=None)
    if rank < 3 or solution[2] <= 0:
        return None
    cost = float(np.sum((y * w - solution @ design) ** 2))
    exponent, rate = float(solution[1]), float(solution[2])
    error = _last_error(design)
    if error is None:
        return None
    return Tail("cut-off", cost, exponent, exponent + rate * time, 0.0, error / rate, rate)


def _last_error(design: Float[np.ndarray, "3 points"]) -> float | None:
    """Standard error of the last of three parameters; None where they are not told apart."""
    information = design @ design.T
    if np.linalg.cond(information) > _WORST:
        return None
    return math.sqrt(float(np.linalg.inv(information)[2, 2]))


def _search_floor(
    shape: Float[np.ndarray, " points"],
    y: Float[np.ndarray, " points"],
    variance: Float[np.ndarray, " points"],
    exponents: Float[np.ndarray, " exponents"],
) -> tuple[
    int,
    Float[np.ndarray, " exponents"],
    Float[np.ndarray, " exponents"],
    Float[np.ndarray, " exponents"],
]:
    """Place of the best exponent, costs, A and c, in units of the first bin's loss."""
    inverse = np.exp(np.clip(y[0] - y, -_LARGEST, _LARGEST))
    law = np.exp(exponents[:, None] * shape)
    u, w = law * inverse, 1 / variance
    uu, uo, oo = (u * u) @ w, u @ (w * inverse), float(inverse**2 @ w)
    u1, o1 = u @ w, float(inverse @ w)
    determinant = np.maximum(uu * oo - uo**2, 1e-300)
    with np.errstate(over="ignore"):  # where law and floor cannot be told apart
        power, offset = (u1 * oo - o1 * uo) / determinant, (o1 * uu - u1 * uo) / determinant
    good = (power > 0) & (offset > 0) & np.isfinite(power) & np.isfinite(offset)
    fitted = np.where(good, power, 1)[:, None] * law + np.where(good, offset, 1)[:, None]
    costs = np.where(good, (y - y[0] - np.log(fitted)) ** 2 @ w, np.inf)
    return int(costs.argmin()), costs, power, offset
