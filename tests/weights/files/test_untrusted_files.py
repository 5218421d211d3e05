"""Files that mean harm, by sizes and names: refused in one line before memory is taken."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_one_line_error
from weight_files import W, write_safetensors

from jaxsup.weights import diagnose, read_weights
from jaxsup.weights.files import read


def npy_with_header(header: str, version: bytes = b"\x01\x00") -> bytes:
    """An array in NumPy's format, with 24 bytes of data."""
    text = header.encode("latin1")
    length = len(text).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    return b"\x93NUMPY" + version + length + text + W.tobytes()


HEADER = "{{'descr': '<f4', 'fortran_order': False, 'shape': {}, }}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            npy_with_header(HEADER.format("(True, True)")),
            r"got a damaged one: a shape \(True, True",
        ),
        (npy_with_header(HEADER.format("(-2, -3)")), r"got a damaged one: a shape \(-2, -3"),
        (npy_with_header(HEADER.format("(2, 3)"), b"\x09\x00"), "damaged one: version 9.0 of the"),
        (npy_with_header(HEADER.format("(2, 3)") + " " * 20_000), "a header of 20,0.. bytes"),
    ],
)
def test_headers_that_numpy_cannot_mean_are_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "w.npy").write_bytes(content)
    assert_one_line_error(lambda: read_weights(tmp_path / "w.npy"), f"w.npy: .*{message}")


def test_a_header_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    start = b"\x93NUMPY\x02\x00" + (2**30).to_bytes(4, "little")
    with zipfile.ZipFile(tmp_path / "w.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w.npy", start + b" " * 2**20)
    assert_one_line_error(
        lambda: read_weights(tmp_path / "w.npz"), "w.npz: w: .*a header of 1,073,741,824 bytes"
    )


def test_two_tensors_of_one_name_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        for matrix in (W, np.ones((4, 5))):
            stream = io.BytesIO()
            np.save(stream, matrix)
            with (
                pytest.warns(UserWarning, match="Duplicate") if archive.namelist() else io.BytesIO()
            ):
                archive.writestr("w.npy", stream.getvalue())
    assert_one_line_error(
        lambda: read_weights(tmp_path / "w.npz"),
        "expected tensors of different names; got 2 called 'w'; save the archive again",
    )


@pytest.mark.parametrize(("kind", "need"), [("npz", 48), ("npy", 24), ("safetensors", 48)])
def test_a_matrix_larger_than_the_free_memory_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, need: int
) -> None:
    """24 bytes as stored and 24 as W; a .npy is mapped."""
    path = tmp_path / f"w.{kind}"
    if kind == "safetensors":
        write_safetensors(path, {"w": ("F32", (2, 3), W.tobytes())})
    else:
        (np.save if kind == "npy" else np.savez_compressed)(path, W)
    monkeypatch.setattr(read, "free_memory", lambda: need - 1)
    assert_one_line_error(
        lambda: read_weights(path), "expected a matrix that fits .* got 2 x 3 numbers that take"
    )
    monkeypatch.setattr(read, "free_memory", lambda: need)
    np.testing.assert_array_equal(read_weights(path).matrix, W)


@pytest.mark.parametrize("name", ["w.npy", "w.npz", "w.safetensors"])
def test_a_pointer_of_git_lfs_is_no_damaged_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert_one_line_error(
        lambda: read_weights(tmp_path / name), "got a Git LFS pointer; fetch .* `git lfs pull`"
    )


def test_a_misspelt_name_among_many_is_suggested(tmp_path: Path) -> None:
    names: list[str] = [*(f"h.{i}" for i in range(20)), "wte.weight"]
    np.savez(tmp_path / "w.npz", **dict.fromkeys(names, W))  # pyright: ignore
    assert_one_line_error(
        lambda: read_weights(tmp_path / "w.npz", tensor="wte.wieght"), "did you mean 'wte.weight'?"
    )


def test_numbers_beyond_the_precision_are_said_to_be_so(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", 1e300 * W.astype(float))
    matrix = read_weights(tmp_path / "w.npy").matrix
    assert_one_line_error(lambda: diagnose(matrix), "W: expected .*; got 4e.300; rescale the mat")


def test_masked_weights_are_refused() -> None:
    masked = np.ma.masked_array(np.eye(3), np.eye(3) > 0)
    assert_one_line_error(lambda: diagnose(masked), "expected numbers without a mask; got 3 masked")


def test_components_are_left_out_where_there_are_too_many_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    angles = np.linspace(0.1, 3.0, 1500)
    plane = np.stack([np.cos(angles), np.sin(angles), 0 * angles])
    matrix = np.hstack([plane, [[0], [0], [1]]]).astype(np.float32)
    monkeypatch.setattr("jaxsup.weights.diagnosis._GEOMETRY_WORK", 1e6)
    report, whole = diagnose(matrix), diagnose(matrix, full=True)
    assert (report.geometry.left_out, len(whole.geometry.components)) == (True, 2)
    assert "components left out" in str(report)
    assert "--full compares all" in str(report)
    assert int(report.spectrum.rank) == 3
