"""Names of features from vocabularies as they come with models."""

import json
from pathlib import Path

import pytest
from helpers import assert_one_line_error

from jaxsup.weights.features import labels as labels_module
from jaxsup.weights.features.labels import Labels, read_labels

# A blank line in the middle, ends of lines that are no line feed, and a mark of byte order.
LINES = "\ufeff[PAD]\n[unused0]\r\nthe\n\n\u2028\nthe\n##ing\n\n".encode()


def written(path: Path, content: object) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def test_one_name_a_line(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path / "vocab.txt", LINES), 9)
    names = ["[PAD]", "[unused0]", "the", None, "\u2028", "the", "##ing", None, None]
    assert list(labels.names) == names
    assert labels.unnamed == 3
    assert labels.find("[unused0]") == 1
    assert [labels.show(i) for i in (0, 3, 4, 8)] == ["[PAD]", "#3", "\\u2028", "#8"]


TOKENIZERS = {
    "word pieces": {
        "added_tokens": [{"id": 2, "content": "[MASK]"}],
        "model": {"type": "WordPiece", "vocab": {"a": 0, "##b": 1, "[mask]": 2, "c": 4}},
    },
    "pieces with scores": {
        "added_tokens": [{"id": 2, "content": "[MASK]"}, {"id": 4, "content": "c"}],
        "model": {"type": "Unigram", "vocab": [["a", -1.5], ["##b", 0], ["x", 0.0]]},
    },
    "dictionary": {"c": 4, "##b": 1, "a": 0, "[MASK]": 2},
}


@pytest.mark.parametrize("content", TOKENIZERS.values(), ids=TOKENIZERS.keys())
def test_tokenizers_and_dictionaries(tmp_path: Path, content: object) -> None:
    labels = read_labels(written(tmp_path / "tokenizer.json", content), 5)
    assert list(labels.names) == ["a", "##b", "[MASK]", None, "c"]


def test_a_list_of_names(tmp_path: Path) -> None:
    assert read_labels(written(tmp_path / "n.JSON", ["a", "b"]), 2).names == ["a", "b"]


def test_a_name_is_shown_on_one_short_line() -> None:
    labels = Labels(["a\nb\t", " the", "", "\x1b[2J", "x" * 50])
    shown = [labels.show(i) for i in range(5)]
    assert shown == ["a\\nb\\t", "' the'", "''", "\\x1b[2J", "x" * 37 + "..."]


def test_what_was_meant_is_named() -> None:
    labels = Labels(["\u0120the", "The", "house", "mouse", "house"], Path("v.txt"))
    for name, advice in [
        ("the", r"a name in v.txt; got 'the'; did you mean '\u0120the' or 'The'\?"),
        ("hose", r"did you mean 'house'\?"),
        ("quux", "got 'quux'; check how the file writes it"),
        ("house", "a name of one feature; got 'house', that of 2 features; give an index: 2, 4"),
    ]:
        assert_one_line_error(lambda name=name: labels.find(name), f"feature: .*{advice}")
    numbered = Labels.numbered(3)
    assert numbered.unnamed == 3
    assert numbered.show(2) == "2"
    assert_one_line_error(lambda: numbered.find("a"), "give names with --labels")


BAD = {
    "v.txt": (b"a\nb\nc\nd\n", "names of at most 3 features, 0..2; got 4 names, the last of fea"),
    "e.txt": (b"\n\n", "expected names of features; got none"),
    "w.txt": (b"\x93NUMPY\xff", "expected text; got bytes that are no UTF-8"),
    "j.json": (b"{", "expected JSON; got text that is none"),
    "deep.json": (b"[" * 100_000, "expected JSON; got text that is none"),
    "n.json": (b"3", "a list or a dictionary of names; got a int of JSON"),
    "m.json": ({"model": {"vocab": None}}, "a list or a dictionary of names; got a NoneType"),
    "p.json": ([["a", "b"], ["c", "d"]], r'names with indices .*; got \["a", "b"\] at 0'),
    "t.json": ({"model": {"vocab": {}}, "added_tokens": [3]}, "tokens with content and id"),
    "u.json": ({"a": 0, "b": 0}, 'one name an index; got "a" and "b" at 0'),
    "s.json": ({"0": "a"}, 'names with indices 0, 1, ...; got "0" at "a"'),
    "f.json": ({"a": 0.5}, 'names with indices 0, 1, ...; got "a" at 0.5'),
    "g.json": ({"a": -1}, 'names with indices 0, 1, ...; got "a" at -1'),
    "h.json": ([1, 2], "names with indices 0, 1, ...; got 1 at 0"),
    "far.json": ({"a": 10**15}, "of at most 3 features"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_are_no_names_of_these_features_is_one_line(tmp_path: Path, name: str) -> None:
    content, message = BAD[name]
    file = written(tmp_path / name, content)
    assert_one_line_error(lambda: read_labels(file, 3), message)


def test_a_file_that_is_absent_or_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = tmp_path / "no.txt"
    assert_one_line_error(lambda: read_labels(absent, 3), "got none there", FileNotFoundError)
    monkeypatch.setattr(labels_module, "_LONGEST", 3)
    file = written(tmp_path / "v.txt", b"a\nb\n")
    assert_one_line_error(lambda: read_labels(file, 3), "expected names of features; got 4 bytes")
