"""One clear line for every file that holds no matrix of weights."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_one_line_error
from weight_files import W, write_safetensors

from jaxsup.weights.files.read import read_weights


class Trap:
    """Leaves a trace when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_objects_are_refused_and_never_unpickled(tmp_path: Path, ending: str) -> None:
    trap = np.asarray([[Trap(tmp_path / "sprung")]], dtype=object)
    path = tmp_path / f"w.{ending}"
    if ending == "npy":
        np.save(path, trap, allow_pickle=True)
    else:
        np.savez(path, w=trap)
    assert_one_line_error(
        lambda: read_weights(path), "expected finite real numbers; got a pickle of Python"
    )
    assert not (tmp_path / "sprung").exists()


def npy_bytes(array: np.ndarray, path: Path) -> bytes:
    """What np.save writes."""
    np.save(path / "bytes.npy", array)
    return (path / "bytes.npy").read_bytes()


ARRAYS = [
    (np.zeros(()), r"expected a matrix, 2 axes; got a tensor of shape \(\); save one matrix"),
    (np.zeros(4), r"got a tensor of shape \(4,\)"),
    (np.zeros((2, 3, 4)), r"got a tensor of shape \(2, 3, 4\)"),
    (np.zeros((0, 4)), r"expected at least one row and one column; got a matrix of shape \(0, 4\)"),
    (W + 1j, "got a tensor of complex numbers; stack real and"),
    (W > 0, "expected finite real numbers; got a tensor of type bool"),
    (np.asarray([["a"]]), "got a tensor of type <U1"),
    (np.zeros((2, 2), "V2"), "NumPy files lose the name of bfloat16"),
    (
        np.asarray([[1, 2], [np.nan, 4], [np.inf, 5]]),
        r"got 2 NaN or infinite entries, .* at \[1, 0\]",
    ),
]


@pytest.mark.parametrize(("array", "message"), ARRAYS)
def test_what_is_no_finite_real_matrix_is_refused(tmp_path: Path, array, message: str) -> None:
    np.save(tmp_path / "w.npy", array)
    assert_one_line_error(lambda: read_weights(tmp_path / "w.npy"), message)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "w.pt",
            b"PK\x03\x04",
            r"expected .npy, .npz or .safetensors, .*; got a name that ends",
        ),
        ("weights", b"", "got a name without an ending"),
        ("w.npy", b"", "expected the content of a .npy file; got a file of 0 bytes"),
        ("w.npy", b"PK\x03\x04rest", "got a ZIP archive; rename it to .npz"),
        ("w.npz", b"\x93NUMPY\x01\x00rest", "got a NumPy array; rename it to .npy"),
        ("w.npz", b"\x80\x04rest", "got a Python pickle; save the weights again"),
        ("w.safetensors", b"\x89HDF\r\n", "got a HDF5 file"),
        ("w.npy", b"hello", "got a file of unknown content"),
        ("w.npy", b"\x93NUMPY\x01\x00\x10\x00{'shape': (2,", "got a damaged one: "),
        ("w.npy", b"\x93NUMPY\x03\x00", "got a damaged one: EOF"),
        ("w.npz", b"PK\x03\x04rest", "got a damaged one: File is not a zip file"),
        ("w.safetensors", (5).to_bytes(8, "little") + b"{oops", "got a damaged one: "),
        ("w.safetensors", (900).to_bytes(8, "little") + b"{}", "got a damaged one: "),
    ],
)
def test_a_file_that_is_not_what_it_claims_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    named = f"{re.escape(str(tmp_path / name))}.*{message}"
    assert_one_line_error(lambda: read_weights(tmp_path / name), named)


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    whole = npy_bytes(W, tmp_path)
    (tmp_path / "w.npy").write_bytes(whole[:-1])
    assert_one_line_error(
        lambda: read_weights(tmp_path / "w.npy"),
        "expected 24 bytes of data; got 23 bytes; copy or save",
    )
    path = write_safetensors(tmp_path / "w.safetensors", {"w": ("F32", (2, 3), W.tobytes())})
    path.write_bytes(path.read_bytes()[:-1])
    assert_one_line_error(
        lambda: read_weights(path), "expected a file that can be read; got a damaged one"
    )
    np.savez(tmp_path / "w.npz", w=W)
    (tmp_path / "w.npz").write_bytes((tmp_path / "w.npz").read_bytes()[:-30])
    assert_one_line_error(lambda: read_weights(tmp_path / "w.npz"), "got a damaged one")


def test_an_archive_with_a_changed_byte_is_refused(tmp_path: Path) -> None:
    large = np.arange(40_000.0).reshape(200, 200)  # the header alone is read unharmed
    np.savez(tmp_path / "w.npz", w=large)
    content = bytearray((tmp_path / "w.npz").read_bytes())
    content[content.index(large.tobytes()) + 300_000] ^= 1
    (tmp_path / "w.npz").write_bytes(content)
    assert_one_line_error(
        lambda: read_weights(tmp_path / "w.npz"),
        r"w.npz: w: expected a file that can be read; .*CRC",
    )


def test_a_header_that_promises_too_much_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    huge = npy_bytes(W, tmp_path).replace(b"(2, 3), }" + b" " * 12, b"(2000000000000, 3), }")
    (tmp_path / "w.npy").write_bytes(huge)
    assert_one_line_error(
        lambda: read_weights(tmp_path / "w.npy"), "expected 24,000,000,000,000 bytes of data"
    )


def test_missing_files_and_devices_are_refused(tmp_path: Path) -> None:
    assert_one_line_error(
        lambda: read_weights(tmp_path / "absent.npy"),
        "expected a file; got none there",
        FileNotFoundError,
    )
    (tmp_path / "device.npz").symlink_to("/dev/null")
    assert_one_line_error(
        lambda: read_weights(tmp_path / "device.npz"), "expected a file; got a device or pipe; give"
    )


def test_a_file_that_may_not_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    np.save(tmp_path / "w.npy", W)
    monkeypatch.setattr(Path, "open", refuse)  # root may read anything: no file refuses it
    assert_one_line_error(
        lambda: read_weights(tmp_path / "w.npy"),
        "expected a file that can be read; got a refusal: Permission",
    )


@pytest.mark.parametrize(
    ("tensors", "name", "message"),
    [
        ({"a": W, "b": W}, None, r"one matrix; got 2 of them; .*: a \[2, 3\], b \[2"),
        ({"a": W[0], "b": W[1]}, None, r"expected a matrix; got a \[3\], b \[3\]"),
        ({}, None, "expected a matrix; got no tensors"),
        ({"embed": W, "b": W}, "embde", "tensor: .*; got 'embde'; did you mean 'embed'?"),
        ({f"layer{i}": W for i in range(20)}, "x", r"layer11 \[2, 3\] and 8 more"),
    ],
)
def test_a_tensor_that_is_not_there_is_named_with_those_that_are(
    tmp_path: Path, tensors, name: str | None, message: str
) -> None:
    np.savez(tmp_path / "w.npz", **tensors)
    assert_one_line_error(lambda: read_weights(tmp_path / "w.npz", tensor=name), message)


def test_a_npy_has_no_names(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", W)
    assert_one_line_error(
        lambda: read_weights(tmp_path / "w.npy", tensor="W"),
        r"expected no name, as .* names none; got 'W'; leave it",
    )


def test_an_unknown_type_of_safetensors_and_an_unknown_orientation_are_refused(
    tmp_path: Path,
) -> None:
    path = write_safetensors(tmp_path / "w.safetensors", {"w": ("BOOL", (2, 2), bytes(4))})
    assert_one_line_error(
        lambda: read_weights(path), "w: expected finite real numbers; got a tensor of type b"
    )
    scales = write_safetensors(tmp_path / "s.safetensors", {"w": ("F8_E8M0", (2, 2), bytes(4))})
    assert_one_line_error(
        lambda: read_weights(scales), "got a tensor of type F8_E8M0; save an array of numbers"
    )
    assert_one_line_error(
        lambda: read_weights(path, orientation="sideways"),  # pyright: ignore
        "orientation: expected one of 'latent-features'",
    )
