"""What `jaxsup spectrum` says of one matrix."""

from __future__ import annotations

import dataclasses
import json
from itertools import chain
from typing import TYPE_CHECKING, Any

from jaxsup.cli.terminal import one_line

if TYPE_CHECKING:
    from jaxsup.cli.spectrum import SpectrumCommand
    from jaxsup.weights.diagnosis import Diagnosis
    from jaxsup.weights.features.inspection import Inspection, Questions
    from jaxsup.weights.features.labels import Labels
    from jaxsup.weights.features.preparation import Prepared
    from jaxsup.weights.files.read import Weights

_LISTED = 10  # features of a list where there are names and no number is given


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """A matrix that is ready to be measured, and what is asked of it.

    Attributes:
        weights: as read.
        prepared: as measured.
        labels: names of its features.
        questions: about single features.
    """

    weights: Weights
    prepared: Prepared
    labels: Labels
    questions: Questions

    def rows(self) -> dict[str, str]:
        """Name and value of what a table says before it says what was measured."""
        rows = describe_file(self.weights)
        if text := self.prepared.describe():
            rows["prepared"] = text
        if self.labels.path is not None:
            features, unnamed = len(self.labels.names), self.labels.unnamed
            rows["labels"] = f"{one_line(self.labels.path)}: {features - unnamed:,} names"
            if unnamed:
                rows["labels"] += f" of {features:,} features, the others are named by index"
        return rows

    def to_dict(self) -> dict[str, Any]:
        """The same for programs."""
        path = self.labels.path
        return {
            **file_dict(self.weights),
            "centered": self.prepared.mean is not None,
            "equal_to_mean": int(self.prepared.emptied.sum()),
            "unit_norm": self.prepared.unit,
            "labels": None if path is None else str(path),
            "unnamed": self.labels.unnamed if path is not None else None,
        }


def prepare_subject(command: SpectrumCommand, weights: Weights) -> Subject:
    """Read the names, find the features, center and scale the matrix: all before JAX starts.

    Raises:
        FileNotFoundError: there is no file of labels.
        ValueError: it does not fit the matrix, or a feature that is asked for is not there.
    """
    from jaxsup.weights.features.inspection import Questions
    from jaxsup.weights.features.neighbors import NEIGHBORS
    from jaxsup.weights.features.selection import select_counted, select_features
    from jaxsup.weights.features.subsets import NEIGHBORHOOD

    labels = read_names(command, weights.matrix.shape[1])
    top = command.top if command.top is not None else _LISTED * (command.labels is not None)
    questions = Questions(
        listed=top,
        features=select_features(tuple(chain(*command.features)), labels, "--features"),
        neighbors=[
            select_counted(text, labels, NEIGHBORS, "--neighbors") for text in command.neighbors
        ],
        neighborhoods=[
            select_counted(text, labels, NEIGHBORHOOD, "--neighborhood")
            for text in command.neighborhood
        ],
        cluster_cosine=command.cluster_cosine,
    )
    return Subject(weights, prepared_matrix(command, weights), labels, questions)


def read_names(command: SpectrumCommand, features: int) -> Labels:
    """The names of so many features, or their numbers."""
    from jaxsup.weights.features.labels import Labels, read_labels

    if command.labels is None:
        return Labels.numbered(features)
    return read_labels(command.labels, features)


def prepared_matrix(command: SpectrumCommand, weights: Weights) -> Prepared:
    """The matrix, centered and scaled as the command says."""
    from jaxsup.weights.features.preparation import prepare, stored_epsilon

    return prepare(
        weights.matrix,
        center=command.center,
        unit_norm=command.unit_norm,
        epsilon=stored_epsilon(weights.dtype, weights.matrix.dtype),
    )


def report(
    command: SpectrumCommand, subject: Subject, diagnosis: Diagnosis, inspection: Inspection
) -> None:
    """Print the table, or all of it as JSON."""
    if command.json:
        from jaxsup.weights.diagnosis import largest_features

        features = list(subject.questions.features) or largest_features(diagnosis)
        record = {
            **subject.to_dict(),
            "precision": _precision(),
            "figure": None if command.out is None else str(command.out),
            **diagnosis.to_dict(features),
            **inspection.to_dict(),
        }
        print(json.dumps(record, allow_nan=False, indent=1))
        return
    for name, value in subject.rows().items():
        print(f"{name:<14} {value}")
    text = inspection.describe(diagnosis)
    print(f"{diagnosis}\n\n{text}" if text else diagnosis)


def describe_file(weights: Weights) -> dict[str, str]:
    """Name and value of what is known of a matrix before it is measured."""
    rows, columns = weights.shape
    return {
        "file": one_line(weights.path),
        **({} if weights.tensor is None else {"tensor": one_line(weights.tensor)}),
        "stored as": f"{rows:,} x {columns:,}, {weights.dtype}",
        "orientation": weights.describe_orientation(),
    }


def file_dict(weights: Weights) -> dict[str, Any]:
    """The same for programs."""
    return {
        "file": str(weights.path),
        "tensor": weights.tensor,
        "shape": list(weights.shape),
        "dtype": weights.dtype,
        "orientation": weights.orientation,
        "orientation_assumed": weights.assumed,
    }


def _precision() -> str:
    """What JAX computes in."""
    import jax.numpy as jnp

    return "float64" if jnp.result_type(float) == "float64" else "float32"
