"""Whether the residuals of a fit are noise: swings of one period, scatter beyond the noise's."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

_RIDGE = 1e-10  # of the mean variance: noise-free records have singular covariances


class Structure(NamedTuple):
    """What residuals show beyond noise.

    Attributes:
        chance: of a peak as high in the periodogram of white noise.
        period: of the highest peak, in decades.
        excess: mean square of the residuals over what the noise makes, at least 1; what it
            exceeds the noise's 95% quantile by.
    """

    chance: float
    period: float
    excess: float


def find_structure(
    x: Float[np.ndarray, " bins"],
    residual: Float[np.ndarray, " bins"],
    jacobian: Float[np.ndarray, "parameters bins"],
    covariance: Float[np.ndarray, "bins bins"],
) -> Structure:
    """Hold whitened residuals against white noise.

    Arguments:
        x: log t.
        residual: of log L.
        jacobian: d log L / d parameters.
        covariance: of the noise of these bins.

    Returns:
        Fisher's test of the largest ordinate of the periodogram, and the scatter.

    Reference:
        R. A. Fisher, Proc. R. Soc. A 125 (1929) 54.
    """
    from scipy.special import chdtri

    count, freedom = len(x), len(x) - len(jacobian)
    level = float(np.trace(covariance)) / count
    root = np.linalg.cholesky(covariance + np.eye(count) * (_RIDGE * level + 1e-300))
    white = np.linalg.solve(root, np.column_stack([jacobian.T, residual]))
    basis, _ = np.linalg.qr(white[:, :-1])
    z = white[:, -1] - basis @ (basis.T @ white[:, -1])
    excess = float(z @ z) / float(chdtri(freedom, 0.05))
    ordinates = np.abs(np.fft.rfft(z)[1 : (count + 1) // 2]) ** 2
    peak, total = int(np.argmax(ordinates)), float(ordinates.sum())
    share = float(ordinates[peak]) / total if total > 0 else 0.0
    # The first term of Fisher's series, an upper bound of the chance.
    chance = min(1.0, len(ordinates) * (1 - share) ** (len(ordinates) - 1))
    period = float(x[-1] - x[0]) * count / (count - 1) / (peak + 1) / math.log(10)
    return Structure(chance, period, max(excess, 1.0))
