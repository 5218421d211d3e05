"""Eigenspaces of the frame operator F = W W^T, and how the features (columns of W) use them.

`W` is always [latent, features] (K x N). F (K x K) and the Gram matrix W^T W (N x N) share their
non-zero spectrum: the smaller one is decomposed, at full precision, after W has been divided by the
power of two that brings its largest entry to order one. Two relative tolerances shape the result:

- rank: eigenvalues below `rank_tolerance` times the largest count as zero. The default, r =
  4 sqrt(max(K, N)) machine epsilons, covers the rounding of the product (Higham & Mary 2019,
  probabilistic bound) and of the eigensolver. A column is "not represented" when its squared norm
  is below r times the largest one, or when most of it lies in the numerical null space.
- clusters: sorted eigenvalues whose neighbours differ by at most `relative_tolerance` times the
  largest eigenvalue are chained into one eigenspace; `spreads` shows how far a chain reaches.

Gradients exist at exact degeneracy. Derivatives are taken at fixed clusters from the gaps *between*
them, so what does not depend on the basis inside an eigenspace (projectors, measures, mean
eigenvalues, tightness where it is not zero) has its true derivative; ranks, counts and the
assignment of features to eigenspaces are piecewise constant.

On a CPU the batched eigensolver calls OpenBLAS from XLA's threads: set OPENBLAS_NUM_THREADS=1 for
large batches, and do not run two such batches at a time.

References: "Spectral Superposition: A Theory of Feature Geometry", arXiv 2602.02224; Elhage et al.,
"Toy Models of Superposition", arXiv 2209.10652; Benedetto & Fickus, Adv. Comput. Math. 18 (2003);
Welch, IEEE Trans. Inf. Theory 20 (1974).
"""

from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int

CLUSTER_TOLERANCE = 1e-4

_dot = partial(jnp.matmul, precision=lax.Precision.HIGHEST)


class FrameSpectrum(eqx.Module):
    """The eigenspaces of F = W W^T and every feature's place on them.

    Inside `jit` and `vmap` the eigenspace axis has min(K, N) slots, of which the first `count` are
    real and the others zero; `trim` drops those. Features that are not represented have zero
    measures, capacity and localisation. A batch has its axis in front of every field.
    """

    eigenvalues: Float[Array, "eigenspaces"]  # distinct and non-zero, descending: cluster means
    multiplicities: Int[Array, "eigenspaces"]  # dimension of each eigenspace
    spreads: Float[Array, "eigenspaces"]  # largest minus smallest eigenvalue in each cluster
    tightness: Float[Array, "eigenspaces"]  # t_k, relative residual, 0 = tight; see `decompose`
    overall_tightness: Float[Array, ""]  # sqrt(sum_k m_k (l_k t_k)^2 / sum_k m_k l_k^2)
    measures: Float[Array, "features eigenspaces"]  # mu_ik = |P_k w_i|^2 / |w_i|^2, rows sum to 1
    localization: Float[Array, "features"]  # participation ratio sum_k mu_ik^2, in [1/count, 1]
    entropy_localization: Float[Array, "features"]  # 1 - H(mu_i) / log(count), in [0, 1]
    capacities: Float[Array, "features"]  # D_i, in [0, 1]
    norms: Float[Array, "features"]  # |w_i|
    represented: Bool[Array, "features"]
    saturation: Float[Array, ""]  # sum_i D_i / rank, in [0, 1]; 0 for a zero matrix
    rank: Int[Array, ""]
    count: Int[Array, ""]  # number of eigenspaces
    raw_eigenvalues: Float[Array, "slots"]  # all min(K, N), with multiplicity, descending
    basis: Float[Array, "latent slots"]  # eigenvectors; arbitrary inside an eigenspace
    labels: Int[Array, "slots"]  # eigenspace of each eigenvector; min(K, N) = null space

    def projector(self, eigenspace: int | Int[Array, ""]) -> Float[Array, "latent latent"]:
        """P_k, the projector on one eigenspace, whatever its basis; zero past `count`."""
        inside = jnp.where((self.labels == eigenspace)[None, :], self.basis, 0.0)
        inside = jnp.where(eigenspace < self.count, inside, 0.0)
        return _dot(inside, inside.T)

    def trim(self) -> "FrameSpectrum":
        """Without padding: `count` eigenspaces, the largest count of a batch. Concrete only."""
        keep = int(np.max(np.asarray(self.count)))

        def padded(s: FrameSpectrum):
            return s.eigenvalues, s.multiplicities, s.spreads, s.tightness, s.measures

        return eqx.tree_at(
            padded, self, [jnp.asarray(np.asarray(x)[..., :keep]) for x in padded(self)]
        )

    def __getitem__(self, index: Any) -> "FrameSpectrum":
        """One replica (or a slice of them) of a batched spectrum."""
        return jax.tree.map(lambda leaf: leaf[index], self)


def frame_operator(W: ArrayLike) -> Float[Array, "latent latent"]:
    """F = W W^T = sum_i w_i w_i^T at full precision."""
    W = _as_array(W)
    return _dot(W, W.T)


def gram_matrix(W: ArrayLike) -> Float[Array, "features features"]:
    """M = W^T W, M_ij = w_i . w_j, at full precision; quadratic in the number of features."""
    W = _as_array(W)
    return _dot(W.T, W)


def feature_norms(W: ArrayLike) -> Float[Array, "features"]:
    """|w_i|, with gradient zero (not NaN) at a zero column."""
    V, scale = _normalise(_as_array(W))
    return scale * _safe_sqrt(jnp.sum(V * V, axis=0))


def squared_overlaps(W: ArrayLike) -> Float[Array, "features"]:
    """sum_j (w_i . w_j)^2 = w_i^T F w_i, own term included; never forms N x N when K < N."""
    V, scale = _normalise(_as_array(W))
    return scale**4 * _overlaps(V, _smaller_product(V))


def capacities(W: ArrayLike) -> Float[Array, "features"]:
    """D_i = |w_i|^4 / sum_j (w_i . w_j)^2, in [0, 1] (arXiv 2209.10652; 2602.02224).

    Equal to |w_i|^2 / E_mu_i[lambda]; sum_i D_i <= rank W, with equality exactly when every feature
    is localised on one eigenspace. Needs no eigendecomposition, so gradients are exact anywhere;
    columns below the norm threshold of "not represented" have D_i = 0 and gradient 0.
    """
    V, _ = _normalise(_as_array(W))
    squares = jnp.sum(V * V, axis=0)
    visible = squares > _rounding(V.shape, V.dtype) * jnp.max(squares)
    return _capacities(squares, _overlaps(V, _smaller_product(V)), visible)


def frame_potential(W: ArrayLike) -> Float[Array, ""]:
    """sum_ij (w_i . w_j)^2 = |F|_F^2 (Benedetto & Fickus 2003), own terms included.

    At least |W|_F^4 / K (N^2 / K for unit columns), with equality exactly for tight frames.
    """
    V, scale = _normalise(_as_array(W))
    return scale**4 * jnp.sum(_smaller_product(V) ** 2)


def dimensions_per_feature(W: ArrayLike) -> Float[Array, ""]:
    """D* = K / |W|_F^2 (Elhage et al., arXiv 2209.10652); infinite for a zero matrix."""
    W = _as_array(W)
    return W.shape[0] / jnp.sum(W * W)


def welch_bound(features: int, latent: int) -> float:
    """sqrt((N - K) / (K (N - 1))), 0 if N <= K: the least coherence of N unit vectors (Welch 1974).

    Reached exactly by equiangular tight frames.
    """
    if features < 1 or latent < 1:
        raise ValueError(
            f"expected at least one feature and one latent dimension; got features={features}, "
            f"latent={latent}; do welch_bound(W.shape[1], W.shape[0])"
        )
    return sqrt(max(features - latent, 0) / (latent * max(features - 1, 1)))


def coherence(W: ArrayLike, *, block: int = 2048) -> Float[Array, ""]:
    """max_{i != j} |w_i . w_j| / (|w_i| |w_j|) over represented features, in [0, 1].

    Works through block x block tiles, so memory stays O(N K + block^2) while time is O(N^2 K). Zero
    with fewer than two represented features.
    """
    if block < 1:
        raise ValueError(f"expected block >= 1; got {block}; do leave the default")
    return _coherence(_as_array(W), block)


def decompose(
    W: ArrayLike,
    *,
    relative_tolerance: float | Float[Array, ""] = CLUSTER_TOLERANCE,
    rank_tolerance: float | Float[Array, ""] | None = None,
) -> FrameSpectrum:
    """F = sum_k lambda_k P_k; spectral measures, capacities, localisation, tightness.

    Takes `W` [latent, features], real and finite, and the tolerances of the module's docstring, in
    [0, 1). Returns a `FrameSpectrum`: without padding for a concrete matrix, with min(K, N) static
    slots inside `jit`, `vmap` and `grad`. `tightness[k]` is the residual of "the features of
    eigenspace k form a tight frame on it",

        |P_k (sum_{i in k} w_i w_i^T) - lambda_k P_k|_F / (lambda_k sqrt(m_k)),

    where feature i belongs to the eigenspace with its largest measure (the first one at a tie): all
    residuals vanish exactly when every feature is localised. Eigenvalues are in units of W^2. A
    traced matrix with NaN or infinity gives NaN values and rank 0; a concrete `W` that is no
    finite, non-empty matrix raises ValueError.

    >>> import numpy as np
    >>> angles = 2 * np.pi * np.arange(5) / 5
    >>> pentagon = decompose(np.stack([np.cos(angles), np.sin(angles)]))
    >>> [round(float(x), 3) for x in pentagon.eigenvalues], pentagon.multiplicities.tolist()
    ([2.5], [2])
    >>> round(float(pentagon.capacities[0]), 3), round(float(pentagon.saturation), 3)
    (0.4, 1.0)
    """
    W = _as_array(W)
    _check_tolerances(relative_tolerance, rank_tolerance)
    spectrum = _decompose_compiled(W, relative_tolerance, rank_tolerance)
    traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(spectrum))
    return spectrum if traced else spectrum.trim()


def decompose_batch(
    Ws: ArrayLike,
    *,
    chunk: int = 16,
    summary: Callable[[FrameSpectrum], Any] | None = None,
    relative_tolerance: float | Float[Array, ""] = CLUSTER_TOLERANCE,
    rank_tolerance: float | Float[Array, ""] | None = None,
) -> Any:
    """`decompose` every `Ws[replica]`, `chunk` at a time; the result does not depend on the chunk.

    `Ws` is [replica, latent, features]. Returns what `summary` makes of each padded spectrum,
    stacked: by default the spectra, to be indexed with `[i]` and trimmed. Their measures are as
    large as `Ws`, so let a named function (a new lambda compiles anew) keep what is needed:
    `decompose_batch(Ws, summary=attrgetter("saturation"))`. Working memory is about 8 chunks of
    matrices. Chunks run strictly one after the other. Diverged replicas give NaN.
    """
    Ws = _as_array(Ws, rank=3)
    _check_tolerances(relative_tolerance, rank_tolerance)
    if chunk < 1:
        raise ValueError(f"expected chunk >= 1; got {chunk}; do leave the default")
    return _decompose_chunks(Ws, relative_tolerance, rank_tolerance, chunk, summary)


class Certificate(NamedTuple):
    """The float64 spectrum, and how far a spectrum in lower precision is from it; see `certify`."""

    eigenvalues: np.ndarray  # distinct, descending
    multiplicities: np.ndarray
    measures: np.ndarray  # [features, eigenspaces]
    capacities: np.ndarray
    represented: np.ndarray
    rank: int
    agrees: bool  # same multiplicities and same represented features
    margin: float  # smallest gap between eigenspaces / widest spread inside one
    errors: dict[str, float]  # of "eigenvalues", "measures" and "capacities"
    bounds: dict[str, float]  # of the same

    @property
    def certified(self) -> bool:
        """The structure agrees and every error is within its bound."""
        return self.agrees and all(self.errors[name] <= self.bounds[name] for name in self.bounds)


def certify(
    W: ArrayLike,
    spectrum: FrameSpectrum | None = None,
    *,
    relative_tolerance: float = CLUSTER_TOLERANCE,
    rank_tolerance: float | None = None,
) -> Certificate:
    """Check a spectrum of `W`, by default `decompose(W)`, against a float64 SVD in numpy.

    Both sides use the same tolerances, and r is the default rank tolerance of the spectrum's dtype:
    the relative error allowed for F. `errors` are largest absolute differences: of all eigenvalues,
    relative to the largest; of measures and capacities (infinite where the structure differs).
    `bounds` are r for eigenvalues (Weyl); r (1 + 2 c / gap) for measures (Davis-Kahan), the gap
    between eigenspaces relative to lambda_max and c = 1, or lambda_max / min_i |w_i|^2 when N < K;
    r (1 + lambda_max max_i D_i^2 / |w_i|^2) for capacities.
    """
    _check_tolerances(relative_tolerance, rank_tolerance)
    tolerances = {"relative_tolerance": relative_tolerance, "rank_tolerance": rank_tolerance}
    found = decompose(W, **tolerances) if spectrum is None else spectrum.trim()
    exact = np.asarray(W, np.float64)
    if found.norms.shape != exact.shape[1:]:
        raise ValueError(
            f"expected the spectrum of this matrix; got {len(found.norms)} features for W of shape "
            f"{exact.shape}; do certify(W, decompose(W))"
        )
    r = _rounding(exact.shape, found.norms.dtype)
    cut = r if rank_tolerance is None else rank_tolerance
    values, groups, measures, capacities, shown = _reference(exact, relative_tolerance, cut)
    sizes = np.array([len(g) for g in groups], int)
    rank, top = sizes.sum(), max(values[0], np.finfo(np.float64).tiny)
    ends = np.cumsum(sizes)
    edges = values[ends - 1] - np.append(values, -np.inf)[ends]
    gap = edges.min(initial=np.inf) / top
    widest = max([np.ptp(values[g]) for g in groups], default=0.0) / top
    squares = np.sum(exact**2, axis=0)
    wide = exact.shape[0] <= exact.shape[1]
    factor = 1.0 if wide else top / squares[shown].min(initial=top)
    strain = top * np.max(capacities[shown] ** 2 / squares[shown], initial=0.0)
    agrees = np.array_equal(sizes, found.multiplicities)
    agrees = agrees and np.array_equal(shown, found.represented)
    errors = {"eigenvalues": float(_distance(values, found.raw_eigenvalues) / top)}
    errors["measures"] = _distance(measures, found.measures) if agrees else float("inf")
    errors["capacities"] = _distance(capacities, found.capacities) if agrees else float("inf")
    return Certificate(
        eigenvalues=np.array([values[g].mean() for g in groups]),
        multiplicities=sizes,
        measures=measures,
        capacities=capacities,
        represented=shown,
        rank=int(rank),
        agrees=agrees,
        margin=float(gap / max(widest, np.finfo(np.float64).eps)),
        errors=errors,
        bounds={
            "eigenvalues": r,
            "measures": float(r * (1 + 2 * factor / gap)),
            "capacities": float(r * (1 + strain)),
        },
    )


def _reference(
    W: Float[np.ndarray, "K N"], relative_tolerance: float, rank_tolerance: float
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Eigenvalues, clusters of indices, measures, capacities, represented: by SVD, in numpy."""
    singular, right = np.linalg.svd(W, full_matrices=False)[1:]
    values, squares = singular**2, np.sum(W**2, axis=0)
    mass = (singular[:, None] * right) ** 2  # [slots, features]
    rank = int(np.sum(values > rank_tolerance * values[0]))
    drops = values[: max(rank - 1, 0)] - values[1 : max(rank, 1)]
    opens = np.flatnonzero(drops > relative_tolerance * values[0])
    groups = np.split(np.arange(rank), opens + 1) if rank else []
    kept = mass[:rank].sum(0)
    shown = (squares > rank_tolerance * squares.max()) & (kept > 0.5 * squares)
    parts = [np.where(shown, mass[g].sum(0) / np.where(shown, kept, 1.0), 0.0) for g in groups]
    measures = np.stack(parts, axis=1) if parts else np.zeros((W.shape[1], 0))
    capacities = np.where(shown, squares**2 / np.where(shown, values @ mass, 1.0), 0.0)
    return values, groups, measures, capacities, shown


def _distance(reference: np.ndarray, found: Array) -> float:
    return float(np.max(np.abs(reference - np.asarray(found)), initial=0.0))


def _as_array(W: ArrayLike, rank: int = 2) -> Float[Array, "..."]:
    """Check a matrix (or a stack of them) as far as it is concrete; at least single precision."""
    array = W if isinstance(W, jax.Array) else np.asarray(W)
    if array.ndim != rank or 0 in array.shape:
        shape = "[latent, features]" if rank == 2 else "[replica, latent, features]"
        raise ValueError(
            f"expected a non-empty {shape} array; got shape {array.shape}; do decompose(W) for one "
            "matrix, decompose_batch(Ws) for a stack"
        )
    if not (jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer)):
        raise ValueError(
            f"expected real numbers; got dtype {array.dtype}; do W.real or a conversion"
        )
    array = jnp.asarray(array)
    if not jnp.issubdtype(array.dtype, jnp.floating) or array.dtype.itemsize < 4:
        array = array.astype(jnp.float32)
    if rank == 2 and not isinstance(array, Tracer) and not _finite(array):
        raise ValueError(
            f"expected finite numbers; got NaN or infinity in {array.dtype}; do drop diverged runs"
        )
    return array


def _finite(array: Float[Array, "..."]) -> bool:
    with jax.ensure_compile_time_eval():  # also for a constant inside jit
        return bool(jnp.all(jnp.isfinite(array)))


def _check_tolerances(*tolerances: float | Array | None) -> None:
    for value in tolerances:
        if isinstance(value, float | int) and not 0 <= value < 1:
            raise ValueError(f"expected a tolerance in [0, 1); got {value}; do leave the default")


def _rounding(shape: tuple[int, ...], dtype: Any) -> float:
    """r, the default rank tolerance."""
    return 4 * sqrt(max(shape)) * float(jnp.finfo(dtype).eps)


@jax.jit
def _normalise(W: Float[Array, "K N"]) -> tuple[Float[Array, "K N"], Float[Array, ""]]:
    """W / scale and scale, a power of two near the largest entry (NaN for a non-finite W)."""
    top = lax.stop_gradient(jnp.max(jnp.abs(W)))
    top = jnp.where(top == 0, 1.0, top)
    scale = top / jnp.frexp(top)[0]
    return W / scale, scale


@jax.jit
def _smaller_product(V: Float[Array, "K N"]) -> Float[Array, "slots slots"]:
    """F where K <= N, else the Gram matrix."""
    return _dot(V, V.T) if V.shape[0] <= V.shape[1] else _dot(V.T, V)


@jax.jit
def _overlaps(V: Float[Array, "K N"], S: Float[Array, "slots slots"]) -> Float[Array, "N"]:
    wide = V.shape[0] <= V.shape[1]
    return jnp.sum(V * _dot(S, V), axis=0) if wide else jnp.sum(S * S, axis=0)


@jax.jit
def _capacities(
    squares: Float[Array, "N"], overlaps: Float[Array, "N"], shown: Bool[Array, "N"]
) -> Float[Array, "N"]:
    """|w|^4 / overlap; the overlap is at least |w|^4, its own term, whatever the rounding."""
    safe = jnp.where(shown, jnp.maximum(overlaps, squares**2), 1.0)
    return jnp.where(shown, squares**2 / safe, 0.0)


def _or_one(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """A divisor with one in place of zero."""
    return jnp.where(x > 0, x, 1.0)


def _safe_sqrt(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Square root with derivative zero at zero."""
    return jnp.where(x > 0, jnp.sqrt(_or_one(x)), 0.0)


@jax.custom_jvp
def _follow(S: Array, values: Array, vectors: Array, labels: Array) -> tuple[Array, Array]:
    """The eigenpairs of S as given, with their derivative at fixed clusters.

    d lambda_a = u_a^T dS u_a;  d u_b = sum_a u_a (u_a^T dS u_b) / (lambda_b - lambda_a) over the a
    outside b's cluster: a basis moves only as its eigenspace does.
    """
    return values, vectors


@_follow.defjvp
def _follow_derivative(primals, tangents):
    values, vectors = _follow(*primals)
    labels = primals[3]
    turned = _dot(vectors.T, _dot(tangents[0], vectors))
    same = labels[:, None] == labels[None, :]
    gaps = jnp.where(same, 1.0, values[None, :] - values[:, None])
    moved = _dot(vectors, jnp.where(same, 0.0, turned / gaps))
    return (values, vectors), (jnp.diagonal(turned), moved)


def _eigenspaces(S: Array, relative_tolerance: Array, rank_tolerance: Array) -> tuple[Array, ...]:
    """Descending eigenvalues, eigenvectors, and the cluster of each (the size of S: null space)."""
    values, vectors = jnp.linalg.eigh(lax.stop_gradient(S), symmetrize_input=False)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = (values > rank_tolerance * values[0]) & (values > 0)
    opens = values[:-1] - values[1:] > relative_tolerance * values[0]
    opens = jnp.concatenate([jnp.ones((1,), bool), opens])
    labels = jnp.where(kept, jnp.cumsum(opens & kept) - 1, len(values))
    return *_follow(S, values, vectors, labels), labels


def _coordinates(V: Array, S: Array, tolerances: list[Array]) -> tuple[Array, ...]:
    """Eigenvalues, clusters, eigenvectors u_a of F (zero in the null space) and u_a . w_i."""
    values, vectors, labels = _eigenspaces(S, *tolerances)
    kept = labels < len(values)
    vectors = jnp.where(kept[None, :], vectors, 0.0)
    if V.shape[0] <= V.shape[1]:
        return values, labels, vectors, _dot(vectors.T, V)
    root = jnp.sqrt(jnp.where(kept, values, 1.0))[None, :]
    return values, labels, _dot(V, vectors / root), (vectors * root).T


def _residuals(offsets: Array, coordinates: Array, own: Array, member: Array) -> Array:
    """|P_k (S_k - lambda_k P_k)|_F^2, from P_k (F - lambda_k P_k) less what is not k's own."""
    foreign = jnp.where(own, 0.0, coordinates)
    difference = jnp.diag(offsets) - _dot(foreign, coordinates.T)  # rows: eigenvectors
    return jnp.sum(jnp.sum(difference**2, axis=1)[:, None] * member, axis=0)


def _decompose(W: Array, relative_tolerance: Any, rank_tolerance: Any) -> FrameSpectrum:
    """The padded decomposition: a pure function with static shapes."""
    V, scale = _normalise(W)
    finite = jnp.isfinite(scale)
    V = jnp.where(finite, V, 0.0)
    rank_tolerance = _rounding(V.shape, V.dtype) if rank_tolerance is None else rank_tolerance
    tolerances = [jnp.asarray(x).astype(V.dtype) for x in (relative_tolerance, rank_tolerance)]
    S = _smaller_product(V)
    values, labels, basis, coordinates = _coordinates(V, S, tolerances)

    slots = len(values)
    member = (labels[:, None] == jnp.arange(slots)[None, :]).astype(V.dtype)
    sizes = jnp.sum(member, axis=0)
    means = jnp.sum(values[:, None] * member, axis=0) / jnp.maximum(sizes, 1.0)
    count, rank = jnp.sum(sizes > 0), jnp.sum(labels < slots)

    mass, squares = _dot((coordinates**2).T, member), jnp.sum(V * V, axis=0)
    retained = jnp.sum(mass, axis=1)
    shown = (squares > tolerances[1] * jnp.max(squares)) & (retained > 0.5 * squares)
    measures = jnp.where(shown[:, None], mass / jnp.where(shown, retained, 1.0)[:, None], 0.0)
    capacity = _capacities(squares, _overlaps(V, S), shown)
    entropy = -jnp.sum(measures * jnp.log(_or_one(measures)), axis=1)
    entropy = entropy / jnp.log(jnp.maximum(count, 2).astype(V.dtype))
    own = (labels[:, None] == jnp.argmax(measures, axis=1)[None, :]) & shown[None, :]
    offsets = jnp.where(labels < slots, values - _dot(member, means), 0.0)
    residuals = _residuals(offsets, coordinates, own, member)
    spectrum = FrameSpectrum(
        eigenvalues=scale**2 * means,
        multiplicities=sizes.astype(count.dtype),
        spreads=scale**2 * jnp.ptp(jnp.where(member > 0, values[:, None], means[None, :]), axis=0),
        tightness=_safe_sqrt(residuals / _or_one(sizes * means**2)),
        overall_tightness=_safe_sqrt(jnp.sum(residuals) / _or_one(jnp.sum(sizes * means**2))),
        measures=measures,
        localization=jnp.sum(measures**2, axis=1),
        entropy_localization=jnp.where(shown, 1.0 - entropy, 0.0),
        capacities=capacity,
        norms=scale * _safe_sqrt(squares),
        represented=shown,
        saturation=jnp.sum(capacity) / jnp.maximum(rank, 1).astype(V.dtype),
        rank=rank,
        count=count,
        raw_eigenvalues=scale**2 * jnp.maximum(values, 0.0),
        basis=basis,
        labels=labels,
    )
    poison = jnp.where(finite, 0.0, jnp.nan).astype(V.dtype)
    return jax.tree.map(lambda x: x + poison if eqx.is_inexact_array(x) else x, spectrum)


_decompose_compiled = jax.jit(_decompose)


@partial(jax.jit, static_argnames=("chunk", "summary"))
def _decompose_chunks(
    Ws: Array, relative_tolerance: Any, rank_tolerance: Any, chunk: int, summary: Callable | None
) -> Any:
    """A sequential map over equal chunks, the last filled up with zero matrices."""
    total = Ws.shape[0]
    steps = -(-total // chunk)
    Ws = jnp.pad(Ws, ((0, -total % steps), (0, 0), (0, 0)))

    def one(W: Array) -> Any:
        spectrum = _decompose(W, relative_tolerance, rank_tolerance)
        return spectrum if summary is None else summary(spectrum)

    stacked = lax.map(jax.vmap(one), Ws.reshape(steps, -1, *Ws.shape[1:]))
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:total], stacked)


@partial(jax.jit, static_argnames="block")
def _coherence(W: Array, block: int) -> Array:
    V, _ = _normalise(W)
    squares = jnp.sum(V * V, axis=0)
    shown = squares > _rounding(V.shape, V.dtype) * jnp.max(squares)
    unit = jnp.where(shown[None, :], V / jnp.sqrt(jnp.where(shown, squares, 1.0))[None, :], 0.0)
    block = min(block, V.shape[1])
    tiles = -(-V.shape[1] // block)
    unit = jnp.pad(unit, ((0, 0), (0, tiles * block - V.shape[1])))

    def largest(best: Array, tile: Array) -> tuple[Array, None]:
        left, right = (lax.dynamic_slice_in_dim(unit, t * block, block, axis=1) for t in tile)
        itself = (tile[0] == tile[1]) & jnp.eye(block, dtype=bool)
        cosines = jnp.where(itself, 0.0, jnp.abs(_dot(left.T, right)))
        return jnp.maximum(best, jnp.max(cosines)), None

    pairs = jnp.stack(jnp.triu_indices(tiles), axis=1)
    return lax.scan(largest, jnp.zeros((), V.dtype), pairs)[0].clip(max=1.0)
