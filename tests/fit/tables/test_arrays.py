"""Loss curves from NumPy's files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from helpers import assert_one_line_error

from jaxsup.fit.tables.files import read_curves

STEPS = np.asarray([1, 2, 4, 8])
LOSSES = np.asarray([[4.0, 3.0, 2.0, 1.0], [5.0, 4.5, np.nan, 2.0], [1.0, 1.0, 1.0, np.inf]])


def read(folder: Path, content: Any, **options: Any) -> xr.Dataset:
    """What is read of an array, or of a dictionary of them."""
    if isinstance(content, dict):
        np.savez(folder / "a.npz", **content)
        return read_curves(folder / "a.npz", **options)
    np.save(folder / "a.npy", content)
    return read_curves(folder / "a.npy", **options)


def test_one_axis_holds_losses_at_steps_from_zero(tmp_path: Path) -> None:
    for content in (LOSSES[0], {"loss": LOSSES[0]}, {"arr_0": LOSSES[0].astype(">f4")}):
        dataset = read(tmp_path, content)
        assert dataset["step"].values.tolist() == [0, 1, 2, 3]
        np.testing.assert_array_equal(dataset["loss"], LOSSES[None, :1])
        assert dataset["curve"].values.tolist() == ["loss"]
        assert "at steps 0, 1, 2, ..." in dataset.attrs["notes"][0]


def test_rows_without_names_begin_with_the_step(tmp_path: Path) -> None:
    dataset = read(tmp_path, np.column_stack([STEPS, LOSSES.T])[::-1])
    assert dataset["step"].values.tolist() == STEPS.tolist()
    np.testing.assert_array_equal(dataset["loss"][:, 0], LOSSES)
    assert dataset["status"].values[:, 0].tolist() == [0, 0, 1]
    assert "column 0 for the steps" in dataset.attrs["notes"][0]
    assert dataset["step"].attrs["units"] == "updates"
    some = read(tmp_path, np.column_stack([LOSSES.T, STEPS]), step="3", loss=["1"])
    np.testing.assert_array_equal(some["loss"][:, 0], LOSSES[1:2])


def test_fields_of_a_structured_array_are_columns(tmp_path: Path) -> None:
    fields = [("run", "U1"), ("loss", "f4"), ("done", "?"), ("iter", "u2"), ("place", "S3")]
    rows = [("a", 2, 0, 9, "x"), ("a", 3, 0, 1, ""), ("b", 5, 1, 1, ""), ("b", np.nan, 1, 9, "y")]
    array = np.asarray(rows, fields)
    dataset = read(tmp_path, array, by="run")
    assert dataset["curve"].values.tolist() == ["a", "b"]
    np.testing.assert_array_equal(dataset["loss"][:, 0], [[3, 2], [5, np.nan]])
    assert dataset["status"].values[:, 0].tolist() == [0, 1]
    seeds = read(tmp_path, array, by="run", seeds=True)["loss"]
    np.testing.assert_array_equal(seeds, [[3, 2], [5, np.nan]])


def test_arrays_of_one_length_are_columns_and_others_are_passed_over(tmp_path: Path) -> None:
    content = {"lr": 0.1, "W": np.ones((2, 3)), "step": STEPS, "a": LOSSES[0], "b": LOSSES[1]}
    dataset = read(tmp_path, content)
    assert dataset["curve"].values.tolist() == ["a", "b"]
    np.testing.assert_array_equal(dataset["loss"][:, 0], LOSSES[:2])
    message = r"--by: expected a column of .*; got an array of shape \(2, 3\); save it as"
    assert_one_line_error(
        lambda: read(tmp_path, content | {"c": LOSSES[2, :3]}, loss="W"),
        r"W: expected \[4\] or \[runs, 4\].*got a shape \(2, 3\)",
    )
    assert_one_line_error(lambda: read(tmp_path, content, by="W"), message)


def test_losses_of_several_runs(tmp_path: Path) -> None:
    content = {"loss": LOSSES, "step": STEPS}
    dataset = read(tmp_path, content)
    assert dataset["curve"].values.tolist() == ["loss 0", "loss 1", "loss 2"]
    np.testing.assert_array_equal(dataset["loss"][:, 0], LOSSES)
    seeds = read(tmp_path, content, seeds=True)
    np.testing.assert_array_equal(seeds["loss"], LOSSES)
    assert seeds["status"].values.tolist() == [0, 0, 1]


BAD: dict[str, tuple[Any, str]] = {
    "truth": (np.ones(4, bool), "loss: expected numbers; got an array of type bool"),
    "complex": (np.ones(4, complex), "loss: expected numbers; got an array of type complex128"),
    "times": (STEPS.astype("M8[s]"), "expected numbers; got an array of type datetime64"),
    "text": (np.asarray(["high", "low"]), r"a column with text \('high' in row 1\)"),
    "bytes": (np.asarray([b"1", b"2"]), r"expected numbers; got an array of type \|S1"),
    "pickle": (np.asarray([1, "a"], object), "got a pickle of Python objects; save it as numbers"),
    "scalar": (np.asarray(1.0), r"at least 3 rows, steps in column 0; got a shape \(\)"),
    "lying": (LOSSES[:2], r"got a shape \(2, 4\); put the rows on the first axis"),
    "cube": (np.ones((4, 2, 2)), r"got a shape \(4, 2, 2\)"),
    "one column": (np.ones((4, 1)), r"got a shape \(4, 1\)"),
    "empty": (np.zeros(0), "expected steps and losses; got 0 rows of step, loss"),
    "fields": (np.zeros(3, [("step", "i4"), ("loss", "f4", 2)]), r"loss: .* a shape \(3, 2\)"),
    "turned": ({"step": STEPS, "loss": LOSSES.T}, r"expected \[4\] or .* a shape \(4, 3\)"),
    "none": ({"a": np.ones((2, 2)), "b": 1.0}, r"arrays of steps and losses; got a \[2, 2\], b \["),
    "no arrays": ({}, "expected arrays of steps and losses; got none"),
    "no numbers": ({"step": STEPS, "loss": np.asarray([None] * 4)}, "got 4 rows of step"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_other_arrays_are_refused(case: str, tmp_path: Path) -> None:
    content, message = BAD[case]
    assert_one_line_error(lambda: read(tmp_path, content), message)


def test_files_of_steps_by_runs_name_one_column_of_each(tmp_path: Path) -> None:
    content = {"loss": LOSSES, "step": STEPS}
    message = "--step: expected one column; got several in loss; name a column"
    assert_one_line_error(lambda: read(tmp_path, content, step="loss", loss="step"), message)


def test_damaged_and_mislabeled_files(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", LOSSES)
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:-8])
    message = "expected 96 bytes of data; got 88 bytes"
    assert_one_line_error(lambda: read_curves(tmp_path / "a.npy"), message)
    (tmp_path / "a.npz").write_bytes(content)
    message = "expected the content of a .npz file; got a NumPy array; rename it"
    assert_one_line_error(lambda: read_curves(tmp_path / "a.npz"), message)


def test_arrays_that_memory_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxsup.fit.tables.arrays.free_memory", lambda: 50)
    message = r"an array that fits in the .* GiB of free memory; got a shape \(4,\); keep"
    assert_one_line_error(lambda: read(tmp_path, LOSSES[0]), message)
