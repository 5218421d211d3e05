"""How well an exponent is known: from the noise of its curve, or from the spread of its seeds."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup.fit.curves import Curve, Losses, bin_means
from jaxsup.fit.single.record_noise import Noise


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
        """Mean of the parts' errors."""
        return float(self.weight @ self.error)

    def inflated(self, factor: float) -> "Spread":
        """With every error times a factor."""
        return self._replace(error=self.error * factor)

    def interval(
        self, exponent: float, systematic: float, confidence: float
    ) -> tuple[float, float]:
        """Ends of the interval: statistical and systematic half widths in quadrature."""
        from scipy.special import ndtri

        half = math.hypot(
            self.half_width(confidence), systematic * float(ndtri((1 + confidence) / 2))
        )
        return exponent - half, exponent + half

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


def spread_of_curve(
    noise: Noise, bins: slice, influence: Float[np.ndarray, " bins"], excess: float = 1.0
) -> Spread:
    """The error that a curve's noise makes, rho left open as far as the record leaves it open.

    Arguments:
        noise: of the record, about the fit in its window.
        bins: the window's.
        influence: d alpha / d log L of these bins.
        excess: variance of the bins over what the noise makes.
    """
    products = noise.covariances(bins) @ influence * influence
    variance = np.maximum(products.sum(1), 1e-300)
    shares = np.zeros_like(noise.scale)
    shares[bins] = noise.weight @ (products / variance[:, None])
    error = np.sqrt(excess * variance)
    return Spread(noise.weight, error, noise.effective_freedom(shares))


def seed_deviations(curve: Curve, losses: Losses, bins: slice) -> Float[np.ndarray, "seeds bins"]:
    """Relative deviations of the seeds from their mean in each bin: what they do to its log."""
    start, stop = curve.start[bins], curve.stop[bins]
    values = losses.values[:, int(start[0]) : int(stop[-1])]
    return bin_means(values / values.mean(0) - 1, start - start[0], stop - start[0])


def spread_of_seeds(
    deviations: Float[np.ndarray, "seeds bins"], influence: Float[np.ndarray, " bins"]
) -> Spread:
    """Student's, with seeds - 1 degrees of freedom, of what each seed adds to the exponent.

    Log of the mean curve moves by (L_s - mean) / (seeds mean) where a seed is added or left out.

    Arguments:
        deviations: (L_s - mean) / mean in each bin.
        influence: d alpha / d log L of these bins.
    """
    seeds, effects = len(deviations), deviations @ influence
    error = math.sqrt(float(np.var(effects)) / (seeds - 1))
    return Spread(np.ones(1), np.array([error]), float(seeds - 1))


def choice_factor(errors: Float[np.ndarray, "draws 2"]) -> float:
    """What choosing the window again makes of the root mean square error, at least 1."""
    again, kept = np.mean(errors**2, 0)
    return math.sqrt(max(float(again) / max(float(kept), 1e-300), 1.0))
