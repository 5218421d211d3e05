"""Weights from files: the numbers as stored."""

from pathlib import Path

import numpy as np
import pytest
from weight_files import W, write_safetensors

from jaxsup.weights.files.formats import list_tensors
from jaxsup.weights.files.read import read_weights


def bfloat16_bytes(matrix: np.ndarray) -> bytes:
    """The upper halves of float32 numbers."""
    return (matrix.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()


STORED = {
    "F64": W.astype(np.float64).tobytes(),
    "F32": W.tobytes(),
    "F16": W.astype(np.float16).tobytes(),
    "BF16": bfloat16_bytes(W),
    # 1, -2, 0.5, 0.25, 4, -0.125 as sign, four bits of exponent (bias 7), three of fraction.
    "F8_E4M3": bytes([0x38, 0xC0, 0x30, 0x28, 0x48, 0xA0]),
    "F8_E5M2": bytes([0x3C, 0xC0, 0x38, 0x34, 0x44, 0xB0]),
}


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("pad", [0, 1, 3])  # headers that leave the data unaligned, too
def test_safetensors_of_every_float_type_are_read_exactly(
    tmp_path: Path, kind: str, pad: int
) -> None:
    path = write_safetensors(
        tmp_path / "w.safetensors", {"w": (kind, (2, 3), STORED[kind])}, pad=pad
    )
    weights = read_weights(path)
    assert weights.matrix.dtype == (np.float64 if kind == "F64" else np.float32)
    np.testing.assert_array_equal(weights.matrix, W)
    assert weights.tensor == "w"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", "int8", "int64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_of_every_real_type_is_read_exactly(tmp_path: Path, dtype: str, order: str) -> None:
    stored = np.asarray(8 * W, dtype, order=order)  # pyright: ignore
    np.save(tmp_path / "w.npy", stored)
    weights = read_weights(tmp_path / "w.npy")
    np.testing.assert_array_equal(
        weights.matrix, 8 * W.astype(np.float64) if "i" in dtype else 8 * W
    )
    assert weights.matrix.dtype.isnative
    assert weights.tensor is None


def test_data_of_npy_are_mapped_and_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", W)
    assert isinstance(list_tensors(tmp_path / "w.npy")[0].load(), np.memmap)


def test_tensors_of_safetensors_are_listed_in_the_order_of_the_file_and_read_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = {name: ("F32", (2, 3), (k * W).tobytes()) for k, name in enumerate("zxay")}
    path = write_safetensors(tmp_path / "w.safetensors", tensors)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("the whole file was read"))
    listed = list_tensors(path)
    assert [tensor.name for tensor in listed] == ["z", "x", "a", "y"]
    assert {(tensor.shape, tensor.dtype, tensor.problem) for tensor in listed} == {
        ((2, 3), "float32", "")
    }
    for k, tensor in enumerate(listed):
        np.testing.assert_array_equal(tensor.load(), k * W)


@pytest.mark.parametrize("name", ["w", "other"])
def test_eight_bit_floats_beside_other_tensors(tmp_path: Path, name: str) -> None:
    tensors = {
        "bias": ("F32", (3,), bytes(12)),
        "w": ("F8_E4M3", (2, 3), STORED["F8_E4M3"]),
        "other": ("F8_E5M2", (2, 3), STORED["F8_E5M2"]),
    }
    path = write_safetensors(tmp_path / "w.safetensors", tensors)
    weights = read_weights(path, tensor=name)
    np.testing.assert_array_equal(weights.matrix, W)
    assert weights.dtype.startswith("float8")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_only_matrix_of_an_archive_needs_no_name(tmp_path: Path, save) -> None:
    save(tmp_path / "w.npz", bias=np.zeros(3), embedding=W, step=np.asarray(7))
    weights = read_weights(tmp_path / "w.npz")
    assert weights.tensor == "embedding"
    np.testing.assert_array_equal(weights.matrix, W)


@pytest.mark.parametrize(
    ("shape", "given", "settled", "result"),
    [
        ((2, 3), None, "latent-features", (2, 3)),
        ((3, 2), None, "features-latent", (2, 3)),
        ((2, 2), None, "latent-features", (2, 2)),
        ((2, 3), "features-latent", "features-latent", (3, 2)),
        ((3, 2), "latent-features", "latent-features", (3, 2)),
    ],
)
def test_the_longer_side_is_the_features_unless_said_otherwise(
    tmp_path: Path, shape, given, settled, result
) -> None:
    stored = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    np.save(tmp_path / "w.npy", stored)
    weights = read_weights(tmp_path / "w.npy", orientation=given)
    assert (weights.orientation, weights.assumed, weights.shape) == (settled, given is None, shape)
    turned = stored.T if settled == "features-latent" else stored
    np.testing.assert_array_equal(weights.matrix, turned)
    assert weights.matrix.shape == result
    assert ("assumed" in weights.describe_orientation()) == (given is None)


@pytest.mark.parametrize(
    ("dtype", "wanted"), [(">f4", "f4"), (">f2", "f4"), (">i2", "f4"), (">f8", "f8"), (">i4", "f8")]
)
def test_byte_order_does_not_widen_numbers(tmp_path: Path, dtype: str, wanted: str) -> None:
    np.save(tmp_path / "w.npy", (8 * W).astype(dtype))
    weights = read_weights(tmp_path / "w.npy")
    assert weights.matrix.dtype == np.dtype(wanted)
    assert weights.dtype == dtype
    np.testing.assert_array_equal(weights.matrix, 8 * W)


@pytest.mark.parametrize(
    ("name", "shape", "orientation", "reason"),
    [
        ("transformer.wpe.weight", (2, 3), "features-latent", "name"),
        ("bert/embeddings/token_type_embeddings/embedding", (2, 3), "features-latent", "name"),
        ("model.embed_tokens.weight", (3, 3), "features-latent", "name"),
        ("embedding", (2, 3), "latent-features", "longer side"),  # W of an autoencoder
        ("unembed.weight", (2, 3), "latent-features", "longer side"),
        ("time_embed.0.weight", (3, 2), "features-latent", "longer side"),
        ("h.0.attn.c_proj.weight", (3, 3), "latent-features", "square"),
    ],
)
def test_rows_of_what_is_called_an_embedding_are_features(
    tmp_path: Path, name: str, shape: tuple[int, int], orientation: str, reason: str
) -> None:
    stored = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    path = write_safetensors(tmp_path / "w.safetensors", {name: ("F32", shape, stored.tobytes())})
    weights = read_weights(path)
    assert (weights.orientation, weights.reason) == (orientation, reason)
    np.testing.assert_array_equal(
        weights.matrix, stored.T if orientation == "features-latent" else stored
    )
    given = read_weights(path, orientation="latent-features")
    assert (given.orientation, given.reason, given.assumed) == ("latent-features", "given", False)
    assert ("by its name" in weights.describe_orientation()) == (reason == "name")
