"""The geometry of some of a matrix's features: chosen ones, a neighborhood, a cluster."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxsup._internal.display import fields_in_short
from jaxsup._internal.validation import check_integer, check_number, fail, feature_indices
from jaxsup.geometry import Geometry, classify
from jaxsup.geometry.components import orthogonal_components
from jaxsup.weights.features.labels import Labels
from jaxsup.weights.features.neighbors import nearest

# Multiply-adds that clusters may cost before they are left out, unless all is asked for: about a
# minute on two quiet cores.
_CLUSTER_WORK = 4e12
_PASSES = 32  # multiply-adds that going through one cosine costs besides
_MEMBERS = 12  # that a line names
_SHOWN = 8  # clusters that a table shows
NEIGHBORHOOD = 12
"""Neighbors in a neighborhood where no number is given."""


@dataclasses.dataclass(frozen=True, eq=False)
class Subset:
    """Some features of a matrix, and how they lie to each other.

    Attributes:
        title: what they are.
        features: indices into the matrix; of a neighborhood, the nearest first.
        geometry: of these features alone, its indices those of the matrix; None where the features
            were only listed.
        mean_cosine: of all pairs of represented ones, with its sign; 0 for fewer than two.
    """

    title: str
    features: Int[np.ndarray, " members"]
    geometry: Geometry | None
    mean_cosine: float
    __repr__ = fields_in_short

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-safe values."""
        return {
            "title": self.title,
            "features": self.features.tolist(),
            "mean_cosine": self.mean_cosine,
            "geometry": None if self.geometry is None else self.geometry.to_dict(),
        }

    def describe(self, labels: Labels) -> str:
        """Title, members by name, and the table of the geometry."""
        cosine = f", mean cosine {self.mean_cosine:.3f}" if self.features.size > 1 else ""
        size = f"{self.features.size:,} feature{'s' * (self.features.size != 1)}"
        lines = [f"{self.title}: {size}{cosine}", f"  {_members(self.features, labels)}"]
        if self.geometry is not None:
            reasons = {c.reason: None for c in self.geometry.components if c.reason}
            text = [*str(self.geometry).splitlines(), *(f"irregular: {r}" for r in reasons)]
            lines += [f"  {line}" for line in text]
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True, eq=False)
class Clusters:
    """Connected components of the graph with an edge where |cos(w_i, w_j)| exceeds a threshold.

    Attributes:
        cosine: the threshold.
        clusters: those of two features or more, largest first; the first few with their geometry.
        single: represented features that are near to no other.
        left_out: whether there are too many features to be compared; then there is no cluster.
    """

    cosine: float
    clusters: tuple[Subset, ...]
    single: int
    left_out: bool
    __repr__ = fields_in_short

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-safe values."""
        clusters = [cluster.to_dict() for cluster in self.clusters]
        return {
            "cosine": self.cosine,
            "clusters": clusters,
            "single": self.single,
            "left_out": self.left_out,
        }

    def describe(self, labels: Labels) -> str:
        """Sizes, and the largest clusters with their members by name."""
        head = f"clusters of |cosine| above {self.cosine:g}"
        if self.left_out:
            return f"{head}: left out, too many pairs of features (--full compares all)"
        count, members = len(self.clusters), sum(c.features.size for c in self.clusters)
        lines = [f"{head}: {count:,} of {members:,} features in all; {self.single:,} in none"]
        lines += [cluster.describe(labels) for cluster in self.clusters[:_SHOWN]]
        if count > _SHOWN:
            largest = self.clusters[_SHOWN].features.size
            lines.append(f"and {count - _SHOWN:,} more, of up to {largest:,} features")
        return "\n\n".join(lines)


def classify_subset(
    W: Float[np.ndarray, "latent features"],
    features: Sequence[int] | Int[np.ndarray, " members"],
    *,
    represented: Bool[np.ndarray, " features"],
    tolerance: float = 1e-3,
    title: str = "chosen features",
) -> Subset:
    """The geometry of some columns as if the others were not there.

    Arguments:
        W: [latent, features], finite.
        features: indices, at least one, in any order.
        represented: [features], which columns the whole matrix represents: the others are not made
            features by being looked at among their like.
        tolerance: noise to forgive; see `jaxsup.geometry.classify`.
        title: what the features are.

    Raises:
        ValueError: there is no feature, one is not there, or the tolerance is out of range.
    """
    chosen = feature_indices("features", features, W.shape[1])
    if not chosen.size:
        raise fail("features", "at least one", "none of them", "count from 0", described=True)
    rising = np.unique(chosen)
    present = rising[represented[rising]]
    dead = rising[~represented[rising]]
    norms = np.linalg.norm(W[:, rising].astype(np.float64), axis=0)
    geometry = Geometry((), dead, (), norms, tolerance)
    if present.size:
        found = classify(W[:, present], tolerance=tolerance)
        components = tuple(
            dataclasses.replace(part, features=present[part.features]) for part in found.components
        )
        dead = np.sort(np.concatenate([dead, present[found.not_represented]]))
        geometry = dataclasses.replace(
            found, components=components, not_represented=dead, norms=norms
        )
    return Subset(title, chosen, geometry, _mean_cosine(W[:, present]))


def find_neighborhood(
    W: Float[np.ndarray, "latent features"],
    feature: int,
    count: int = NEIGHBORHOOD,
    *,
    represented: Bool[np.ndarray, " features"],
    tolerance: float = 1e-3,
    title: str = "neighborhood",
) -> Subset:
    """A feature, and those that overlap most with it by |cos|, with their geometry.

    Arguments:
        W: [latent, features], finite.
        feature: index of a represented feature.
        count: how many others.
        represented: [features], which columns the whole matrix represents.
        tolerance: noise to forgive; see `jaxsup.geometry.classify`.
        title: what the features are.

    Raises:
        ValueError: the feature is not represented, `count` is no positive integer, or the tolerance
            is out of range.
    """
    near = nearest(W, [feature], count, represented=represented, absolute=True)[0]
    members = np.concatenate([[feature], near.features]).astype(int)
    return classify_subset(W, members, represented=represented, tolerance=tolerance, title=title)


def find_clusters(
    W: Float[np.ndarray, "latent features"],
    cosine: float = 0.8,
    *,
    represented: Bool[np.ndarray, " features"],
    tolerance: float = 1e-3,
    classified: int = _SHOWN,
    full: bool = False,
) -> Clusters:
    """Groups of features that a chain of pairs with |cos| above the threshold connects.

    Arguments:
        W: [latent, features], finite.
        cosine: the threshold, in (0, 1).
        represented: [features], which columns the whole matrix represents.
        tolerance: noise to forgive; see `jaxsup.geometry.classify`.
        classified: how many clusters, the largest, are classified, each on its own; 0: none.
        full: compare all pairs whatever their number; otherwise beyond 4e12 multiply-adds, unless
            the first thousand features show one cluster, none are compared.

    Raises:
        ValueError: the threshold, the tolerance or `classified` is out of range.
    """
    check_integer("classified", classified, "give a number of clusters", low=0)
    check_number(
        "cosine", cosine, "give a size such as 0.8", low=0, high=1, low_open=True, high_open=True
    )
    present = np.flatnonzero(represented)
    if not present.size:
        return Clusters(cosine, (), 0, False)
    columns = (W[:, present] / np.abs(W).max()).astype(np.float32)
    columns /= np.linalg.norm(columns, axis=0)
    pairs = np.inf if full else _CLUSTER_WORK / max(W.shape[0], _PASSES)
    split = orthogonal_components(columns, cosine, pairs)
    if split is None:
        return Clusters(cosine, (), 0, True)
    sizes = np.bincount(split.labels)
    order = np.argsort(split.labels, kind="stable")
    groups = [present[g] for g in np.split(order, np.cumsum(sizes)[:-1]) if g.size > 1]
    groups.sort(key=lambda group: -group.size)
    clusters = []
    for place, group in enumerate(groups):
        title = f"cluster {place}"
        if place < classified:
            subset = classify_subset(
                W, group, represented=represented, tolerance=tolerance, title=title
            )
        else:
            subset = Subset(title, group, None, _mean_cosine(W[:, group]))
        clusters.append(subset)
    return Clusters(cosine, tuple(clusters), int(np.sum(sizes == 1)), False)


def _mean_cosine(columns: Float[np.ndarray, "latent members"]) -> float:
    """Mean of cos(w_i, w_j) over i != j: (|sum_i u_i|^2 - n) / (n (n - 1)); 0 for n < 2."""
    count = columns.shape[1]
    if count < 2:
        return 0.0
    exact = columns.astype(np.float64) / np.abs(columns).max()
    total = np.sum(exact / np.linalg.norm(exact, axis=0), axis=1)
    return float((total @ total - count) / (count * (count - 1)))


def _members(features: Int[np.ndarray, " members"], labels: Labels) -> str:
    shown = ", ".join(labels.show(int(i)) for i in features[:_MEMBERS])
    more = features.size - _MEMBERS
    return shown + (f" and {more:,} more" if more > 0 else "")
