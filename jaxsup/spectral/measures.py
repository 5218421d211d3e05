"""What spectral measures say beyond their own fields: bins, the linear law, one line a matrix."""

from typing import NamedTuple

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxsup._internal.display import fields_in_short
from jaxsup._internal.validation import check_positive_integer, fail
from jaxsup.spectral.arrays import (
    as_array,
    check_same_shape,
    check_single,
    exact_product,
    in_own_precision,
    or_one,
)
from jaxsup.spectral.spectrum import FrameSpectrum

BINS = 20
"""Bins of equal width between 0 and the largest eigenvalue."""
FEWEST = 10
"""Features of an eigenspace that a line through them wants (arXiv 2602.02224, repository)."""


@in_own_precision
def binned_entropies(
    W: ArrayLike, spectrum: FrameSpectrum, *, bins: int = BINS
) -> Float[Array, " features"]:
    """Entropy in nats of mu_i over `bins` equal bins of lambda in [0, lambda_max].

    Unlike H(mu_i) over eigenspaces it hardly depends on which eigenvalues count as one: measures on
    close eigenvalues fall into one bin. An eigenspace narrower than half a bin falls into the bin
    of its mean as a whole; of a wider chain, each eigenvalue falls into its own.

    Arguments:
        W: [latent, features], finite and real.
        spectrum: result of `jaxsup.spectral.decompose` for W.
        bins: at least 1.

    Returns:
        In [0, log(bins)]; 0 for features that are not represented.

    Raises:
        ValueError: W is no finite, real, non-empty matrix, `bins` is no positive integer, or the
            spectrum is that of a matrix of another shape.

    >>> import numpy as np
    >>> from jaxsup.spectral import decompose
    >>> W = np.diag([2.0, 1.0]) @ np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    >>> binned_entropies(W, decompose(W)).shape
    (3,)
    """
    check_positive_integer("bins", bins, "give the number of bins")
    W = as_array(W)
    check_same_shape(W.shape, spectrum)
    return _binned_entropies(W, spectrum, bins)


def _binned_entropies(
    W: Float[Array, "latent features"], spectrum: FrameSpectrum, bins: int
) -> Float[Array, " features"]:
    raw, labels = spectrum.scaled_eigenvalues, spectrum.labels
    if not spectrum.eigenvalues.size:
        return jnp.zeros_like(spectrum.norms)
    inside = labels[None, :] == jnp.arange(len(spectrum.eigenvalues))[:, None]
    means = _scaled_means(spectrum)
    spreads = jnp.ptp(jnp.where(inside, raw[None, :], means[:, None]), axis=1)
    space = jnp.minimum(labels, len(means) - 1)
    width = raw[0] / bins
    values = jnp.where(spreads[space] <= 0.5 * width, means[space], raw)
    # The largest is in the last bin; the offset keeps rounding from parting equal eigenvalues.
    places = jnp.clip(jnp.floor(values / or_one(width) - 1e-3).astype(int), 0, bins - 1)
    inside = (places[None, :] == jnp.arange(bins)[:, None]) & (labels < len(raw))[None, :]
    V = W.astype(raw.dtype) / or_one(jnp.max(spectrum.norms))
    mass = exact_product(inside.astype(raw.dtype), exact_product(spectrum.basis.T, V) ** 2)
    total = jnp.sum(mass, axis=0)
    shares = mass / or_one(total)[None, :]
    entropy = -jnp.sum(shares * jnp.log(or_one(shares)), axis=0)
    kept = spectrum.represented | jnp.isnan(entropy)  # of a diverged replica, NaN
    return jnp.where(kept, jnp.maximum(entropy, 0.0), 0.0)


def _scaled_means(spectrum: FrameSpectrum) -> Float[Array, " eigenspaces"]:
    """The eigenvalues of the eigenspaces, of W / scale; 0 for the padding."""
    raw = spectrum.scaled_eigenvalues
    inside = spectrum.labels[None, :] == jnp.arange(len(spectrum.eigenvalues))[:, None]
    sizes = jnp.sum(inside, axis=1).astype(raw.dtype)
    return jnp.sum(jnp.where(inside, raw[None, :], 0.0), axis=1) / jnp.maximum(sizes, 1.0)


class LinearLaw(NamedTuple):
    """The lines D_i = slope |w_i|^2 + intercept through the features of each eigenspace.

    Attributes:
        eigenvalues: lambda of each eigenspace, in units of W^2.
        features: how many have their largest measure on it.
        slopes: by least squares, in units of W^-2; NaN with fewer features than asked for, or where
            their norms are one number.
        intercepts: of the same lines.
        r_squared: share of the variance of D_i that the line explains.
        scaled_slopes: slope x lambda, of no unit: 1 where the features are localized.
    """

    eigenvalues: Float[Array, " eigenspaces"]
    features: Int[Array, " eigenspaces"]
    slopes: Float[Array, " eigenspaces"]
    intercepts: Float[Array, " eigenspaces"]
    r_squared: Float[Array, " eigenspaces"]
    scaled_slopes: Float[Array, " eigenspaces"]
    __repr__ = fields_in_short


@in_own_precision
def linear_law(spectrum: FrameSpectrum, *, fewest: int = FEWEST) -> LinearLaw:
    """Within an eigenspace, D_i = |w_i|^2 / lambda: the slope and how well a line fits.

    A feature belongs to the eigenspace with its largest measure. Where all of them are localized
    the slope is 1 / lambda, the intercept 0 and R^2 1.

    Arguments:
        spectrum: result of `jaxsup.spectral.decompose`, padded or not.
        fewest: features of an eigenspace below which it has no line, at least 3.

    Raises:
        ValueError: `fewest` is below 3 or no integer, or the spectrum is that of a batch.

    Reference: arXiv 2602.02224, capacity against norm; its repository keeps lines of R^2 > 0.1 and
    20 features.
    """
    check_positive_integer("fewest", fewest, "give the least number of features of a line")
    if fewest < 3:
        raise fail("fewest", "at least 3", fewest, "two points are always on a line")
    check_single(spectrum)
    top = or_one(jnp.max(spectrum.norms))
    x, y = (spectrum.norms / top) ** 2, spectrum.capacities
    size = spectrum.measures.shape[1]
    member = (jnp.arange(size)[:, None] == spectrum.homes[None, :]).astype(x.dtype)

    def totals(*columns: Float[Array, " features"]) -> Float[Array, "columns eigenspaces"]:
        return exact_product(member, jnp.stack(columns, axis=1)).T

    count, *sums = totals(jnp.ones_like(x), x, y)
    mean_x, mean_y = (total / jnp.maximum(count, 1.0) for total in sums)
    # Features that are not represented have no home: nothing is subtracted from theirs.
    dx, dy = (v - jnp.append(m, 0.0)[spectrum.homes] for v, m in ((x, mean_x), (y, mean_y)))
    xx, xy, yy = totals(dx * dx, dx * dy, dy * dy)
    # Norms that are equal but for rounding have no slope.
    rounding = count * (64 * jnp.finfo(x.dtype).eps * mean_x) ** 2
    exists = (count >= fewest) & (xx > rounding)
    slopes = xy / or_one(xx)
    r_squared = slopes * (xy / or_one(yy))
    scaled = _scaled_means(spectrum) / (top / or_one(spectrum.scale)) ** 2
    # Masked last: a NaN on the way would spoil the derivatives of the others.
    return LinearLaw(
        spectrum.eigenvalues,
        count.astype(spectrum.multiplicities.dtype),
        jnp.where(exists, slopes / top / top, jnp.nan),
        jnp.where(exists, mean_y - slopes * mean_x, jnp.nan),
        jnp.where(exists & (yy > 0), r_squared, jnp.nan),
        jnp.where(exists, slopes * scaled, jnp.nan),
    )


class MeasureSummary(NamedTuple):
    """One number a matrix of what its spectral measures say; means are over represented features.

    Attributes:
        rank: of W.
        saturation: sum_i D_i / rank.
        latent_saturation: sum_i D_i / K.
        leverage: mean of l_i.
        slack: mean of 1 - D_i / l_i.
        mean_eigenvalue: mean of kappa_i, in units of W^2.
        eigenvalue_spread: mean of sd_mu(lambda) / kappa.
        localization: mean of sum_k mu_ik^2.
        largest_projection: mean of max_k mu_ik.
        entropy: mean of H(mu_i) over eigenspaces, in nats.
        binned_entropy: mean of the entropy over `BINS` bins of lambda, in nats.
        lines: eigenspaces with a line of D_i against |w_i|^2.
        linear_law: their median slope x lambda; NaN of none.
        r_squared: the median of their R^2; NaN of none.
    """

    rank: Float[Array, "*samples"]
    saturation: Float[Array, "*samples"]
    latent_saturation: Float[Array, "*samples"]
    leverage: Float[Array, "*samples"]
    slack: Float[Array, "*samples"]
    mean_eigenvalue: Float[Array, "*samples"]
    eigenvalue_spread: Float[Array, "*samples"]
    localization: Float[Array, "*samples"]
    largest_projection: Float[Array, "*samples"]
    entropy: Float[Array, "*samples"]
    binned_entropy: Float[Array, "*samples"]
    lines: Float[Array, "*samples"]
    linear_law: Float[Array, "*samples"]
    r_squared: Float[Array, "*samples"]


@in_own_precision
def summarize_measures(
    W: Float[Array, "latent features"], spectrum: FrameSpectrum
) -> MeasureSummary:
    """The summary of one matrix; a pure function that may be traced.

    Arguments:
        W: [latent, features].
        spectrum: its decomposition. Localization, projections, the entropy and the linear law
            depend on its tolerance of eigenspaces; the others do not.
    """
    dtype = spectrum.norms.dtype
    count = jnp.sum(spectrum.represented).astype(dtype)

    def mean(values: Float[Array, " features"]) -> Float[Array, ""]:
        return jnp.sum(jnp.where(spectrum.represented, values, 0.0)) / count

    law = linear_law(spectrum)
    return MeasureSummary(
        rank=spectrum.rank.astype(dtype),
        saturation=spectrum.saturation,
        latent_saturation=spectrum.latent_saturation,
        leverage=mean(spectrum.leverages),
        slack=mean(spectrum.slack),
        mean_eigenvalue=mean(spectrum.mean_eigenvalues),
        eigenvalue_spread=mean(spectrum.eigenvalue_spreads),
        localization=mean(spectrum.localization),
        largest_projection=mean(spectrum.largest_projections),
        entropy=mean(spectrum.entropies),
        binned_entropy=mean(_binned_entropies(W, spectrum, BINS)),
        lines=jnp.sum(~jnp.isnan(law.slopes)).astype(dtype),
        linear_law=present_median(law.scaled_slopes),
        r_squared=present_median(law.r_squared),
    )


def present_median(values: Float[Array, " values"]) -> Float[Array, ""]:
    """The median of the values that are not NaN, with a finite derivative; NaN of none.

    >>> float(present_median(jnp.array([3.0, jnp.nan, 1.0, 2.5])))
    2.5
    """
    if not values.size:
        return jnp.asarray(jnp.nan, values.dtype)
    count = jnp.sum(~jnp.isnan(values))
    # Sorted to the end, where nothing is taken: the derivatives of `jnp.nanmedian` are NaN there.
    ordered = jnp.sort(jnp.where(jnp.isnan(values), jnp.inf, values))
    middle = 0.5 * (ordered[jnp.maximum(count - 1, 0) // 2] + ordered[count // 2])
    return jnp.where(count > 0, middle, jnp.nan)
