"""The features at the ends of every measure, by name."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxsup._internal.display import fields_in_short
from jaxsup._internal.text import align_left
from jaxsup._internal.validation import check_integer
from jaxsup.spectral import FrameSpectrum
from jaxsup.weights.features.labels import Labels

# Title, measure, and whether the largest come first.
_LISTS = (
    ("most localized", "localization", True),
    ("least localized", "localization", False),
    ("largest norm", "norms", True),
    ("smallest norm", "norms", False),
    ("most crowded (smallest capacity)", "capacities", False),
)
_ABSENT = "not represented"
_EQUAL = 1e-6  # relative spread of a measure that is the same for all features but for rounding


class Ranking(NamedTuple):
    """Features of a matrix by norm, capacity and localization.

    Attributes:
        lists: title and the indices of its features, in their order: those of one end of a measure
            each, if it is not the same for all, and last all that are not represented.
        norms: |w_i| of all features.
        capacities: D_i of all features.
        leverages: l_i of all features; D_i <= l_i.
        localization: participation ratio of all features.
        shown: how many features of a list are printed.
    """

    lists: dict[str, Int[np.ndarray, " listed"]]
    norms: Float[np.ndarray, " features"]
    capacities: Float[np.ndarray, " features"]
    leverages: Float[np.ndarray, " features"]
    localization: Float[np.ndarray, " features"]
    shown: int
    __repr__ = fields_in_short

    def to_dict(self, labels: Labels) -> dict[str, list[dict[str, Any]]]:
        """The lists as JSON-safe values: index, name and measures of each feature."""
        return {
            title: [self._entry(int(i), labels) for i in indices]
            for title, indices in self.lists.items()
        }

    def describe(self, labels: Labels) -> str:
        """A table for each list that is not empty."""
        tables = [
            feature_table(title, indices[: self.shown], self.columns(), labels)
            + (f"\nand {len(indices) - self.shown:,} more" if len(indices) > self.shown else "")
            for title, indices in self.lists.items()
            if len(indices)
        ]
        return "\n\n".join(tables)

    def columns(self) -> dict[str, Float[np.ndarray, " features"]]:
        """Title and values of every measure, of all features."""
        return {
            "norm": self.norms,
            "capacity": self.capacities,
            "leverage": self.leverages,
            "localization": self.localization,
        }

    def _entry(self, index: int, labels: Labels) -> dict[str, Any]:
        measures = {title: float(values[index]) for title, values in self.columns().items()}
        return {"feature": index, "name": labels.names[index], **measures}


def rank_features(spectrum: FrameSpectrum, count: int = 10) -> Ranking:
    """Most and least localized, largest and smallest, most crowded, and not represented features.

    Arguments:
        spectrum: of the matrix.
        count: how many features of each end; those that are not represented are listed whole.

    Raises:
        ValueError: `count` is no integer >= 0.
    """
    check_integer("count", count, "give a number of features", low=0)
    represented: Bool[np.ndarray, " features"] = np.asarray(spectrum.represented)
    present = np.flatnonzero(represented)
    lists = {}
    for title, measure, falling in _LISTS:
        values = np.asarray(getattr(spectrum, measure), np.float64)[present]
        if values.max(initial=0.0) - values.min(initial=np.inf) <= _EQUAL * values.max(initial=0.0):
            continue
        order = np.argsort(-values if falling else values, kind="stable")
        lists[title] = present[order[:count]]
    lists[_ABSENT] = np.flatnonzero(~represented)
    return Ranking(
        lists,
        np.asarray(spectrum.norms, np.float64),
        np.asarray(spectrum.capacities, np.float64),
        np.asarray(spectrum.leverages, np.float64),
        np.asarray(spectrum.localization, np.float64),
        count,
    )


def feature_table(
    title: str,
    features: Int[np.ndarray, " listed"],
    columns: dict[str, Float[np.ndarray, " features"]],
    labels: Labels,
) -> str:
    """A table of features: index, name where there are names, and the columns' values.

    Arguments:
        title: heads the table.
        features: indices, a row each.
        columns: title of each column, and its values for all features of the matrix.
        labels: names of the features.
    """
    named = labels.path is not None
    rows = [("feature", *(["name"] if named else []), *columns)]
    for index in map(int, features):
        cells = [f"{values[index]:.4g}" for values in columns.values()]
        rows.append((str(index), *([labels.show(index)] if named else []), *cells))
    return "\n".join([title, *(f"  {line}" for line in align_left(rows))])
