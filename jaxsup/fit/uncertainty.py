"""How well an exponent is known: from the noise of its curve, or from the spread of its seeds."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup.fit.curves import Curve, Losses, bin_means
from jaxsup.fit.noise import Noise


class Spread(NamedTuple):
    """The statistical error of an exponent as a mixture of Student's distributions.

    Attributes:
        weight: of each part; they sum to 1.
        error: standard error in each part.
        freedom: degrees of freedom, of all parts.
    """

    weight: Float[np.ndarray, " parts"]
    error: Float[np.ndarray, " parts"]
    freedom: float

    @property
    def standard_error(self) -> float:
        """Root mean square of the parts' errors."""
        return math.sqrt(float(self.weight @ self.error**2))

    def inflated(self, factor: float) -> "Spread":
        """With every error times a factor."""
        return self._replace(error=self.error * factor)

    def half_width(self, confidence: float) -> float:
        """h with P(|alpha - estimate| < h) = confidence."""
        from scipy.special import stdtr, stdtrit

        level = (1 + confidence) / 2
        low, high = self.error.min(), self.error.max()
        ends = np.array([low, high]) * stdtrit(self.freedom, level)
        while ends[1] - ends[0] > 1e-4 * ends[1]:
            middle = ends.mean()
            inside = self.weight @ stdtr(self.freedom, middle / np.maximum(self.error, 1e-300))
            ends[int(inside > level)] = middle
        return float(ends.mean())


def spread_of_curve(noise: Noise, bins: slice, influence: Float[np.ndarray, " bins"]) -> Spread:
    """The error that a curve's noise makes, rho left open as far as the record leaves it open.

    Arguments:
        noise: of the record, about the fit in its window.
        bins: the window's.
        influence: d alpha / d log L of these bins.
    """
    products = noise.covariances(bins) @ influence * influence
    variance = np.maximum(products.sum(1), 1e-300)
    shares = np.zeros_like(noise.scale)
    shares[bins] = noise.weight @ (products / variance[:, None])
    return Spread(noise.weight, np.sqrt(variance), noise.effective_freedom(shares))


def deviations_of_seeds(curve: Curve, losses: Losses) -> Float[np.ndarray, "seeds points"]:
    """(L_s - mean) / mean in every bin: what each seed adds to log of the mean, times seeds."""
    mean = losses.values.mean(0)
    return bin_means(losses.values / mean - 1, curve.start, curve.stop)


def spread_of_seeds(
    deviations: Float[np.ndarray, "seeds bins"], influence: Float[np.ndarray, " bins"]
) -> Spread:
    """Student's, with seeds - 1 degrees of freedom, of the seeds' influence on the exponent.

    Arguments:
        deviations: of every seed from the mean curve.
        influence: d alpha / d log L of these bins.
    """
    effects = deviations @ influence
    seeds = len(effects)
    error = math.sqrt(float(np.var(effects)) / (seeds - 1))
    return Spread(np.ones(1), np.array([error]), float(seeds - 1))


def combine(
    exponent: float, spread: Spread, systematic: float, confidence: float
) -> tuple[float, float]:
    """The interval: statistical and systematic half widths in quadrature."""
    from scipy.special import ndtri

    margin = systematic * float(ndtri((1 + confidence) / 2))
    half = math.hypot(spread.half_width(confidence), margin)
    return exponent - half, exponent + half
