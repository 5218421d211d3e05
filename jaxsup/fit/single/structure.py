"""Whether the residuals of a fit are noise: swings of one period, scatter beyond the noise's."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup.fit.curves import Curve
from jaxsup.fit.single.least_squares import Fits
from jaxsup.fit.single.record_noise import Noise


class Structure(NamedTuple):
    """What residuals show beyond noise.

    Attributes:
        chance: of white noise with a periodogram as peaked, or as correlated from bin to bin.
        period: of the wave that swings most, in decades.
        slope: amplitude of its local slope, d log L / d log t.
        excess: sum of squares of whitened residuals over its 95% quantile, at least 1.
    """

    chance: float
    period: float
    slope: float
    excess: float


def find_structure(curve: Curve, bins: slice, fits: Fits, fit: int, noise: Noise) -> Structure:
    """Hold the whitened residuals of a fit against white noise.

    Arguments:
        curve: the binned curve.
        bins: the window's.
        fits: of the curve.
        fit: which of them.
        noise: about that fit.

    Returns:
        Fisher's test of the largest ordinate of the periodogram and one of the correlation of
        neighbors, the smaller chance doubled; the largest wave; and the scatter.

    Reference:
        R. A. Fisher, Proc. R. Soc. A 125 (1929) 54.
    """
    from scipy.special import chdtri, ndtr

    residual, jacobian = fits.residual[fit, bins], fits.jacobian[fit][:, bins]
    count = len(residual)
    root = np.linalg.cholesky(noise.regularized(noise.covariance())[bins, bins])
    white = np.linalg.solve(root, np.column_stack([jacobian.T, residual]))
    basis, _ = np.linalg.qr(white[:, :-1])
    z = white[:, -1] - basis @ (basis.T @ white[:, -1])
    square = max(float(z @ z), 1e-300)
    ordinates = np.abs(np.fft.rfft(z)[1 : (count + 1) // 2]) ** 2
    share = float(ordinates.max()) / max(float(ordinates.sum()), 1e-300)
    # The first term of Fisher's series, an upper bound of the chance.
    peaked = len(ordinates) * (1 - share) ** (len(ordinates) - 1)
    correlated = float(ndtr(-float(z[1:] @ z[:-1]) / square * math.sqrt(count)))
    period, slope = _largest_swing(curve.x[bins], residual)
    excess = square / float(chdtri(count - len(jacobian), 0.05))
    return Structure(min(1.0, 2 * peaked, 2 * correlated), period, slope, max(excess, 1.0))


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
