"""Features as people name them: indices, ranges of indices, and names."""

import re
from collections.abc import Sequence

from jaxsup._internal.validation import fail
from jaxsup.weights.features.labels import Labels

_RANGE = re.compile(r"(-?\d*):(-?\d*)")
_INDEX = re.compile(r"-?\d+")
_COUNTED = re.compile(r"(?s)(.+):(\d+)")
_DIGITS = 18  # of an index: more are none, and Python writes no integer of thousands


def select_features(texts: Sequence[str], labels: Labels, what: str = "features") -> list[int]:
    """Indices of features from what people write.

    Arguments:
        texts: each one or several of these, with commas between them: an index, a range "0:1000"
            (the end is left out, as in Python; ":10" and "10:" are open), a name. "=NAME" is a name
            as a whole, whatever it looks like.
        labels: names of the features; their number is that of the features.
        what: what an error calls them.

    Returns:
        The indices in the order given, each once.

    Raises:
        ValueError: a feature is not there, or a name is not known or not that of one feature.

    >>> select_features(["0:3", "7,1", "=1"], Labels(["a", "b", "c", "1", *"defg"]))
    [0, 1, 2, 7, 3]
    """
    chosen: dict[int, None] = {}
    for text in texts:
        for part in [text] if text.startswith("=") else text.split(","):
            chosen.update(dict.fromkeys(_indices(part, labels, what)))
    return list(chosen)


def select_counted(text: str, labels: Labels, default: int, what: str) -> tuple[int, int]:
    """One feature and a number: "NAME_OR_INDEX:COUNT", or without the count.

    Arguments:
        text: what was written; a name that ends in a colon and a number is taken as a whole.
        labels: names of the features.
        default: the count where there is none.
        what: what an error calls it.

    Returns:
        The index of the feature, and the count, at least 1.

    Raises:
        ValueError: the feature is not there or not one, or the count is 0.
    """
    head, count = text, default
    found = _COUNTED.fullmatch(text)
    if found and text.removeprefix("=") not in labels.names:
        head, count = found[1], int(found[2][:_DIGITS])
    if count < 1:
        raise fail(what, "a positive count after the colon", text, "write it as NAME:12")
    if head.startswith("=") or not _INDEX.fullmatch(head):
        return labels.find(head.removeprefix("="), what), count
    return _checked_index(head, len(labels.names), what), count


def _indices(part: str, labels: Labels, what: str) -> Sequence[int]:
    features = len(labels.names)
    if part.startswith("="):
        return [labels.find(part[1:], what)]
    if _INDEX.fullmatch(part):
        return [_checked_index(part, features, what)]
    ends = _RANGE.fullmatch(part)
    if not ends:
        return [labels.find(part, what)]
    start, stop = (
        int(end[:_DIGITS]) if end else default
        for end, default in zip(ends.groups(), (0, features), strict=True)
    )
    if not 0 <= start < stop <= features:
        expected = f"a range within 0:{features}"
        raise fail(what, expected, part, "count from 0, and leave out the end")
    return range(start, stop)


def _checked_index(text: str, features: int, what: str) -> int:
    index = int(text[:_DIGITS])
    if not 0 <= index < features:
        raise fail(what, f"features 0..{features - 1}", index, "count from 0")
    return index
