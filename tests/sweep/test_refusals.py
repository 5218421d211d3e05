"""Sweeps that are refused, each in one line and before any training."""

import os
from typing import Any

import jax
import pytest
import xarray as xr
from helpers import assert_one_line_error, untyped
from sweep_cases import linear, run

import jaxsup
from jaxsup.sweep.processes import Share
from jaxsup.sweep.store.read import open_store


def sweep(axes: Any, seeds: Any = 1) -> jaxsup.Sweep:
    return jaxsup.Sweep(linear(), axes, seeds)


BAD = {
    "unknown field": (
        lambda: sweep({"features.exponant": [1.0]}),
        "axes: expected a field of the experiment; got 'features.exponant'; did you mean 'features."
        "exponent'",
    ),
    "unknown field of a joint axis": (
        lambda: sweep({"setting": {"student.latnt": [1]}}),
        "axes: .*got 'student.latnt'; did you mean 'student.latent'",
    ),
    "hidden field": (lambda: sweep({"student.used": [1]}), "axes: .*got 'student.used'"),
    "reserved name": (
        lambda: sweep({"seed": {"teacher.exponent": [0, 1]}}),
        "axes: expected a field or a free name; got 'seed'",
    ),
    "name of a variable": (
        lambda: sweep({"status": {"teacher.exponent": [0, 1]}}),
        "axes: expected a field or a free name; got 'status'",
    ),
    "joint axis named like a field": (
        lambda: sweep({"steps": {"teacher.exponent": [0, 1]}}),
        "axes.steps: expected a list of values; got a table; name a joint axis otherwise",
    ),
    "one value": (
        lambda: sweep({"teacher.exponent": 1.0}),
        r"axes.teacher.exponent: expected a list of values; got 1.0; write \[...\] around",
    ),
    "a word": (
        lambda: sweep({"student.embedding": "random"}),
        "axes.student.embedding: expected a list of values; got 'random'",
    ),
    "no values": (
        lambda: sweep({"teacher.exponent": []}),
        "axes.teacher.exponent: expected at least one value; got a list of none",
    ),
    "no fields": (lambda: sweep({"setting": {}}), "axes.setting: expected at least one value"),
    "ragged": (
        lambda: sweep({"setting": {"teacher.exponent": [0, 1], "features.exponent": [1]}}),
        "axes.setting: expected lists of one length; got a table of lists of lengths",
    ),
    "twice": (
        lambda: sweep({"teacher.exponent": [0.0], "setting": {"teacher.exponent": [0.0, 1.0]}}),
        "axes: expected each field on one axis; got 'teacher.exponent'; drop it from one",
    ),
    "inside another": (
        lambda: sweep({"optimizer": [jaxsup.SGD(0.1)], "optimizer.learning_rate": [0.1]}),
        "axes: expected fields that do not contain each other",
    ),
    "refused value": (
        lambda: sweep({"features.exponent": [1.0, float("nan")]}),
        "features.exponent: expected a finite number; got nan",
    ),
    "refused size": (
        lambda: sweep({"student.latent": [2, 0]}),
        "student.latent: expected a positive integer; got 0",
    ),
    "K above N": (
        lambda: sweep({"student.latent": [2, 9]}),
        "student.latent: expected 1 <= K <= N = 8; got 9",
    ),
    "steps": (
        lambda: sweep({"steps": [5, 0]}),
        "steps: expected a positive integer; got 0",
    ),
    "no seeds": (lambda: sweep({}, 0), "seeds: expected a positive integer; got 0"),
    "empty seeds": (lambda: sweep({}, []), r"seeds: expected different whole numbers .*; got \[\]"),
    "repeated seeds": (lambda: sweep({}, [1, 1]), "seeds: .*give each seed once"),
    "negative seeds": (lambda: sweep({}, [-1]), "seeds: expected different whole numbers from 0"),
    "broken seeds": (lambda: sweep({}, [0.5]), "seeds: expected different whole numbers from 0"),
    "huge seeds": (lambda: sweep({}, [2**32]), "seeds: expected"),
    "widths": (
        lambda: run(sweep({}), widths=0),
        "widths: expected a positive integer; got 0; give a number of padded widths",
    ),
    "chunk": (
        lambda: run(sweep({}), chunk=0),
        "chunk: expected a positive integer; got 0; give a number of replicas",
    ),
    "no devices": (
        lambda: run(sweep({}), devices=[]),
        r"devices: expected a list of devices; got none; choose some of jax.local_devices\(\)",
    ),
    "a device twice": (
        lambda: run(sweep({}), devices=[jax.devices()[0]] * 2),
        "devices: expected different devices; got one of them more often; name each once",
    ),
    "names of devices": (
        lambda: run(sweep({}), devices=["cpu"]),
        "devices: expected a list of devices; got 'cpu'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case):
    build, match = BAD[case]
    assert_one_line_error(build, match)


@untyped
@pytest.mark.parametrize("store", [5, "a\0b"])
def test_a_store_that_is_no_path_is_a_one_line_error(store):
    assert_one_line_error(lambda: run(sweep({}), store), "path: expected a path; got ")


@untyped
def test_half_a_process_is_a_one_line_error():
    half: Any = 0.5
    assert_one_line_error(lambda: Share(half, 2), r"share.index: expected 0..1; got 0.5")


def test_a_store_that_cannot_be_made_is_refused_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    reports: list[Any] = []

    def train(*place: str) -> xr.Dataset:
        return run(sweep({}), tmp_path.joinpath(*place), progress=reports.append)

    assert_one_line_error(
        lambda: train("file", "sweep"),
        "expected a folder that can be written; got 'Not a directory'",
        OSError,
    )
    assert_one_line_error(lambda: train("file"), "got a file of that name", NotADirectoryError)
    assert not reports


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    assert_one_line_error(
        lambda: run(sweep({}), tmp_path / "sweep"), "choose another place", PermissionError
    )


def test_opening_what_is_no_sweep_is_refused(tmp_path):
    assert_one_line_error(
        lambda: open_store(tmp_path / "absent"),
        "expected the folder of a sweep; got none there",
        FileNotFoundError,
    )
    assert_one_line_error(
        lambda: open_store(tmp_path), r"got one without zarr\.json; give the folder that"
    )
    xr.Dataset({"other": ("x", [1.0])}).to_zarr(
        tmp_path / "other", zarr_format=3, consolidated=False
    )
    assert_one_line_error(
        lambda: open_store(tmp_path / "other"), "expected a dataset with a loss; got"
    )
