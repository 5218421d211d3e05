"""Whether the residuals of a fit are noise: swings of one period, scatter beyond that of seeds."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup.fit.curves import Curve, third_differences
from jaxsup.fit.single.least_squares import Fits
from jaxsup.fit.single.record_noise import Noise

_QUIET = 0.1  # roughness
_SMOOTH = 0.3  # correlation
_MEDIAN = 0.6745  # of the absolute value of a normal number


class Structure(NamedTuple):
    """What residuals show beyond noise.

    Attributes:
        chance: of white noise with a periodogram as peaked, or as correlated from bin to bin; or of
            seeds' noise as large.
        period: of the wave that swings most, in decades.
        slope: amplitude of its local slope, d log L / d log t.
        excess: sum of squares of whitened residuals over its 95% quantile, at least 1.
    """

    chance: float
    period: float
    slope: float
    excess: float


class Smoothness(NamedTuple):
    """Whether what polynomials leave of a curve is bends, and no noise.

    Attributes:
        roughness: typical third difference over that of the noise, by the median: a few sharp bends
            do not move it.
        correlation: of neighboring third differences: -0.6 to -0.8 for AR(1) noise, positive where
            they are those of a smooth curve.
    """

    roughness: float
    correlation: float

    @property
    def is_quiet(self) -> bool:
        """Whether nothing but a few bends is there; noise does this once in 1e8 on 50 bins."""
        return self.roughness < _QUIET

    @property
    def bends(self) -> bool:
        """Whether what looks like slow noise is structure."""
        return self.is_quiet or self.correlation > _SMOOTH


def find_structure(
    curve: Curve,
    bins: slice,
    fits: Fits,
    fit: int,
    noise: Noise,
    deviations: Float[np.ndarray, "seeds bins"],
) -> Structure:
    """Hold the whitened residuals of a fit against white noise, and plain ones against the seeds'.

    Arguments:
        curve: the binned curve.
        bins: the window's.
        fits: of the curve.
        fit: which of them.
        noise: about that fit.
        deviations: of the seeds' log L from their mean.

    Returns:
        Fisher's test of the largest ordinate of the periodogram, one of the correlation of
        neighbors and, of several seeds, an F test of the sum of squares, the smallest chance times
        their number; the largest wave; and the scatter.

    Reference:
        R. A. Fisher, Proc. R. Soc. A 125 (1929) 54.
    """
    from scipy.special import chdtri, ndtr

    residual, jacobian = fits.residual[fit, bins], fits.jacobian[fit][:, bins]
    count = len(residual)
    covariance = noise.regularized(noise.covariance())[bins, bins]
    root = np.linalg.cholesky(covariance)
    white = np.linalg.solve(root, np.column_stack([jacobian.T, residual]))
    basis, _ = np.linalg.qr(white[:, :-1])
    z = white[:, -1] - basis @ (basis.T @ white[:, -1])
    square = max(float(z @ z), 1e-300)
    ordinates = np.abs(np.fft.rfft(z)[1 : (count + 1) // 2]) ** 2
    share = float(ordinates.max()) / max(float(ordinates.sum()), 1e-300)
    # The first term of Fisher's series, an upper bound of the chance.
    peaked = len(ordinates) * (1 - share) ** (len(ordinates) - 1)
    correlated = float(ndtr(-float(z[1:] @ z[:-1]) / square * math.sqrt(count)))
    chances = [peaked, correlated]
    if len(deviations) > 1:
        chances.append(_chance_of_seeds(residual, jacobian, covariance, deviations))
    period, slope = _largest_swing(curve.x[bins], residual)
    excess = square / float(chdtri(count - len(jacobian), 0.05))
    chance = min(1.0, len(chances) * min(chances))
    return Structure(chance, period, slope, max(excess, 1.0))


def hold_smoothness(curve: Curve, noise: Noise) -> Smoothness:
    """Third differences along a curve, held against those that its noise would make."""
    differences = third_differences(curve.x)
    variance = np.einsum("ij,ij->i", differences @ noise.covariance(), differences)
    surprise = differences @ (curve.y - curve.y.mean()) / np.sqrt(np.maximum(variance, 1e-300))
    rough = float(np.median(np.abs(surprise))) / _MEDIAN
    again = float(surprise[1:] @ surprise[:-1]) / max(float(surprise @ surprise), 1e-300)
    return Smoothness(rough, again)


def _chance_of_seeds(
    residual: Float[np.ndarray, " bins"],
    jacobian: Float[np.ndarray, "parameters bins"],
    covariance: Float[np.ndarray, "bins bins"],
    deviations: Float[np.ndarray, "seeds bins"],
) -> float:
    """Chance of a mean of seeds that lies as far from a law, by what each is off its own.

    The law is taken out of every seed, whose size and exponent may be its own. What is left of the
    mean has 1 / seeds of the variance of what is left of each: an F test of the sums of squares.
    Its degrees of freedom are Satterthwaite's for the noise's covariance, which structure makes
    look more correlated than it is, and so fewer.
    """
    from scipy.special import fdtrc

    seeds = len(deviations)
    basis, _ = np.linalg.qr(jacobian.T)
    left = deviations - deviations @ basis @ basis.T
    noise = float(np.sum(left**2)) / (seeds * (seeds - 1))
    kept = covariance - basis @ (basis.T @ covariance)
    kept = kept - kept @ basis @ basis.T
    freedom = float(np.trace(kept)) ** 2 / max(float(np.sum(kept**2)), 1e-300)
    ratio = float(residual @ residual) / max(noise, 1e-300)
    return float(fdtrc(freedom, (seeds - 1) * freedom, ratio))


def _largest_swing(
    x: Float[np.ndarray, " bins"], residual: Float[np.ndarray, " bins"]
) -> tuple[float, float]:
    """Period in decades, and amplitude of the local slope, of the wave that swings most."""
    count = len(x)
    length = float(x[-1] - x[0]) * count / (count - 1)
    amplitude = 2 / count * np.abs(np.fft.rfft(residual)[1 : (count + 1) // 2])
    peak = int(np.argmax(amplitude))
    period = length / (peak + 1)
    return period / math.log(10), float(amplitude[peak]) * 2 * math.pi / period
