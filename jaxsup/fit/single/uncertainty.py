"""How well an exponent is known: from the noise of its curve, or from the spread of its seeds."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup.fit.curves import Curve, Losses, bin_means
from jaxsup.fit.single.record_noise import Noise

_ENDS = (0.025, 0.975)  # quantiles over rho
_RANK = 1e-13  # of the largest singular value: below, parameters are not told apart


class Spread(NamedTuple):
    """What is known of an exponent, as a mixture of Student's distributions.

    Attributes:
        weight: of each part; they sum to 1.
        offset: estimate less the center of each part.
        error: standard error in each part.
        freedom: degrees of freedom, of all parts.
    """

    weight: Float[np.ndarray, " parts"]
    offset: Float[np.ndarray, " parts"]
    error: Float[np.ndarray, " parts"]
    freedom: float

    @property
    def standard_error(self) -> float:
        """Mean over the parts of the root mean square distance from the estimate."""
        return float(self.weight @ np.hypot(self.offset, self.error))

    def inflated(self, factor: float) -> "Spread":
        """With every distance from the estimate times a factor."""
        return self._replace(offset=self.offset * factor, error=self.error * factor)

    def half_width(self, confidence: float) -> float:
        """h with P(|alpha - estimate| < h) = confidence."""
        from scipy.special import stdtr, stdtrit

        reach = np.abs(self.offset) + self.error * stdtrit(self.freedom, (1 + confidence) / 2)
        ends, error = np.array([0.0, reach.max()]), np.maximum(self.error, 1e-300)
        while ends[1] - ends[0] > 1e-4 * ends[1]:
            middle = ends.mean()
            above = stdtr(self.freedom, (middle - self.offset) / error)
            below = stdtr(self.freedom, (-middle - self.offset) / error)
            ends[int(self.weight @ (above - below) > confidence)] = middle
        return float(ends.mean())

    def extreme_half_widths(self, confidence: float) -> tuple[float, float]:
        """Half widths were one part all there is: 2.5% and 97.5% quantiles over the parts."""
        parts = [
            self._replace(weight=np.ones(1), offset=offset, error=error)
            for offset, error in zip(self.offset[:, None], self.error[:, None], strict=True)
        ]
        widths = np.maximum([part.half_width(confidence) for part in parts], 1e-300)
        order = np.argsort(widths)
        middle = np.cumsum(self.weight[order]) - self.weight[order] / 2
        shortest, longest = np.exp(np.interp(_ENDS, middle, np.log(widths[order])))
        return float(shortest), float(longest)


def spread_of_curve(
    noise: Noise,
    bins: slice,
    jacobian: Float[np.ndarray, "parameters bins"],
    residual: Float[np.ndarray, " bins"],
    excess: float = 1.0,
) -> Spread:
    """What a curve says of the exponent, rho left open as far as the record leaves it open.

    For each rho the exponent is normal about its estimate by generalized least squares: residuals
    of the fit, whose bins count alike, tell how far from that it is. Without what they tell, an
    interval is wide enough on average, but too narrow where the fit is far off and too wide where
    it is not.

    Arguments:
        noise: of the record, about the fit in its window.
        bins: the window's.
        jacobian: d log L / d (log A, alpha, perhaps c) of these bins.
        residual: of these bins.
        excess: variance of the bins over what the noise makes.

    Reference:
        R. A. Fisher, Proc. R. Soc. A 144 (1934) 285: errors given the configuration of the sample.
    """
    from scipy.linalg import solve_triangular

    covariances = noise.covariances(bins)
    shares, offsets, errors = np.zeros_like(noise.scale), [], []
    for weight, covariance in zip(noise.weight, covariances, strict=True):
        root = np.linalg.cholesky(noise.regularized(covariance))
        white = solve_triangular(root, jacobian.T, lower=True)
        unit = np.maximum(np.linalg.norm(white, axis=0), 1e-300)
        white /= unit
        if np.linalg.matrix_rank(white, rtol=_RANK) < len(jacobian):
            # A floor and a law that the window does not tell apart: nothing is known.
            offsets.append(0.0)
            errors.append(math.inf)
            continue
        influence = solve_triangular(root, np.linalg.pinv(white)[1] / unit[1], trans=1, lower=True)
        product = covariance @ influence * influence
        variance = max(float(product.sum()), 1e-300)
        shares[bins] += weight * product / variance
        offsets.append(-float(influence @ residual))
        errors.append(math.sqrt(excess * variance))
    freedom = noise.effective_freedom(shares)
    return Spread(noise.weight, np.array(offsets), np.array(errors), freedom)


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
    return Spread(np.ones(1), np.zeros(1), np.array([error]), float(seeds - 1))


def choice_factor(errors: Float[np.ndarray, "draws 2"]) -> float:
    """What choosing the window again makes of the root mean square error, at least 1."""
    again, kept = np.mean(errors**2, 0)
    return math.sqrt(max(float(again) / max(float(kept), 1e-300), 1.0))
