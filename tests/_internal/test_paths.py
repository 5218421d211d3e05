"""Paths as people write them: ~ is the home folder, an address is no path."""

from pathlib import Path
from typing import Any

import pytest
from factories import linear_experiment
from helpers import assert_one_line_error, untyped

import jaxsup
from jaxsup._internal.paths import local_path
from jaxsup.fit.tables.files import read_curves
from jaxsup.sweep.grid import Sweep
from jaxsup.weights import read_weights


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("~/x", "{home}/x"),
        (Path("~"), "{home}"),
        ("~nobody-of-this-name/x", "~nobody-of-this-name/x"),
        ("a/~/b", "a/~/b"),
        ("runs:2/x", "runs:2/x"),
        ("a b:c", "a b:c"),
        ("C:/x", "C:/x"),
    ],
)
def test_local_paths(home: Path, path: str | Path, expected: str) -> None:
    assert local_path(path) == Path(expected.format(home=home))


@pytest.mark.parametrize(
    "path", ["s3://bucket/run", "gs://b/r", "file:///x", Path("https://host/w.npy"), "S3:/bucket"]
)
def test_addresses_are_refused(path: str | Path) -> None:
    assert_one_line_error(
        lambda: local_path(path, "out"), "out: expected a path on this machine; got .*; give a loc"
    )


@untyped
@pytest.mark.parametrize("path", [5, None, b"a", "a\0b"])
def test_what_is_no_path_is_refused(path: Any) -> None:
    assert_one_line_error(lambda: local_path(path, "out"), "out: expected a path; got ")


def test_python_takes_the_paths_that_the_command_takes(home: Path, tiny_sweep: Sweep) -> None:
    (home / "run" / "notes").mkdir(parents=True)
    for use, error in (
        (lambda: jaxsup.run(tiny_sweep, "~/run"), FileExistsError),
        (lambda: jaxsup.open_store("~/none"), FileNotFoundError),
        (lambda: read_weights("~/none.npy"), FileNotFoundError),
        (lambda: read_curves("~/none.csv"), FileNotFoundError),
    ):
        assert_one_line_error(use, str(home), error)
    assert_one_line_error(
        lambda: jaxsup.run(tiny_sweep, "s3://bucket/run"), "expected a path on this machine"
    )
    assert sorted(home.rglob("*")) == [home / "run", home / "run" / "notes"]


@pytest.fixture
def tiny_sweep() -> Sweep:
    return Sweep(linear_experiment(), {}, 1)
