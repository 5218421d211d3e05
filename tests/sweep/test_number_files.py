"""Numbers from files that a configuration names: read as they are, and kept with the store."""

import dataclasses
import json
import shutil
from pathlib import Path

import commands
import equinox as eqx
import jax
import numpy as np
import pytest
from helpers import assert_one_line_error
from jaxtyping import Array, Float, Key
from table_cases import experiment, write

import jaxsup
from jaxsup.experiment.tables import experiment_from_table, to_table
from jaxsup.sweep.amendments import amend_sweep, parse_amendment
from jaxsup.sweep.number_files import with_numbers
from jaxsup.sweep.tables import read_sweep, read_tables, sweep_from_tables, sweep_to_tables

FREQUENCIES = [0.5, 0.25, 0.125, 0.0625]
TEXTS = {
    "a.csv": "0.5,0.25,0.125,0.0625\n",
    "b.csv": "\ufeff# p\n0.5\n0.25\r\n\n0.125\n6.25e-2 # rare\n",
    "c.txt": "0.5 0.25\t0.125; 0.0625",
    "d.tsv": "0.5\t0.25\t0.125\t0.0625\n",
}
SWEEP = """
steps = 4
batch_size = 8
importance = {file = "weights.npy"}
record = {points = 3, evaluation_samples = 16}
teacher = {kind = "diagonal", exponent = 0.0}
student = {latent = 2}
optimizer = {kind = "sgd", learning_rate = 0.1}

[features]
kind = "sparse"
probabilities = {file = "numbers/p.csv"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sweep with its files."""
    (tmp_path / "numbers").mkdir()
    (tmp_path / "numbers" / "p.csv").write_text(TEXTS["a.csv"])
    np.save(tmp_path / "weights.npy", np.array([1.0, 0.5, 0.25, 1 / 3], np.float32))
    write(tmp_path, SWEEP)
    return tmp_path


@pytest.mark.parametrize("name", TEXTS)
def test_texts_are_lists(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(TEXTS[name], encoding="utf-8")
    assert with_numbers({"x": {"file": name}}, tmp_path) == {"x": FREQUENCIES}


def test_arrays_keep_their_shape_and_digits(tmp_path: Path) -> None:
    matrix = np.random.default_rng(0).normal(size=(3, 4))
    np.save(tmp_path / "m.npy", matrix)
    np.save(tmp_path / "i.npy", np.arange(-1, 3))
    np.savetxt(tmp_path / "m.txt", matrix, fmt="%.17g")
    (tmp_path / "k.txt").write_text("8 16\n")
    tables = {"a": [{"file": "m.npy"}, 3], "b": {"c": {"file": "i.npy"}}, "d": {"file": "m.txt"}}
    read = with_numbers(tables, tmp_path)
    assert read == {"a": [matrix.tolist(), 3], "b": {"c": [-1, 0, 1, 2]}, "d": matrix.tolist()}
    whole = with_numbers({"file": "k.txt"}, tmp_path)
    assert whole == [8, 16]
    assert all(type(number) is int for number in whole)


def test_a_sweep_names_files_beside_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = read_sweep(folder / "sweep.toml")
    law = sweep.experiment.features
    assert isinstance(law, jaxsup.SparseFeatures)
    np.testing.assert_array_equal(law.probabilities, FREQUENCIES)
    weights = np.asarray(sweep.experiment.importance)
    assert weights.tolist() == np.load(folder / "weights.npy").tolist()
    # A change on the command line names it from where one is.
    monkeypatch.chdir(folder / "numbers")
    Path("q.txt").write_text("0.1 0.2 0.3 0.4")
    amendment = parse_amendment('features.probabilities={file = "q.txt"}')
    law = amend_sweep(read_tables(folder / "sweep.toml"), [amendment]).experiment.features
    assert isinstance(law, jaxsup.SparseFeatures)
    np.testing.assert_array_equal(law.probabilities, [0.1, 0.2, 0.3, 0.4])


def test_files_and_lists_are_axes(folder: Path) -> None:
    axes = """
[axes]
importance = [{file = "weights.npy"}, [1, 1, 1, 1], 0.9]
"features.probabilities" = [{file = "numbers/p.csv"}, [0.1, 0.1, 0.1, 0.1]]
"optimizer.learning_rate" = {file = "numbers/p.csv"}
"""
    sweep = read_sweep(write(folder, SWEEP + axes))
    assert sweep.shape == (3, 2, 4)
    last = sweep.experiment_at((1, 1, 3))
    assert isinstance(last.features, jaxsup.SparseFeatures)
    np.testing.assert_array_equal(last.features.probabilities, np.full(4, 0.1))
    np.testing.assert_array_equal(last.importance, np.ones(4))
    tables = json.loads(json.dumps(sweep_to_tables(sweep)))
    assert sweep_to_tables(sweep_from_tables(tables)) == tables


def test_a_store_needs_its_files_no_more(folder: Path) -> None:
    """Trained, opened, shown and resumed with the files gone; other numbers are another sweep."""
    sweep, store = read_sweep(folder / "sweep.toml"), folder / "store"
    whole = jaxsup.run(sweep, store).load()
    shutil.rmtree(folder / "numbers")
    (folder / "weights.npy").unlink()
    opened = jaxsup.open_store(store)
    told = json.loads(opened.attrs["configuration"])
    assert told["features"]["probabilities"] == FREQUENCIES
    again = jaxsup.run(sweep_from_tables(told), store, resume=True)
    np.testing.assert_array_equal(again.loss, whole.loss)
    shown = commands.jaxsup("info", str(store))
    assert json.dumps(FREQUENCIES) in shown.stdout
    told["features"]["probabilities"][3] = 0.0626
    with pytest.raises(ValueError, match=r"features.probabilities"):
        jaxsup.run(sweep_from_tables(told), store, resume=True)


def test_many_numbers_are_shown_by_their_digest(tmp_path: Path) -> None:
    law = jaxsup.SparseFeatures(np.linspace(0.001, 0.5, 80))
    record = jaxsup.Record(points=2, evaluation_samples=4)
    base = experiment(features=law, steps=2, batch_size=4, record=record)
    jaxsup.run(jaxsup.Sweep(base), tmp_path / "store")
    shown = commands.jaxsup("info", str(tmp_path / "store")).stdout
    assert "80 numbers, 0.001 to 0.5, SHA-256 " in shown
    assert "0.0073" not in shown


class Weighted(jaxsup.AbstractFeatures):
    """A law of one's own with an array."""

    scales: Float[Array, " features"]
    count: int = eqx.field(static=True, default=4)

    def sample_batch(self, key: Key[Array, ""], batch: int) -> Float[Array, "batch features"]:
        return jax.random.normal(key, (batch, self.count)) * self.scales[None, :]


def test_arrays_of_ones_own_classes_are_lists_in_a_table() -> None:
    base = dataclasses.replace(experiment(), features=Weighted(scales=jax.numpy.ones(4)))
    table = json.loads(json.dumps(to_table(base)))
    assert table["features"]["scales"] == [1.0] * 4
    table["features"]["scales"] = [1, 2, 3, 4]
    law = experiment_from_table(table, imports=True).features
    assert isinstance(law, Weighted)
    assert law.scales.shape == (4,)
    assert law.sample_batch(jax.random.key(0), 3).shape == (3, 4)


def saved(folder: Path, name: str, content: object) -> None:
    if isinstance(content, str):
        (folder / name).write_text(content)
    elif isinstance(content, bytes):
        (folder / name).write_bytes(content)
    else:
        np.save(folder / name, np.asarray(content))


BAD = {
    "no name": ("a.txt", "1", 3, "x.file: expected the name of a file; got 3; write it in quotes"),
    "ending": ("a.dat", "1", "a.dat", "x.file: expected a file that ends in .npy, .csv, .tsv, .tx"),
    "a header": (
        "a.csv",
        "p\n0.5",
        "a.csv",
        "x.file: expected numbers alone; got 'p' in line 1; le",
    ),
    "ragged": ("a.csv", "1,2\n3", "a.csv", "rows of one length; got 1 of them in line 2 after 2"),
    "empty": ("a.txt", "# none", "a.txt", r"a list of 1 to 16777216 numbers; got a shape \(0,\)"),
    "one number": ("a.npy", 1.0, "a.npy", r"a list of 1 to 16777216 numbers; got a shape \(\)"),
    "no numpy": ("a.npy", "1,2", "a.npy", "x.file: expected a .npy file; got one that numpy does"),
    "complex": ("a.npy", [1j], "a.npy", "an array of real numbers; got complex128; convert it"),
    "latin": (
        "a.txt",
        "é".encode("latin-1"),
        "a.txt",
        "x.file: expected text in UTF-8; got 'utf-8'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case: str, tmp_path: Path) -> None:
    name, content, file, match = BAD[case]
    saved(tmp_path, name, content)
    assert_one_line_error(lambda: with_numbers({"x": {"file": file}}, tmp_path), match)


def test_an_absent_file_is_told(folder: Path) -> None:
    (folder / "weights.npy").unlink()
    match = "importance.file: expected a file of numbers; got none at .*weights.npy.*; name it"
    assert_one_line_error(lambda: read_sweep(folder / "sweep.toml"), match, FileNotFoundError)
    match = "--set steps=.*: steps.file: expected a file of numbers; got none"
    assert_one_line_error(lambda: parse_amendment('steps={file = "nowhere.txt"}'), match)
