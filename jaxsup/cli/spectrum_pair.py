"""What `jaxsup spectrum A B` says of two matrices."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxsup.cli.spectrum_matrix import describe_file, file_dict, prepared_matrix, read_names

if TYPE_CHECKING:
    from jaxsup.cli.spectrum import SpectrumCommand
    from jaxsup.weights.features.labels import Labels
    from jaxsup.weights.features.preparation import Prepared
    from jaxsup.weights.files.formats import StoredTensor
    from jaxsup.weights.files.read import Weights
    from jaxsup.weights.pairs.comparison import Comparison


def read_pair(command: SpectrumCommand, stored: StoredTensor) -> tuple[Weights, Weights]:
    """The matrix of the first file, and that of the second.

    Arguments:
        command: the names and orientation of both.
        stored: the matrix of the first.

    Raises:
        FileNotFoundError: there is no second file.
        ValueError: it holds no such matrix, or not one alone; a matrix can't be read.
    """
    from jaxsup.weights.files.read import read_matrix
    from jaxsup.weights.files.shards import list_checkpoint
    from jaxsup.weights.files.tensors import select_tensors, single_matrix

    assert command.other is not None
    tensors, path = list_checkpoint(command.other), str(command.other)
    names = command.tensor if any(tensor.name for tensor in tensors) else ()
    if command.other_tensor is not None:
        names = (command.other_tensor,)
    chosen = select_tensors(path, tensors, names).chosen
    other = single_matrix(path, chosen)
    first = read_matrix(stored, orientation=command.orientation)
    return first, read_matrix(other, orientation=command.orientation)


def compare_pair(command: SpectrumCommand, pair: Sequence[Weights]) -> Comparison:
    """Compare two matrices, print what was found, or all of it as JSON.

    Raises:
        FileNotFoundError: there is no file of labels.
        ValueError: the matrices have no size in common, or the labels do not fit the first.
    """
    from jaxsup.weights.features.labels import Labels
    from jaxsup.weights.pairs.comparison import compare
    from jaxsup.weights.pairs.comparison_text import describe_comparison

    first, second = (weights.matrix.shape[1] for weights in pair)
    names = read_names(command, first)
    labels: list[Labels] = [names, names if first == second else Labels.numbered(second)]
    prepared = [prepared_matrix(command, weights) for weights in pair]
    found = compare(
        *(one.matrix for one in prepared),
        absolute=command.absolute,
        full=command.full,
        relative_tolerance=command.cluster_tolerance,
    )
    if command.json:
        print(json.dumps(_record(command, pair, prepared, found), allow_nan=False, indent=1))
        return found
    for letter, weights, one in zip("AB", pair, prepared, strict=True):
        rows = describe_file(weights) | ({"prepared": one.describe()} if one.describe() else {})
        print("\n".join(f"{letter} {name:<12} {value}" for name, value in rows.items()) + "\n")
    print(describe_comparison(found, labels[0], labels[1]))
    return found


def _record(
    command: SpectrumCommand,
    pair: Sequence[Weights],
    prepared: Sequence[Prepared],
    found: Comparison,
) -> dict[str, object]:
    return {
        "files": [file_dict(weights) for weights in pair],
        "centered": command.center,
        "equal_to_mean": [int(one.emptied.sum()) for one in prepared],
        "unit_norm": command.unit_norm,
        "labels": None if command.labels is None else str(command.labels),
        "figure": None if command.out is None else str(command.out),
        **found.to_dict(),
    }
