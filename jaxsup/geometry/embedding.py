"""One component as an embedded scheme: which idempotents its Gram matrix uses, or why it is none.

If the cosines take few values whose coherent closure is a commutative scheme, and all norms are
equal, then M = W^T W = sum_j theta_j E_j lies in its Bose-Mesner algebra. E_j is used where
theta_j > 0; up to rotation w_i stacks sqrt(theta_j) times column i of each used E_j, and the
dimension is the sum of their m_j. If the used theta_j agree, sum_i w_i w_i^T = lambda I on the span
(a tight frame), and every feature has capacity
D_i = ||w_i||^4 / sum_j (w_i . w_j)^2 = dimension / n (arXiv 2602.02224).
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxsup._internal.display import fields_in_short
from jaxsup.geometry.coherent import coherent_closure
from jaxsup.geometry.colors import color_pairs
from jaxsup.geometry.scheme import AssociationScheme, build_scheme
from jaxsup.geometry.tolerance import (
    Tolerance,
    amplitude_margin,
    color_margin,
    log_norm_margin,
    tightness_margin,
)


@dataclasses.dataclass(frozen=True)
class Idempotent:
    """A primitive idempotent E_index that the Gram matrix uses, M = sum coefficient * E_index.

    Attributes:
        index: j of E_j, in the order of the scheme.
        multiplicity: m_j = rank E_j.
        coefficient: theta = tr(M E) / m: an eigenvalue of the Gram matrix, in squared units of W.
    """

    index: int
    multiplicity: int
    coefficient: float


@dataclasses.dataclass(frozen=True, eq=False)
class Embedding:
    """What the Gram matrix of one set of vectors says.

    Attributes:
        scheme: whose Bose-Mesner algebra holds the Gram matrix; None where there is none.
        idempotents: those that the Gram matrix uses; empty without a commutative scheme.
        dimension: of the span, exact where there are `idempotents`; else the least one of vectors
            within the tolerance: the smallest singular values, as far as they are within it
            together, do not count.
        tight: whether the non-zero eigenvalues of M agree: the vectors are a tight frame of their
            span.
        margin: relative noise on the vectors under which all of this stays the same.
        colored: whether norms agree and the cosines fall into separate values.
        spread: width of the widest color class of cosines (0 where not computed).
        reason: why there is no scheme; empty where there is.
    """

    scheme: AssociationScheme | None
    idempotents: tuple[Idempotent, ...]
    dimension: int
    tight: bool
    margin: float
    colored: bool
    spread: float
    reason: str
    __repr__ = fields_in_short

    @property
    def support(self) -> Float[np.ndarray, " rank"] | None:
        """Entries of n sum_{j used} E_j on the classes: the embedding with all theta_j set to 1."""
        if self.scheme is None or self.scheme.Q is None:
            return None
        return self.scheme.Q[:, [item.index for item in self.idempotents]].sum(axis=1)


class _Used(NamedTuple):
    """Which amplitudes are not zero, whether they are tight, and the noise that both survive."""

    mask: Bool[np.ndarray, " parts"]
    tight: bool
    margin: float
    tightness_margin: float


def embed(vectors: Float[np.ndarray, "latent points"], tolerance: Tolerance) -> Embedding:
    """Find the scheme whose Bose-Mesner algebra holds the Gram matrix of `vectors`.

    Arguments:
        vectors: the columns; none of them zero.
        tolerance: what counts as equal.
    """
    norms = np.linalg.norm(vectors, axis=0)
    log_norms = np.log(norms)
    spread = float(np.ptp(log_norms))
    if spread > tolerance.log_norm:
        margin = log_norm_margin(spread - tolerance.log_norm)
        return no_scheme(vectors, tolerance, margin, "the features have different norms")
    margin = log_norm_margin(tolerance.log_norm - spread)

    cosines = cosine_matrix(vectors)
    colors = color_pairs(cosines, tolerance.color)
    margin = min(margin, color_margin(colors.slack))
    if not colors.separated:
        reason = "the cosines form a continuum, not a few values"
        irregular = no_scheme(vectors, tolerance, margin, reason)
        return dataclasses.replace(irregular, spread=colors.spread)
    closure = coherent_closure(colors.matrix)
    if isinstance(closure, str):
        irregular = no_scheme(vectors, tolerance, margin, closure)
        return dataclasses.replace(irregular, colored=True, spread=colors.spread)

    scheme = build_scheme(closure, colors.matrix)
    if scheme.Q is None or scheme.multiplicities is None:
        used = _used(_amplitudes(vectors), None, tolerance)
        chosen, dimension = (), int(used.mask.sum())
    else:
        m = scheme.multiplicities
        amplitudes = _projected(vectors, scheme)
        used = _used(amplitudes, m, tolerance)
        theta = amplitudes**2 * float((norms**2).sum()) / m
        chosen = tuple(
            Idempotent(int(j), int(m[j]), float(theta[j])) for j in np.flatnonzero(used.mask)
        )
        dimension = int(m[used.mask].sum())
    margin = min(margin, used.margin, used.tightness_margin)
    return Embedding(scheme, chosen, dimension, used.tight, margin, True, colors.spread, "")


def no_scheme(
    vectors: Float[np.ndarray, "latent points"], tolerance: Tolerance, margin: float, reason: str
) -> Embedding:
    """The embedding of vectors that fit no scheme: only dimension and tightness are known.

    The margin is that of the verdict, not of the dimension.
    """
    used = _used(_amplitudes(vectors), None, tolerance)
    return Embedding(None, (), int(used.mask.sum()), used.tight, margin, False, 0.0, reason)


def cosine_matrix(
    vectors: Float[np.ndarray, "latent points"],
) -> Float[np.ndarray, "points points"]:
    """cos(w_i, w_j), exactly symmetric."""
    directions = vectors / np.linalg.norm(vectors, axis=0)
    cosines = directions.T @ directions
    return (cosines + cosines.T) / 2


def _amplitudes(vectors: Float[np.ndarray, "latent points"]) -> Float[np.ndarray, " parts"]:
    """Singular values over the Frobenius norm, by the smaller of W W^T and W^T W."""
    short = vectors if vectors.shape[0] <= vectors.shape[1] else vectors.T
    values = np.linalg.eigvalsh(short @ short.T)
    return np.sqrt(np.maximum(values, 0.0) / values.sum())


def _projected(
    vectors: Float[np.ndarray, "latent points"], scheme: AssociationScheme
) -> Float[np.ndarray, " parts"]:
    """a_j = ||W E_j||_F / ||W||_F for each idempotent."""
    parts = [np.linalg.norm(vectors @ scheme.idempotent(j)) for j in range(scheme.rank)]
    return np.array(parts) / np.linalg.norm(vectors)


def _used(
    amplitudes: Float[np.ndarray, " parts"],
    multiplicities: Int[np.ndarray, " parts"] | None,
    limits: Tolerance,
) -> _Used:
    """Which parts are no noise, and whether their amplitudes are a tight frame's: sqrt(m_j / d).

    The smallest parts are unused as long as they are within the limit together: noise that has to
    make all of them has at least their joint size, the distance of W from the matrices without.
    """
    m = np.ones(amplitudes.size, np.int64) if multiplicities is None else multiplicities
    order = np.argsort(amplitudes, kind="stable")
    sizes = amplitudes[order]
    joint = np.sqrt(np.cumsum(sizes**2))  # ends at 1, above the limit
    unused = int(np.sum(joint <= limits.amplitude))
    mask = np.ones(amplitudes.size, dtype=bool)
    mask[order[:unused]] = False
    margin = amplitude_margin(float(np.abs(joint - limits.amplitude).min()), limits.amplitude)
    if multiplicities is not None and unused:  # nor must a part in use become smaller than one not
        margin = min(margin, float(sizes[unused] - sizes[unused - 1]) / np.sqrt(2.0))
    expected = np.sqrt(m[mask] / m[mask].sum())
    deviation = float(np.abs(amplitudes[mask] - expected).max())
    return _Used(
        mask,
        deviation <= limits.tightness,
        margin,
        tightness_margin(abs(limits.tightness - deviation)),
    )
