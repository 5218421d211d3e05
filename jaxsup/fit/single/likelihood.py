"""Restricted likelihood of AR(1) noise about a trend, for every rho from one pass over a record."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup.fit.curves import Curve

_RANGE = (-1.2, 5.0)  # of artanh rho: rho from -0.83 to 0.9999
_PRIOR = 0.25  # (1 - rho^2)^0.25 d artanh rho
_REACH = 8.0  # log of the posterior below its largest value that is left out
_NODES = (32, 16, 9)  # values of rho, over a narrower range each time
_RIDGE = 1e-13  # keeps the residuals of an exact fit from 0 / 0
_TINY = 1e-300


class Piece(NamedTuple):
    """A stretch of bins with a trend of its own.

    Attributes:
        first: first bin.
        last: last bin, included.
        design: columns of the trend at the entries of these bins.
    """

    first: int
    last: int
    design: Float[np.ndarray, "columns entries"]


class Moments(NamedTuple):
    """Products of the rows (trend's columns, then log L) of pieces, from which any rho follows.

    Attributes:
        tail: of entries from the second on.
        cross: of entries with those before them.
        head: of entries up to the last but one.
        first: of the first entry.
        freedom: entries less columns.
        unit: what log L was divided by.
    """

    tail: Float[np.ndarray, "pieces rows rows"]
    cross: Float[np.ndarray, "pieces rows rows"]
    head: Float[np.ndarray, "pieces rows rows"]
    first: Float[np.ndarray, "pieces rows rows"]
    freedom: int
    unit: float


class Posterior(NamedTuple):
    """What is known of rho.

    Attributes:
        correlation: values of rho.
        weight: of each; they sum to 1.
        variance: mean square of the innovations over sigma^2, for each.
    """

    correlation: Float[np.ndarray, " nodes"]
    weight: Float[np.ndarray, " nodes"]
    variance: Float[np.ndarray, " nodes"]


def take_moments(
    curve: Curve,
    values: Float[np.ndarray, " entries"],
    pieces: Sequence[Piece],
    scale: Float[np.ndarray, " points"],
) -> tuple[list[np.ndarray], Moments]:
    """Residuals of every piece about its trend, and the products of its rows.

    Arguments:
        curve: the binned curve.
        values: log L of every entry.
        pieces: stretches of its bins.
        scale: sigma in each bin.
    """
    width = max(len(piece.design) for piece in pieces)
    counts = curve.stop - curve.start
    rows, residuals, sigmas = [], [], []
    for piece in pieces:
        bins = slice(piece.first, piece.last + 1)
        sigmas.append(np.repeat(scale[bins], counts[bins]))
        basis, _ = np.linalg.qr(piece.design.T)
        y = values[curve.start[piece.first] : curve.stop[piece.last]]
        y = y - y.mean()
        residuals.append(y - basis @ (basis.T @ y))
        rows.append(basis.T * math.sqrt(len(y)))
    squares = sum(float(np.sum((r / s) ** 2)) for r, s in zip(residuals, sigmas, strict=True))
    unit = math.sqrt(squares / sum(map(len, residuals))) + _TINY
    products = []
    for basis, residual, sigma in zip(rows, residuals, sigmas, strict=True):
        full = np.zeros((width + 1, len(residual)))
        full[: len(basis)], full[-1] = basis, residual / unit
        before, after = full[:, :-1] / sigma[1:], full[:, 1:] / sigma[1:]
        tail = after @ after.T
        # A trend with fewer columns than others gets rows that say nothing.
        extra = np.zeros(width + 1)
        extra[len(basis) :], extra[-1] = 1.0, _RIDGE * len(residual)
        tail += np.diag(extra)
        first = np.outer(full[:, 0], full[:, 0]) / sigma[0] ** 2
        products.append((tail, after @ before.T, before @ before.T, first))
    freedom = sum(map(len, residuals)) - sum(len(piece.design) for piece in pieces)
    tail, cross, head, first = (np.stack(part) for part in zip(*products, strict=True))
    return residuals, Moments(tail, cross, head, first, freedom, unit)


def find_posterior(moments: Moments) -> Posterior:
    """Restricted likelihood times the prior (1 - rho^2)^-0.75, on nodes that span it.

    Reference:
        D. A. Harville, JASA 72 (1977) 320. The prior lies between the reference prior
        (1 - rho^2)^-0.5 of J. O. Berger and R.-Y. Yang, Econometric Theory 10 (1994) 461, and one
        that is flat in artanh rho: the former leaves intervals short where noise is correlated over
        the whole record, the latter makes them wide where it is over a tenth.
    """
    nodes = np.linspace(*_RANGE, _NODES[0])
    logarithm, remaining = _evaluate(moments, nodes)
    for count in _NODES[1:]:
        kept = np.flatnonzero(logarithm > logarithm.max() - _REACH)
        low, high = nodes[max(kept[0] - 1, 0)], nodes[min(kept[-1] + 1, len(nodes) - 1)]
        nodes = np.linspace(low, high, count)
        logarithm, remaining = _evaluate(moments, nodes)
    weight = np.exp(logarithm - logarithm.max())
    variance = moments.unit**2 * remaining / moments.freedom
    return Posterior(np.tanh(nodes), weight / weight.sum(), variance)


def _evaluate(
    moments: Moments, nodes: Float[np.ndarray, " nodes"]
) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
    """Log of the posterior, and the sum of squares that is left, at artanh rho."""
    rho = np.tanh(nodes)[:, None, None, None]
    unit = 1 - np.tanh(nodes) ** 2
    cross = moments.cross + moments.cross.transpose(0, 2, 1)
    product = moments.tail - rho * cross + rho**2 * moments.head + (1 - rho**2) * moments.first
    # Of the Cholesky factor's diagonal the last is the residual, the others the columns' size.
    diagonal = np.diagonal(np.linalg.cholesky(product), axis1=2, axis2=3)
    remaining = np.sum(diagonal[..., -1] ** 2, 1)
    logarithm = len(moments.first) * np.log(unit) / 2 - np.log(diagonal[..., :-1]).sum((1, 2))
    logarithm += _PRIOR * np.log(unit) - moments.freedom / 2 * np.log(remaining)
    return logarithm, remaining
