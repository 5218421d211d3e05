"""What is done to a matrix before it is measured: centering, and columns of unit norm."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from jaxsup._internal.display import fields_in_short

_BLOCK = 4096  # columns at once, in float64


class Prepared(NamedTuple):
    """A matrix whose columns were centered, divided by their norms, or both.

    Attributes:
        matrix: W, [latent, features], in the precision that it came in.
        mean: of the columns, which was subtracted; None where none was.
        emptied: [features], columns that were the mean but for rounding, and are now zero.
        unit: whether the columns that are not zero have unit norm.
    """

    matrix: Float[np.ndarray, "latent features"]
    mean: Float[np.ndarray, " latent"] | None
    emptied: Bool[np.ndarray, " features"]
    unit: bool
    __repr__ = fields_in_short

    def describe(self) -> str:
        """One line: what was done; empty if nothing was."""
        parts = []
        if self.mean is not None:
            text = f"centered: the mean vector, of norm {np.linalg.norm(self.mean):.4g}, subtracted"
            if emptied := int(self.emptied.sum()):
                text += f" ({emptied:,} feature{'s' * (emptied != 1)} equal to it: now zero)"
            parts.append(text)
        if self.unit:
            parts.append("columns divided by their norms")
        return "; ".join(parts)


def prepare(
    W: Float[np.ndarray, "latent features"],
    *,
    center: bool = False,
    unit_norm: bool = False,
    epsilon: float | None = None,
) -> Prepared:
    """w_i - m with m = sum_j w_j / N, then w_i / |w_i|, each if asked for; zero columns stay zero.

    What centering leaves of a column that is the mean itself is rounding: each entry is off by up
    to half the spacing s of its numbers, |w_i - m|^2 by sum_k s_k^2 / 12 on average, with a
    variance of sum_k s_k^4 / 180; those of the other columns come in by m, over N^2 and N^4. A
    column within three standard deviations of that becomes zero. In bfloat16 that is some 0.2% of
    its norm: a column 1% from the mean is a feature.

    Arguments:
        W: [latent, features], finite.
        center: subtract the mean of the columns.
        unit_norm: divide the columns by their norms, after centering.
        epsilon: relative rounding of the numbers; default: of W's dtype. Give that of the file for
            numbers that were stored in fewer digits than they have here.

    Returns:
        The new matrix, with what was done; W itself where nothing was.

    >>> prepare(np.array([[3.0, 1.0], [4.0, 0.0]]), center=True, unit_norm=True).matrix.round(3)
    array([[ 0.447, -0.447],
           [ 0.894, -0.894]])
    """
    emptied = np.zeros(W.shape[1], bool)
    if not center and not unit_norm:
        return Prepared(W, None, emptied, False)
    rounding = float(np.finfo(W.dtype).eps) if epsilon is None else epsilon
    mean = W.mean(axis=1, dtype=np.float64) if center else None
    result = np.empty_like(W)
    blocks = [slice(start, start + _BLOCK) for start in range(0, W.shape[1], _BLOCK)]
    peak = max(float(np.abs(W).max(initial=0)), np.finfo(np.float64).tiny)
    shared, scatter = 0.0, 0.0
    if mean is not None:
        count = W.shape[1]
        sums = [[x.sum() for x in _rounding(W[:, block], peak, rounding)] for block in blocks]
        # The mean is a sum in float64, which rounds too.
        adding = 4 * np.finfo(np.float64).eps ** 2 * float(np.sum((np.abs(mean) / peak) ** 2))
        adding += 4 * np.finfo(np.float64).eps ** 2 * len(W)
        shared = float(sum(one for one, _ in sums)) / count**2 + adding
        scatter = float(sum(one for _, one in sums)) / count**4
    for block in blocks:
        columns = W[:, block].astype(np.float64)
        if mean is not None:
            own, variances = _rounding(W[:, block], peak, rounding)
            columns -= mean[:, None]
            squares = np.sum((columns / peak) ** 2, axis=0)
            emptied[block] = squares <= own + shared + 3 * np.sqrt(variances + scatter)
            columns[:, emptied[block]] = 0.0
        if unit_norm:
            norms = _norms(columns)
            columns /= np.where(norms > 0, norms, 1.0)
        result[:, block] = columns
    return Prepared(result, mean, emptied, unit_norm)


def stored_epsilon(stored: str, dtype: np.dtype) -> float:
    """Relative rounding of numbers that were stored as one type, and are held as another.

    Arguments:
        stored: name of the type in the file; integers are exact.
        dtype: of the matrix.

    >>> stored_epsilon("bfloat16", np.dtype("float32")), stored_epsilon("int8", np.dtype("float64"))
    (0.0078125, 2.220446049250313e-16)
    """
    kept = float(np.finfo(dtype).eps)
    floating = jnp.issubdtype(jnp.dtype(stored), jnp.floating)
    return max(kept, float(jnp.finfo(jnp.dtype(stored)).eps)) if floating else kept


def _norms(columns: Float[np.ndarray, "latent block"]) -> Float[np.ndarray, " block"]:
    """Norms whose squares neither overflow nor vanish."""
    peak = np.abs(columns).max(axis=0)
    return peak * np.linalg.norm(columns / np.where(peak > 0, peak, 1.0), axis=0)


def _rounding(
    columns: Float[np.ndarray, "latent block"], peak: float, epsilon: float
) -> tuple[Float[np.ndarray, " block"], Float[np.ndarray, " block"]]:
    """Mean and variance of a column's squared rounding error, in units of peak^2 and peak^4.

    An error is uniform within half the spacing, epsilon times the power of two below the number.
    """
    exponents = np.frexp(columns.astype(np.float64) / peak)[1]
    squares = np.where(columns != 0, np.ldexp(epsilon, exponents - 1), 0.0) ** 2
    return np.sum(squares, axis=0) / 12, np.sum(squares**2, axis=0) / 180
