"""Models in several files, by their index, and folders that hold weights."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_one_line_error
from weight_files import W, write_safetensors

from jaxsup.weights.files.read import read_weights
from jaxsup.weights.files.shards import list_checkpoint

INDEX = "model.safetensors.index.json"
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
PLACES = {"a.weight": FIRST, "z.weight": FIRST, "b.weight": SECOND}


def stored(factor: float) -> tuple[str, tuple[int, int], bytes]:
    return "F32", (2, 3), (factor * W).tobytes()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model in two files: their order, and that within them, is not that of the index."""
    folder = tmp_path / "model"
    folder.mkdir()
    write_safetensors(folder / FIRST, {"z.weight": stored(1), "a.weight": stored(2)})
    write_safetensors(folder / SECOND, {"b.weight": stored(3), "elsewhere": stored(4)})
    write_index(folder, PLACES)
    (folder / "config.json").write_text("{}")
    (folder / "._model.safetensors").write_text("left by a desktop")
    return folder


def write_index(folder: Path, places: object) -> Path:
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return folder / INDEX


@pytest.mark.parametrize("file", ["", INDEX])
def test_tensors_of_all_files_are_listed_and_read_each_from_its_own(model: Path, file: str) -> None:
    tensors = list_checkpoint(model / file)
    found = [(tensor.name, tensor.path.name) for tensor in tensors]
    assert found == [("z.weight", FIRST), ("a.weight", FIRST), ("b.weight", SECOND)]
    for name, factor, place in (("a.weight", 2, FIRST), ("b.weight", 3, SECOND)):
        weights = read_weights(model / file, tensor=name)
        np.testing.assert_array_equal(weights.matrix, factor * W)
        assert weights.path == model / place
    assert read_weights(model / file, tensor="b*").tensor == "b.weight"


@pytest.mark.parametrize("name", ["model.safetensors", "w.npz", "w.npy", "W.NPY"])
def test_the_only_file_of_a_folder_is_the_checkpoint(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name.endswith("safetensors"):
        write_safetensors(file, {"w": stored(1)})
    elif name.endswith("npz"):
        np.savez(file, w=W)
    else:
        np.save(tmp_path / "temporary.npy", W)
        (tmp_path / "temporary.npy").rename(file)
    (tmp_path / "vocab.txt").write_text("a\n")
    (tmp_path / "deeper.npz").mkdir()
    weights = read_weights(tmp_path)
    assert weights.path == file
    np.testing.assert_array_equal(weights.matrix, W)


def test_a_folder_with_several_names_them(model: Path) -> None:
    write_safetensors(model / "model.safetensors", {"w": stored(1)})
    assert_one_line_error(
        lambda: list_checkpoint(model),
        f"expected a folder with one file of weights; got 2 of them; give one of them: {INDEX}, "
        "model.safetensors$",
    )
    for k in range(4):
        np.save(model / f"{k}.npy", W)
    assert_one_line_error(
        lambda: list_checkpoint(model), "got 6 of them; .*: .*, 0.npy, 1.npy, 2.npy and 2 more"
    )


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    write_safetensors(tmp_path / "inner" / "model.safetensors", {"w": stored(1)})
    assert_one_line_error(
        lambda: list_checkpoint(tmp_path), r"expected a folder with a .npy, .*; got none directly"
    )


def test_a_folder_that_may_not_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)  # root may read any
    assert_one_line_error(
        lambda: list_checkpoint(tmp_path), "expected a folder that can be read; got a refusal: Perm"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{oops", "got no JSON: Expecting property name"),
        ("[" * 100_000, "got no JSON: maximum recursion"),
        ("\xff", "got no JSON: "),
        ("[]", "got JSON without one; copy the file again"),
        ("{}", "got JSON without one"),
        ('{"weight_map": ["a"]}', "got JSON without one"),
        ('{"weight_map": {}}', "got one that names no files"),
        ('{"weight_map": {"a": 1}}', "got one with entries that name no file"),
        (
            '{"weight_map": {"a": "../b.safetensors"}}',
            "got the path '../b.safetensors'; name files",
        ),
        ('{"weight_map": {"a": "/etc/b.safetensors"}}', "got the path '/etc/b.safe"),
        ('{"weight_map": {"a": "C:\\\\b.safetensors"}}', "got the path "),
        ('{"weight_map": {"a": "model.bin"}}', "got the file 'model.bin'; name .safetensors files"),
    ],
)
def test_what_is_no_index_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / INDEX).write_bytes(content.encode("latin1"))
    expected = "expected a weight_map from tensors to .safetensors files beside it"
    for path in (tmp_path, tmp_path / INDEX):
        assert_one_line_error(
            lambda path=path: list_checkpoint(path),
            f"{re.escape(str(tmp_path / INDEX))}: {expected}; {message}",
        )


def test_a_missing_file_is_named_with_what_it_should_hold(model: Path) -> None:
    (model / FIRST).unlink()
    message = f"{INDEX}: expected the file {FIRST} beside it, for 2 tensors; got none there; copy"
    assert_one_line_error(lambda: list_checkpoint(model), message, FileNotFoundError)


def test_a_file_without_its_tensor_is_named(model: Path) -> None:
    write_index(model, {**PLACES, "lost.weight": SECOND, "more.weight": SECOND})
    assert_one_line_error(
        lambda: list_checkpoint(model),
        f"{SECOND}: expected the tensors that {INDEX} names; got none called 'lost.weight' and 1 "
        "more; copy index and files",
    )
    write_index(model, {"z.weight": FIRST, "a.weight": SECOND})
    assert_one_line_error(lambda: list_checkpoint(model), "got none called 'a.weight'; copy")


def test_a_damaged_file_of_several_is_named(model: Path) -> None:
    (model / SECOND).write_bytes((model / SECOND).read_bytes()[:-1])
    assert_one_line_error(lambda: list_checkpoint(model), f"{SECOND}: expected a file that can be")


def test_an_index_that_is_not_there_or_may_not_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_one_line_error(
        lambda: list_checkpoint(tmp_path / INDEX),
        "expected a file; got none there; check the path",
        FileNotFoundError,
    )
    os.mkfifo(tmp_path / INDEX)
    assert_one_line_error(
        lambda: list_checkpoint(tmp_path / INDEX), "expected a file; got a device or pipe"
    )
    (tmp_path / INDEX).unlink()
    write_index(tmp_path, PLACES)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert_one_line_error(
        lambda: list_checkpoint(tmp_path / INDEX), "expected a file that can be read; got a refus"
    )
