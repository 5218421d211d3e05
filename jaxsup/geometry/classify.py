"""From a weight matrix to the name of every geometry in it."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from jaxsup._internal.validation import check_number, check_positive_integer, fail
from jaxsup.geometry.catalogue import Match, find_name, is_equiangular
from jaxsup.geometry.components import bottleneck, orthogonal_components
from jaxsup.geometry.embedding import Embedding, cosine_matrix, embed, no_scheme
from jaxsup.geometry.report import Component, Eigenspace, Geometry
from jaxsup.geometry.tolerance import Tolerance, edge_margin
from jaxsup.spectral import represented
from jaxsup.spectral.arrays import COMPLEX_ADVICE, check_unmasked

_EXPECTED = "a finite real matrix [latent, features]"
_RELATIVE_ADVICE = "give a relative size, say 1e-3"
_CROSS_POLYTOPES = {2: "square", 3: "octahedron", 4: "16-cell"}


def classify(
    W: ArrayLike,
    *,
    tolerance: float = 1e-3,
    zero_tolerance: float = 1e-3,
    max_features: int = 1024,
    max_pairs: int | None = None,
) -> Geometry:
    """Name the geometry of every orthogonal component of the features W = [w_1, ..., w_N].

    The features are split into connected components of the Gram matrix M = W^T W (which refine the
    eigenspaces of F = W W^T). In each, pairs of features are colored by cosine, the coloring is
    refined to its coherent closure, and if that is an association scheme with M in its Bose-Mesner
    algebra, the scheme and the idempotents in use are looked up in the catalogue. What is no scheme
    is "irregular", and a scheme without a name reports its parameters, as does one whose name stays
    undecided because the search for a bijection of points grew too long. Host-side, float64.

    Arguments:
        W: [latent, features] real matrix; columns are the feature directions.
        tolerance: noise to forgive, 0 < tolerance < 1/4: the verdict on an exact geometry is also
            that on its noisy version with ||e_i|| <= tolerance ||w_i||. Cosines closer than about
            4 tolerance count as equal and those below 2 tolerance as zero, so a random matrix of
            a few features may hold accidental orthogonal ones if this is large. 1e-3 suits weights
            that have converged in float32; those that still carry gradient noise want 1e-2 to 5e-2.
        zero_tolerance: in (0, 1); a feature with ||w_i|| <= zero_tolerance max_j ||w_j|| is not
            represented.
        max_features: components of more features are "irregular" by their size alone.
        max_pairs: pairs of features that may be compared; all N^2 take seconds for 20,000 features
            and hours for 10^6, unless the first thousand rows show that all are one component.
            Beyond it nothing is named: see `Geometry.left_out`. Default: no limit.

    Returns:
        The components with their names, and the features that are not represented.

    Raises:
        ValueError: W is no finite, real, non-empty matrix, a tolerance is out of range, or
            `max_features` or `max_pairs` is no positive integer.

    References: arXiv 2602.02224 (spectral measures and capacity; features of a saturated eigenspace
    form a tight frame); Godsil, "Algebraic Combinatorics" (1993), ch. 12-13, on schemes in spheres.

    >>> import numpy as np
    >>> angles = 2 * np.pi * np.arange(5) / 5
    >>> pentagon = classify(np.stack([np.cos(angles), np.sin(angles)])).components[0]
    >>> pentagon.name, pentagon.dimension, pentagon.capacity
    ('pentagon', 2, Fraction(2, 5))
    """
    matrix = _checked(W)
    relative = {"low": 0, "low_open": True, "high_open": True}
    check_number("tolerance", tolerance, _RELATIVE_ADVICE, high=0.25, **relative)
    check_number("zero_tolerance", zero_tolerance, _RELATIVE_ADVICE, high=1, **relative)
    check_positive_integer("max_features", max_features, "give the largest size to classify")
    if max_pairs is not None:
        advice = "give a number of pairs, or None"
        check_positive_integer("max_pairs", max_pairs, advice, most=2**63 - 1)
    limits = Tolerance(tolerance)
    peak = float(np.abs(matrix).max())
    scale = peak if peak > 0 else 1.0  # so that squares neither overflow nor vanish
    norms = np.linalg.norm(matrix / scale, axis=0)
    alive = np.asarray(represented(matrix / scale, shortest=zero_tolerance))
    indices = np.flatnonzero(alive)
    directions = matrix[:, indices] / scale / norms[indices]
    split = orthogonal_components(
        directions, limits.edge, np.inf if max_pairs is None else max_pairs
    )
    dead = np.flatnonzero(~alive)
    if split is None:
        return Geometry((), dead, (), norms * scale, tolerance)
    zero = _zero_margin(norms, zero_tolerance)
    members = [np.flatnonzero(split.labels == c) for c in range(split.labels.max(initial=-1) + 1)]
    components = []
    for rows in members:
        margin = min(zero, edge_margin(limits.edge - float(split.cross[rows].max())))
        features = indices[rows]
        component = _classify_component(
            matrix[:, features] / scale, features, limits, margin, max_features
        )
        components.append(component)
    spaces = _eigenspaces(components, limits)
    return Geometry(
        tuple(_rescaled(component, scale) for component in components),
        dead,
        tuple(_rescaled_space(space, scale) for space in spaces),
        norms * scale,
        tolerance,
    )


def _checked(W: ArrayLike) -> Float[np.ndarray, "latent features"]:
    check_unmasked("W", W)
    try:
        raw = np.asarray(W)
        matrix = np.real(raw).astype(np.float64)
    except (TypeError, ValueError) as error:
        text = f"{type(W).__name__} that is no array of numbers"
        raise fail("W", _EXPECTED, text, "convert it to numbers", described=True) from error
    text = do = ""
    if np.iscomplexobj(raw):
        text, do = "complex numbers", COMPLEX_ADVICE
    elif matrix.ndim != 2:
        text, do = f"shape {matrix.shape}", "give one matrix, loop over a batch"
    elif matrix.size == 0:
        text = f"the empty shape {matrix.shape}"
        do = "give at least one latent dimension and one feature"
    elif not np.isfinite(matrix).all():
        text = f"{int((~np.isfinite(matrix)).sum())} entries that are NaN or infinite"
        do = "leave out runs that diverged"
    if text:
        raise fail("W", _EXPECTED, text, do, described=True)
    return matrix


def _zero_margin(norms: Float[np.ndarray, " features"], relative: float) -> float:
    """Noise under which no norm crosses the zero limit: |r - 1| / (r + 1), r = norm / limit."""
    limit = relative * norms.max()
    if limit == 0.0:
        return 1.0
    return float((np.abs(norms - limit) / (norms + limit)).min())


def _classify_component(
    vectors: Float[np.ndarray, "latent members"],
    features: Int[np.ndarray, " members"],
    limits: Tolerance,
    margin: float,
    max_features: int,
) -> Component:
    """Verdict on one component; `margin` is that of being a component, `vectors` is W / scale.

    Eigenvalues are those of W / scale, whose squares are in range.
    """
    n = features.size
    signed, match = False, Match(None)
    if n > max_features:
        reason = f"more than {max_features} features: not classified"
        embedding = no_scheme(vectors, limits, 0.0, reason)
    else:
        margin = min(margin, edge_margin(bottleneck(cosine_matrix(vectors)) - limits.edge))
        embedding = embed(vectors, limits)
        match = find_name(embedding)
        if match.name is None:
            embedding, frame, signed = _with_both_signs(vectors, embedding, limits)
            match = match if frame is None else Match(frame)
    exact = embedding.tight and embedding.scheme is not None
    squares = (vectors**2).sum(axis=0)
    return Component(
        features=features,
        name=match.name,
        undecided=match.undecided,
        kind="irregular" if embedding.scheme is None else "scheme",
        dimension=embedding.dimension,
        exact_capacity=Fraction(embedding.dimension, n) if exact else None,
        measured_capacity=_mean_capacity(vectors, squares),
        eigenvalue=float(squares.sum()) / embedding.dimension,
        tight=embedding.tight,
        scheme=embedding.scheme,
        signed=signed,
        idempotents=embedding.idempotents,
        margin=min(margin, embedding.margin),
        spread=embedding.spread,
        reason=embedding.reason,
    )


def _rescaled(component: Component, scale: float) -> Component:
    """A component of W / scale in units of W, factor by factor, as the spectrum has it."""
    idempotents = tuple(
        dataclasses.replace(item, coefficient=scale * (scale * item.coefficient))
        for item in component.idempotents
    )
    eigenvalue = scale * (scale * component.eigenvalue)
    return dataclasses.replace(component, eigenvalue=eigenvalue, idempotents=idempotents)


def _rescaled_space(space: Eigenspace, scale: float) -> Eigenspace:
    """The same of an eigenspace."""
    eigenvalue, spread = (scale * (scale * value) for value in (space.eigenvalue, space.spread))
    return dataclasses.replace(space, eigenvalue=eigenvalue, spread=spread)


def _with_both_signs(
    vectors: Float[np.ndarray, "latent members"], embedding: Embedding, limits: Tolerance
) -> tuple[Embedding, str | None, bool]:
    """The lines +-w_i where the vectors themselves have no name: embedding, name, whether signed.

    The signs of an equiangular tight frame are arbitrary; most choices spoil the closure of w_i.
    A scheme that the vectors form by themselves is kept; without one, that of +-w_i stands in.
    """
    if not embedding.colored:
        return embedding, None, False
    lines = embed(np.hstack([vectors, -vectors]), limits)
    name = None
    if is_equiangular(lines):
        name = f"equiangular tight frame ({vectors.shape[1]}, {lines.dimension})"
    signed = embedding.scheme is None and bool(lines.idempotents)
    nearest = lines if signed else embedding
    return dataclasses.replace(nearest, margin=min(embedding.margin, lines.margin)), name, signed


def _mean_capacity(
    vectors: Float[np.ndarray, "latent members"], squares: Float[np.ndarray, " members"]
) -> float:
    """Mean of ||w_i||^4 / w_i^T F w_i, with F = W W^T or M = W^T W, whichever is smaller."""
    if vectors.shape[0] <= vectors.shape[1]:
        overlaps = np.einsum("ki,ki->i", vectors, (vectors @ vectors.T) @ vectors)
    else:
        overlaps = ((vectors.T @ vectors) ** 2).sum(axis=1)
    return float(np.mean(squares**2 / overlaps))


def _eigenspaces(components: list[Component], limits: Tolerance) -> tuple[Eigenspace, ...]:
    """Group the tight components whose eigenvalues agree."""
    tight = [index for index, component in enumerate(components) if component.tight]
    tight.sort(key=lambda index: -components[index].eigenvalue)
    groups: list[list[int]] = []
    for index in tight:
        last = components[groups[-1][-1]].eigenvalue if groups else math.inf
        if math.log(last / components[index].eigenvalue) <= limits.log_eigenvalue:
            groups[-1].append(index)
        else:
            groups.append([index])
    return tuple(_eigenspace(components, group, limits) for group in groups)


def _eigenspace(components: list[Component], group: list[int], limits: Tolerance) -> Eigenspace:
    """The eigenspace of components by falling eigenvalue; a chain of many values has no name."""
    parts = [components[index] for index in group]
    names, k = {part.name for part in parts}, len(parts)
    first, last = parts[0].eigenvalue, parts[-1].eigenvalue
    equal = math.log(first / last) <= limits.log_eigenvalue
    name = None
    if k == 1:
        name = parts[0].name
    elif equal and names == {"single feature"}:
        name = "orthonormal basis"
    elif equal and names == {"digon"}:
        name = _CROSS_POLYTOPES.get(k, f"{k}-dimensional cross-polytope")
    dimension = sum(part.dimension for part in parts)
    mean = float(sum(part.eigenvalue * part.dimension for part in parts)) / dimension
    return Eigenspace(mean, first - last, dimension, tuple(sorted(group)), name)
