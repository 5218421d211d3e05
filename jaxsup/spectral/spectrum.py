"""The spectrum of one frame, or of many, with static shapes."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int

from jaxsup._internal.display import named
from jaxsup._internal.validation import fail, is_traced
from jaxsup.spectral.arrays import (
    as_array,
    check_tolerances,
    exact_product,
    exceeds,
    in_own_precision,
    in_units,
    normalize,
    or_one,
    rounding,
    safe_sqrt,
    smaller_product,
)
from jaxsup.spectral.eigenspaces import (
    eigen_coordinates,
    first_largest,
    leverages,
    tightness_residuals,
)
from jaxsup.spectral.frame import deviations, overlaps, scaled_capacities

CLUSTER_TOLERANCE = 1e-4


class FrameSpectrum(eqx.Module):
    """The eigenspaces of F = W W^T and every feature's place on them.

    Inside `jit` and `vmap` the eigenspace axis has min(K, N) entries, of which the first `count`
    are real and the others zero; `trim` drops those. Features that are not represented have zero
    measures and what follows from them, but their leverage. A batch has its axis in front of every
    field and property. What has no unit is computed from W / scale
    and right where the largest entry is of 1e-31 to 1e35 in float32, far beyond in float64; what is
    in units of W^2 is zero or infinite where squares leave the range of the precision.

    Attributes:
        eigenvalues: distinct and non-zero, falling: the means of their clusters, in units of W^2.
        multiplicities: dimension of each eigenspace.
        spreads: largest minus smallest eigenvalue in each cluster, in units of W^2.
        tightness: t_k, relative residual of a tight frame, 0 = tight; see `decompose`.
        overall_tightness: sqrt(sum_k m_k (l_k t_k)^2 / sum_k m_k l_k^2).
        measures: mu_ik = |P_k w_i|^2 / |w_i|^2; rows sum to 1.
        localization: participation ratio sum_k mu_ik^2, in [1/count, 1].
        entropy_localization: 1 - H(mu_i) / log(count), in [0, 1].
        mean_eigenvalues: kappa_i = E_mu[lambda] = sum_k mu_ik lambda_k, in units of W^2.
        eigenvalue_deviations: |F w_i - kappa_i w_i| / |w_i|, the standard deviation of lambda under
            mu_i, in units of W^2; 0, but for the spread of an eigenspace, where it is localized.
        eigenvalue_spreads: cv_i = sd_mu(lambda) / kappa_i, the coefficient of variation; 0 if
            localized.
        leverages: l_i = w_i^T F^+ w_i, in [0, 1]; they add up to the rank, and D_i <= l_i.
        capacities: D_i = |w_i|^2 / kappa_i, in [0, 1].
        norms: |w_i|, in units of W.
        represented: see `jaxsup.spectral.represented`.
        saturation: sum_i D_i / rank, in [0, 1]; 0 for a zero matrix.
        rank: number of eigenvalues that are not zero.
        count: number of eigenspaces.
        raw_eigenvalues: all min(K, N), with multiplicity, falling, in units of W^2.
        basis: eigenvectors as columns; arbitrary inside an eigenspace.
        labels: eigenspace of each eigenvector; min(K, N) is the null space.
        scale: a power of two near the largest entry of W, in units of W.
        scaled_eigenvalues: raw_eigenvalues / scale^2.
    """

    eigenvalues: Float[Array, " eigenspaces"]
    multiplicities: Int[Array, " eigenspaces"]
    spreads: Float[Array, " eigenspaces"]
    tightness: Float[Array, " eigenspaces"]
    overall_tightness: Float[Array, ""]
    measures: Float[Array, "features eigenspaces"]
    localization: Float[Array, " features"]
    entropy_localization: Float[Array, " features"]
    mean_eigenvalues: Float[Array, " features"]
    eigenvalue_deviations: Float[Array, " features"]
    eigenvalue_spreads: Float[Array, " features"]
    leverages: Float[Array, " features"]
    capacities: Float[Array, " features"]
    norms: Float[Array, " features"]
    represented: Bool[Array, " features"]
    saturation: Float[Array, ""]
    rank: Int[Array, ""]
    count: Int[Array, ""]
    raw_eigenvalues: Float[Array, " eigenvalues"]
    basis: Float[Array, "latent eigenvalues"]
    labels: Int[Array, " eigenvalues"]
    scale: Float[Array, ""]
    scaled_eigenvalues: Float[Array, " eigenvalues"]

    def __repr__(self) -> str:
        numbers = self.rank, self.count, self.saturation
        if not all(isinstance(array, Array | np.ndarray) for array in (self.basis, *numbers)):
            return eqx.tree_pformat(self)  # a tree of something else, as `jax.tree.map` makes
        size = f"{self.basis.shape[-2]:,} x {self.norms.shape[-1]:,}"
        if is_traced(numbers):
            return named(self, f"{size}, traced")
        if self.rank.ndim:
            return named(self, f"a batch of {' x '.join(map(str, self.rank.shape))}, {size}")
        rank, count = int(self.rank), int(self.count)
        spaces = f"rank {rank:,} in {count:,} eigenspace{'s' * (count != 1)}"
        return named(self, f"{size}, {spaces}, saturation {float(self.saturation):.4f}")

    @property
    @in_own_precision
    def slack(self) -> Float[Array, "*batch features"]:
        """1 - D_i / l_i, in [0, 1): 0 if and only if the feature is localized."""
        slack = 1.0 - self.capacities / or_one(self.leverages)
        # A diverged replica represents nothing, and is NaN all the same.
        kept = self.represented | jnp.isnan(slack)
        return jnp.where(kept, jnp.maximum(slack, 0.0), 0.0)

    @property
    @in_own_precision
    def largest_projections(self) -> Float[Array, "*batch features"]:
        """max_k mu_ik: the largest share of a feature on one eigenspace."""
        return jnp.max(self.measures, axis=-1, initial=0.0)

    @property
    @in_own_precision
    def entropies(self) -> Float[Array, "*batch features"]:
        """H(mu_i) = -sum_k mu_ik log mu_ik in nats, at most log(count)."""
        return -jnp.sum(self.measures * jnp.log(or_one(self.measures)), axis=-1)

    @property
    @in_own_precision
    def homes(self) -> Int[Array, "*batch features"]:
        """The eigenspace with a feature's largest measure, the first at a tie.

        Of a feature that is not represented: the length of `eigenvalues`, one past the last.
        """
        homes = first_largest(jnp.swapaxes(self.measures, -1, -2))
        return jnp.where(self.represented, homes, self.measures.shape[-1])

    @property
    @in_own_precision
    def latent_saturation(self) -> Float[Array, "*batch"]:
        """sum_i D_i / K, in [0, 1]: saturation against all dimensions, not the rank alone."""
        return jnp.sum(self.capacities, axis=-1) / self.basis.shape[-2]

    @in_own_precision
    def projector(self, eigenspace: int | Int[Array, ""]) -> Float[Array, "*batch latent latent"]:
        """P_k, the projector on an eigenspace (an integer), whatever its basis; 0 past `count`."""
        if not jnp.issubdtype(jnp.result_type(eigenspace), jnp.integer):
            raise fail("eigenspace", "an integer", eigenspace, "count from 0")
        inside = (self.labels == eigenspace) & (eigenspace < self.count)[..., None]
        kept = jnp.where(inside[..., None, :], self.basis, 0.0)
        return exact_product(kept, kept.mT)

    @in_own_precision
    def trim(self) -> "FrameSpectrum":
        """Without padding: `count` eigenspaces, the largest count of a batch. Concrete only."""
        keep = int(np.max(np.asarray(self.count)))

        def padded(s: FrameSpectrum) -> tuple[Any, ...]:
            return s.eigenvalues, s.multiplicities, s.spreads, s.tightness, s.measures

        if keep == self.eigenvalues.shape[-1]:  # large measures are not copied
            return self
        return eqx.tree_at(
            padded, self, [jnp.asarray(np.asarray(x)[..., :keep]) for x in padded(self)]
        )

    def __getitem__(self, index: Any) -> "FrameSpectrum":
        """One replica (or a slice of them) of a batched spectrum; IndexError past the last."""
        if not is_traced(index):
            np.broadcast_to(0, self.rank.shape)[index]  # raises, where JAX takes the last
        return jax.tree.map(lambda leaf: leaf[index], self)


def decompose(
    W: ArrayLike,
    *,
    relative_tolerance: float | Float[Array, ""] = CLUSTER_TOLERANCE,
    rank_tolerance: float | Float[Array, ""] | None = None,
) -> FrameSpectrum:
    """F = sum_k lambda_k P_k; spectral measures, capacities, localization, tightness.

    `tightness[k]` is the residual of "the features of eigenspace k form a tight frame on it",

        |P_k (sum_{i in k} w_i w_i^T) - lambda_k P_k|_F / (lambda_k sqrt(m_k)),

    where feature i belongs to the eigenspace with its largest measure (the first one at a tie): all
    residuals vanish exactly when every feature is localized.

    Arguments:
        W: [latent, features], real and finite. A traced matrix with NaN or infinity gives NaN
            values and rank 0.
        relative_tolerance: gap of eigenvalues, relative to the largest, up to which they share an
            eigenspace; in [0, 1), see `jaxsup.spectral`.
        rank_tolerance: eigenvalue, relative to the largest, up to which it counts as zero; in
            [0, 1), default: see `jaxsup.spectral`.

    Returns:
        A `FrameSpectrum`: without padding for a concrete matrix, with min(K, N) entries on the
        eigenspace axis inside `jit`, `vmap` and `grad`.

    Raises:
        ValueError: a concrete W is no finite, real, non-empty matrix or leaves the range of JAX's
            precision, or a tolerance is out of range.

    Reference: arXiv 2602.02224 (spectral measures, capacity saturation, tight frames).

    >>> import numpy as np
    >>> angles = 2 * np.pi * np.arange(5) / 5
    >>> pentagon = decompose(np.stack([np.cos(angles), np.sin(angles)]))
    >>> [round(float(x), 3) for x in pentagon.eigenvalues], pentagon.multiplicities.tolist()
    ([2.5], [2])
    >>> round(float(pentagon.capacities[0]), 3), round(float(pentagon.saturation), 3)
    (0.4, 1.0)
    """
    W = as_array(W)
    check_tolerances(relative_tolerance=relative_tolerance, rank_tolerance=rank_tolerance)
    spectrum = decompose_compiled(W, relative_tolerance, rank_tolerance)
    return spectrum if is_traced(spectrum) else spectrum.trim()


def decompose_padded(
    W: Float[Array, "latent features"],
    relative_tolerance: float | Float[Array, ""],
    rank_tolerance: float | Float[Array, ""] | None,
) -> FrameSpectrum:
    """The padded decomposition: a pure function with static shapes."""
    V, scale = normalize(W)
    finite = jnp.isfinite(scale)
    V = jnp.where(finite, V, 0.0)
    rank_tolerance = rounding(V.shape, V.dtype) if rank_tolerance is None else rank_tolerance
    tolerances = [jnp.asarray(x).astype(V.dtype) for x in (relative_tolerance, rank_tolerance)]
    S = smaller_product(V)
    values, labels, basis, coordinates = eigen_coordinates(V, S, tolerances)
    size = len(values)
    member = (labels[:, None] == jnp.arange(size)[None, :]).astype(V.dtype)
    sizes = jnp.sum(member, axis=0)
    means = jnp.sum(values[:, None] * member, axis=0) / jnp.maximum(sizes, 1.0)
    count, rank = jnp.sum(sizes > 0), jnp.sum(labels < size)

    # [eigenspaces, features] until the end: sums over eigenspaces then run along whole rows.
    mass, squares = exact_product(member.T, coordinates**2), jnp.sum(V * V, axis=0)
    retained = jnp.sum(mass, axis=0)
    represented = exceeds(squares, tolerances[1]) & (retained > 0.5 * squares)
    measures = jnp.where(
        represented[None, :], mass / jnp.where(represented, retained, 1.0)[None, :], 0.0
    )
    capacity = scaled_capacities(squares, overlaps(V, S), represented)
    kappa = jnp.where(represented, squares / or_one(capacity), 0.0)
    entropy = -jnp.sum(measures * jnp.log(or_one(measures)), axis=0)
    entropy = entropy / jnp.log(jnp.maximum(count, 2).astype(V.dtype))
    home = (labels[:, None] == first_largest(measures)[None, :]) & represented[None, :]
    offsets = jnp.where(labels < size, values - exact_product(member, means), 0.0)
    residuals = tightness_residuals(offsets, coordinates, home, member)
    spreads = jnp.ptp(jnp.where(member > 0, values[:, None], means[None, :]), axis=0)
    sd, scaled_eigenvalues = deviations(V, S, kappa), jnp.maximum(values, 0.0)
    saturation = jnp.sum(capacity) / jnp.maximum(rank, 1).astype(V.dtype)

    spectrum = FrameSpectrum(
        eigenvalues=in_units(means, scale),
        multiplicities=sizes.astype(count.dtype),
        spreads=in_units(spreads, scale),
        tightness=safe_sqrt(residuals / or_one(sizes * means**2)),
        overall_tightness=safe_sqrt(jnp.sum(residuals) / or_one(jnp.sum(sizes * means**2))),
        measures=measures.T,
        localization=jnp.sum(measures**2, axis=0),
        entropy_localization=jnp.where(represented, 1.0 - entropy, 0.0),
        mean_eigenvalues=in_units(kappa, scale),
        eigenvalue_deviations=in_units(sd, scale),
        eigenvalue_spreads=sd / or_one(kappa),
        leverages=leverages(V, basis, coordinates),
        capacities=capacity,
        norms=scale * safe_sqrt(squares),
        represented=represented,
        # At most 1 in value, whatever the rounding; the derivative is that of the quotient.
        saturation=saturation - lax.stop_gradient(jnp.maximum(saturation - 1.0, 0.0)),
        rank=rank,
        count=count,
        raw_eigenvalues=in_units(scaled_eigenvalues, scale),
        basis=basis,
        labels=labels,
        scale=scale,
        scaled_eigenvalues=scaled_eigenvalues,
    )
    poison = jnp.where(finite, 0.0, jnp.nan).astype(V.dtype)
    return jax.tree.map(lambda x: x + poison if eqx.is_inexact_array(x) else x, spectrum)


decompose_compiled = jax.jit(decompose_padded)
