"""Names of features, from a vocabulary beside the weights."""

import dataclasses
import difflib
import json
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from jaxsup._internal.display import fields_in_short
from jaxsup._internal.paths import local_path
from jaxsup._internal.text import plain_name
from jaxsup._internal.validation import fail, is_integer, is_numeric

_LONGEST = 2**30  # bytes that a file of names may have
_WIDTH = 40  # characters of a name that a table shows
_COMPARED = 20_000  # names that a misspelled one is compared with
_ADVICE = "give a vocab.txt, a tokenizer.json, or a JSON list or dictionary of names"


@dataclasses.dataclass(frozen=True, eq=False)
class Labels:
    """A name, or none, for every feature.

    Attributes:
        names: as the file has them, [features]; None where it has none.
        path: the file; None for features that have numbers only.
    """

    names: Sequence[str | None]
    path: Path | None = None
    __repr__ = fields_in_short

    @classmethod
    def numbered(cls, features: int) -> "Labels":
        """Features without names."""
        return cls([None] * features)

    @property
    def unnamed(self) -> int:
        """How many features have no name."""
        return sum(name is None for name in self.names)

    def show(self, feature: int) -> str:
        """The name, or else the number, in at most 40 characters of one line.

        Among names a number stands behind #, as names may be numbers. Control characters are
        written as Python writes them.
        """
        name = self.names[feature]
        number = str(feature) if self.path is None else f"#{feature}"
        text = number if name is None else plain_name(name)
        return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."

    def find(self, name: str, what: str = "feature") -> int:
        """The index of the feature of this name.

        Arguments:
            name: as the file has it; a tokenizer may mark blanks, as in "\u0120the" or "\u2581the".
            what: what an error calls the argument.

        Raises:
            ValueError: no feature or more than one has this name.
        """
        found = self._indices.get(name, [])
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(map(str, found[:4])) + (", ..." if found[4:] else "")
            text = f"{name!r}, that of {len(found)} features"
            raise fail(
                what, "a name of one feature", text, f"give an index: {listed}", described=True
            )
        if self.path is None:
            raise fail(what, "the index of a feature", name, "give names with --labels")
        near = self._near(name)
        do = "check how the file writes it"
        if near:
            do = "did you mean " + " or ".join(repr(other) for other in near) + "?"
        raise fail(what, f"a name in {self.path}", name, do)

    @cached_property
    def _indices(self) -> dict[str, list[int]]:
        indices: dict[str, list[int]] = defaultdict(list)
        for index, name in enumerate(self.names):
            if name is not None:
                indices[name].append(index)
        return dict(indices)

    def _near(self, name: str) -> list[str]:
        """Names that differ in case, in a mark before them, or in little else."""
        core, names = name.strip().casefold(), self._indices
        marked = [x for x in names if core and x.lstrip(" \u0120\u2581#").casefold() == core]
        if marked:
            return marked[:2]
        alike = [x for x in names if x[:1].casefold() == name[:1].casefold()][:_COMPARED]
        return difflib.get_close_matches(name, alike, n=1, cutoff=0.6)


def read_labels(path: str | Path, features: int) -> Labels:
    """A name for each of so many features, from a text or JSON file.

    Arguments:
        path: a text file of one name a line, line k naming feature k (a vocab.txt); or a .json file
            with a list of names, a dictionary from names to indices, or a tokenizer of the Hugging
            Face library: `model.vocab` (a dictionary, or pairs of a piece and its score) and
            `added_tokens`, which come first where both name an index.
        features: how many the matrix has. Fewer names are no mistake: vocabularies are padded.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it can't be read as names, names one index twice, or names more features than
            there are.
    """
    file = local_path(path, "labels")
    text = _read_text(file)
    if file.suffix.lower() == ".json":
        indexed = _from_json(file, text)
    else:
        lines = [line.removesuffix("\r") for line in text.split("\n")]
        while lines and not lines[-1]:
            lines.pop()
        indexed = {index: line for index, line in enumerate(lines) if line}
    if not indexed:
        raise fail(str(file), "names of features", "none", _ADVICE, described=True)
    last = max(indexed)
    if last >= features:
        text = f"{len(indexed):,} names, the last of feature {last:,}"
        expected = f"names of at most {features:,} features, 0..{features - 1}"
        do = "give the vocabulary of this matrix, or turn it with --orientation"
        raise fail(str(file), expected, text, do, described=True)
    return Labels([indexed.get(index) for index in range(features)], file)


def _read_text(file: Path) -> str:
    if not file.is_file():
        raise FileNotFoundError(f"{file}: expected a file of names; got none there; check the path")
    if file.stat().st_size > _LONGEST:
        text = f"{file.stat().st_size:,} bytes"
        raise fail(str(file), "names of features", text, _ADVICE, described=True)
    try:
        # Only the line feed ends a name: vocabularies hold other ends of lines as names.
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "bytes that are no UTF-8"
        raise fail(str(file), "text", text, _ADVICE, described=True) from None


def _from_json(file: Path, text: str) -> dict[int, str]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        problem = f"text that is none: {error}"
        raise fail(str(file), "JSON", problem, _ADVICE, described=True) from None
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict):
        return _indexed(file, content)
    indexed = _indexed(file, model.get("vocab"))
    added = content.get("added_tokens") or []
    try:
        return indexed | _indexed(file, {token["content"]: token["id"] for token in added})
    except (TypeError, KeyError):
        text = "a tokenizer whose added_tokens are none"
        raise fail(str(file), "tokens with content and id", text, _ADVICE, described=True) from None


def _indexed(file: Path, names: Any) -> dict[int, str]:
    """Index and name from a dictionary of indices, a list of names or one of (name, score)."""
    if isinstance(names, list):
        pairs = [(entry[0] if _scored(entry) else entry, i) for i, entry in enumerate(names)]
    elif isinstance(names, dict):
        pairs = list(names.items())
    else:
        text = f"a {type(names).__name__} of JSON"
        raise fail(str(file), "a list or a dictionary of names", text, _ADVICE, described=True)
    indexed: dict[int, str] = {}
    for name, index in pairs:
        if not isinstance(name, str) or not is_integer(index) or index < 0:
            text = f"{json.dumps(name)} at {json.dumps(index)}"
            raise fail(str(file), "names with indices 0, 1, ...", text, _ADVICE, described=True)
        if index in indexed:
            text = f"{json.dumps(indexed[index])} and {json.dumps(name)} at {index}"
            do = "leave one of them out"
            raise fail(str(file), "one name an index", text, do, described=True)
        indexed[index] = name
    return indexed


def _scored(entry: Any) -> bool:
    """Whether it is a piece and its score: the pairs of a tokenizer's merges are no names."""
    return isinstance(entry, list) and len(entry) == 2 and is_numeric(entry[1])
