"""Single features of a matrix, by name: lists, neighbors, and the geometry of some of them."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxsup._internal.display import fields_in_short
from jaxsup._internal.validation import feature_indices
from jaxsup.weights.diagnosis import Diagnosis
from jaxsup.weights.features.labels import Labels
from jaxsup.weights.features.neighbors import Neighbors, nearest
from jaxsup.weights.features.ranking import Ranking, feature_table, rank_features
from jaxsup.weights.features.subsets import (
    Clusters,
    Subset,
    classify_subset,
    find_clusters,
    find_neighborhood,
)

_SHOWN = 24  # chosen features whose measures a table shows


@dataclasses.dataclass(frozen=True)
class Questions:
    """What is asked of the features of a matrix.

    Attributes:
        listed: how many features of either end of each measure; 0: no lists.
        features: those whose measures are shown and whose geometry is classified.
        neighbors: those whose nearest features are listed, and how many.
        neighborhoods: features, and of how many others each one's neighborhood is made.
        cluster_cosine: |cos| above which two features are in one cluster; None: no clusters.
    """

    listed: int = 0
    features: Sequence[int] = ()
    neighbors: Sequence[tuple[int, int]] = ()
    neighborhoods: Sequence[tuple[int, int]] = ()
    cluster_cosine: float | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Inspection:
    """The answers; None, or nothing, where nothing was asked.

    Attributes:
        labels: names of the features.
        ranking: lists of features at the ends of every measure.
        chosen: the chosen features and their own geometry.
        neighbors: nearest features of those asked for; None for one that is not represented.
        neighborhoods: of those asked for, likewise.
        clusters: of the whole matrix.
    """

    labels: Labels
    ranking: Ranking | None
    chosen: Subset | None
    neighbors: dict[int, Neighbors | None]
    neighborhoods: dict[int, Subset | None]
    clusters: Clusters | None
    __repr__ = fields_in_short

    @property
    def has_geometry(self) -> bool:
        """Whether chosen features have a geometry of their own."""
        geometry = self.chosen and self.chosen.geometry
        return bool(geometry and geometry.components)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-safe values, with a name for each feature that has one."""
        names = self.labels.names

        def named(subset: Subset | None) -> dict[str, Any] | None:
            if subset is None:
                return None
            return {**subset.to_dict(), "names": [names[i] for i in subset.features]}

        clusters = None
        if self.clusters is not None:
            members = [named(cluster) for cluster in self.clusters.clusters]
            clusters = {**self.clusters.to_dict(), "clusters": members}
        return {
            "lists": self.ranking and self.ranking.to_dict(self.labels),
            "chosen": named(self.chosen),
            "neighbors": [self._neighbors_dict(*item) for item in self.neighbors.items()],
            "neighborhoods": [
                {"feature": feature, "name": names[feature], "subset": named(subset)}
                for feature, subset in self.neighborhoods.items()
            ],
            "clusters": clusters,
        }

    def _neighbors_dict(self, feature: int, found: Neighbors | None) -> dict[str, Any]:
        names = self.labels.names
        values: dict[str, Any] = {"feature": feature, "name": names[feature], "nearest": None}
        if found is None:
            return values
        pairs = zip(found.features.tolist(), found.cosines.tolist(), strict=True)
        near = [{"feature": i, "name": names[i], "cosine": cosine} for i, cosine in pairs]
        opposite = None
        if found.opposite is not None:
            name = names[found.opposite]
            cosine = found.opposite_cosine
            opposite = {"feature": found.opposite, "name": name, "cosine": cosine}
        return {**values, "nearest": near, "opposite": opposite}

    def describe(self, diagnosis: Diagnosis) -> str:
        """A block of text for each answer; empty if nothing was asked.

        Arguments:
            diagnosis: what was inspected.
        """
        blocks = [] if self.ranking is None else [self.ranking.describe(self.labels)]
        local = [] if self.chosen is None else [self._measures(diagnosis)]
        local += [] if self.chosen is None else [self.chosen.describe(self.labels)]
        for feature, subset in self.neighborhoods.items():
            text = self._absent("neighborhood", feature)
            local.append(text if subset is None else subset.describe(self.labels))
        if self.clusters is not None:
            local.append(self.clusters.describe(self.labels))
        for feature, found in self.neighbors.items():
            text = self._absent("neighbors", feature)
            blocks.append(text if found is None else self._neighbors(found))
        if local:
            blocks.append(
                "Spectrum, norms, capacities and localization are those in the whole matrix;\n"
                "the geometries below are of some features alone, as if the others were not there."
            )
        return "\n\n".join([*blocks, *local])

    def _measures(self, diagnosis: Diagnosis) -> str:
        assert self.chosen is not None
        columns = rank_features(diagnosis.spectrum, 0).columns()
        features = self.chosen.features
        text = feature_table("measures", features[:_SHOWN], columns, self.labels)
        more = features.size - _SHOWN
        return text + (f"\nand {more:,} more (--json: all)" if more > 0 else "")

    def _neighbors(self, found: Neighbors) -> str:
        own = self.labels.show(found.feature)
        title = f"nearest to {own} by cosine"
        cosines = np.zeros(len(self.labels.names))
        cosines[found.features] = found.cosines
        text = feature_table(title, found.features, {"cosine": cosines}, self.labels)
        if found.opposite is not None:
            farthest = f"{self.labels.show(found.opposite)}, {found.opposite_cosine:.4g}"
            text += f"\n  lowest cosine: {farthest}"
        return text

    def _absent(self, what: str, feature: int) -> str:
        return f"{what} of {self.labels.show(feature)}: none, it is not represented"


def inspect_features(
    diagnosis: Diagnosis, questions: Questions, labels: Labels | None = None, *, full: bool = False
) -> Inspection:
    """Lists, neighbors, and geometries of some features of a matrix.

    Arguments:
        diagnosis: of the matrix.
        questions: what is asked.
        labels: names of the features; default: their indices.
        full: look for clusters whatever the number of features.

    Raises:
        ValueError: a feature is not there, or a number is out of range.
    """
    labels = labels or Labels.numbered(diagnosis.matrix.shape[1])
    for name in ("neighbors", "neighborhoods"):
        asked = [feature for feature, _ in getattr(questions, name)]
        feature_indices(name, asked, diagnosis.matrix.shape[1])
    W, represented = diagnosis.matrix, np.asarray(diagnosis.spectrum.represented)
    common = {"represented": represented, "tolerance": diagnosis.geometry.tolerance}
    near: dict[int, Neighbors | None] = {
        feature: nearest(W, [feature], count, represented=represented)[0]
        if represented[feature]
        else None
        for feature, count in questions.neighbors
    }
    chosen = clusters = None
    if questions.features:
        chosen = classify_subset(W, questions.features, **common)
    if questions.cluster_cosine is not None:
        clusters = find_clusters(W, questions.cluster_cosine, full=full, **common)
    neighborhoods: dict[int, Subset | None] = {}
    for feature, count in questions.neighborhoods:
        title = f"neighborhood of {labels.show(feature)}"
        neighborhoods[feature] = (
            find_neighborhood(W, feature, count, title=title, **common)
            if represented[feature]
            else None
        )
    return Inspection(
        labels=labels,
        ranking=rank_features(diagnosis.spectrum, questions.listed) if questions.listed else None,
        chosen=chosen,
        neighbors=near,
        neighborhoods=neighborhoods,
        clusters=clusters,
    )
