"""Which tensors of a checkpoint are meant, and which of those are matrices of real numbers."""

import fnmatch
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from jaxsup._internal.display import fields_in_short
from jaxsup._internal.validation import fail, suggest
from jaxsup.weights.files.formats import StoredTensor

_LISTED = 12  # tensors that an error message names
_GLOB = set("*?[")


class ChosenTensors(NamedTuple):
    """Matrices that were chosen, and what was chosen and is none.

    Attributes:
        chosen: all tensors that are meant, in the order of the checkpoint.
        matrices: of these, the real ones of two axes that are not empty.
        left_out: the others.
    """

    chosen: list[StoredTensor]
    matrices: list[StoredTensor]
    left_out: list[StoredTensor]
    __repr__ = fields_in_short

    def reasons(self) -> dict[str, int]:
        """How many tensors were left out, by why."""
        return dict(Counter(_reason(stored) for stored in self.left_out))


def select_tensors(
    path: str, tensors: Sequence[StoredTensor], patterns: Sequence[str] = ()
) -> ChosenTensors:
    """The tensors of these names, or that these patterns match; all, where there are none of them.

    Arguments:
        path: what an error calls the checkpoint.
        tensors: all of it.
        patterns: names, or patterns as shells have them, as "encoder.*.weight": * is any text, dots
            included, ? one character, [ab] one of these. A tensor of just that name comes first.

    Raises:
        ValueError: a name or pattern fits no tensor.
    """
    if not patterns:
        chosen = list(tensors)
    else:
        names = [stored.name for stored in tensors]
        wanted = set().union(*(_matching(path, tensors, names, text) for text in patterns))
        chosen = [stored for stored in tensors if stored.name in wanted]
    matrices = [stored for stored in chosen if not _reason(stored)]
    return ChosenTensors(chosen, matrices, [stored for stored in chosen if _reason(stored)])


def single_matrix(path: str, tensors: Sequence[StoredTensor]) -> StoredTensor:
    """The only matrix, or the only tensor, of those that were chosen.

    It is not checked what numbers it holds.

    Raises:
        ValueError: there are several, or none.
    """
    real = [stored for stored in tensors if not _reason(stored)]
    matrices = real or [stored for stored in tensors if len(stored.shape) == 2]
    if len(tensors) == 1 or len(matrices) == 1:
        return (matrices or tensors)[0]
    if not matrices:
        text, do = _listed(tensors) or "no tensors", "save the matrix under a name"
        raise fail(path, "a matrix", text, do, described=True)
    do = f"name one with --tensor: {_listed(matrices)}"
    raise fail(path, "one matrix", f"{len(matrices)} of them", do, described=True)


def _matching(
    path: str, tensors: Sequence[StoredTensor], names: Sequence[str], text: str
) -> set[str]:
    """Names that a name or a pattern fits."""
    if text in names and text:
        return {text}
    if not any(names):
        raise fail("tensor", f"no name, as {path} names none", text, "leave it out")
    if _GLOB & set(text):
        found = {name for name in names if fnmatch.fnmatchcase(name, text)}
        if found:
            return found
        do = f"choose one of {_listed(tensors)}"
        raise fail("tensor", f"a pattern that fits a tensor in {path}", text, do)
    do = suggest(text, names)
    if len(names) > _LISTED and not do.startswith("did"):
        do = f"choose one of {_listed(tensors)}"
    raise fail("tensor", f"the name of a tensor in {path}", text, do)


def _listed(tensors: Sequence[StoredTensor]) -> str:
    parts = [f"{stored.name} {list(stored.shape)}" for stored in tensors[:_LISTED]]
    more = len(tensors) - len(parts)
    return ", ".join(parts) + (f" and {more} more (--list shows all)" if more else "")


def _reason(stored: StoredTensor) -> str:
    """Why a tensor is no matrix of real numbers; empty for one that is."""
    if "complex" in stored.problem:
        return "complex (stack real and imaginary parts along the latent axis)"
    if stored.problem:
        return f"not real numbers ({stored.dtype})"
    axes = len(stored.shape)
    if axes > 2:
        return f"of {axes} axes (convolution kernels and the like)"
    if axes < 2:
        return "of one dimension (biases, scales)" if axes else "single numbers"
    return "" if 0 not in stored.shape else "empty"
