"""All matrices of a checkpoint: which are meant, and a row for each."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_one_line_error
from weight_files import W, write_safetensors

from jaxsup.weights.checkpoint import measure_matrix
from jaxsup.weights.files import read
from jaxsup.weights.files.read import read_weights
from jaxsup.weights.files.shards import list_checkpoint
from jaxsup.weights.files.tensors import ChosenTensors, select_tensors, single_matrix
from jaxsup.weights.table import measure_checkpoint

RNG = np.random.default_rng(3)
TENSORS = {
    "wte.weight": RNG.standard_normal((40, 8)).astype(np.float32),
    "h.0.attn.weight": RNG.standard_normal((8, 8)).astype(np.float32),
    "h.0.attn.bias": np.zeros(8, np.float32),
    "h.0.mlp.weight": RNG.standard_normal((8, 24)).astype(np.float32),
    "h.1.attn.weight": np.full((8, 8), np.nan, np.float32),
    "h.1.mlp.weight": RNG.standard_normal((24, 8)).astype(np.float32),
    "conv.weight": np.zeros((4, 3, 5), np.float32),
    "scale": np.zeros((), np.float32),
    "mask": np.ones((4, 4), bool),
    "rotation": np.ones((3, 4), np.complex64),
    "unused": np.zeros((0, 4), np.float32),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.savez(tmp_path / "model.npz", **TENSORS)  # pyright: ignore
    return tmp_path / "model.npz"


def choose(path: Path, *patterns: str) -> ChosenTensors:
    return select_tensors(str(path), list_checkpoint(path), patterns)


def names(path: Path, *patterns: str) -> list[str]:
    return [stored.name for stored in choose(path, *patterns).matrices]


def test_everything_else_is_left_out_with_the_reason(path: Path) -> None:
    chosen = choose(path)
    assert [stored.name for stored in chosen.matrices] == [
        name for name in TENSORS if name.endswith("weight") and name != "conv.weight"
    ]
    assert chosen.reasons() == {
        "of one dimension (biases, scales)": 1,
        "of 3 axes (convolution kernels and the like)": 1,
        "single numbers": 1,
        "not real numbers (bool)": 1,
        "complex (stack real and imaginary parts along the latent axis)": 1,
        "empty": 1,
    }


def test_names_and_patterns_choose_in_the_order_of_the_file(path: Path) -> None:
    assert names(path, "h.*.mlp.weight") == ["h.0.mlp.weight", "h.1.mlp.weight"]
    assert names(path, "h.1.*", "wte.weight") == ["wte.weight", "h.1.attn.weight", "h.1.mlp.weight"]
    assert names(path, "h.[1-9].m*", "h.1.mlp.weight") == ["h.1.mlp.weight"]
    assert names(path, "h.?.attn.*") == ["h.0.attn.weight", "h.1.attn.weight"]
    assert choose(path, "h.0.*").reasons() == {"of one dimension (biases, scales)": 1}


def test_a_tensor_of_just_that_name_comes_before_a_pattern(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **{"w[0]": W, "w0": 2 * W})  # pyright: ignore
    assert names(tmp_path / "w.npz", "w[0]") == ["w[0]"]
    np.testing.assert_array_equal(read_weights(tmp_path / "w.npz", tensor="w[0]").matrix, W)
    assert names(tmp_path / "w.npz", "w[01]") == ["w0"]


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["x*"], r"tensor: expected a pattern that fits a tensor in .*; got 'x\*'; choose one of"),
        (
            ["wte.weight", "wte.wieght"],
            "expected the name of a tensor.*; did you mean 'wte.weight'",
        ),
        (["H.0.*"], "expected a pattern that fits"),  # as names, patterns know lower case
    ],
)
def test_what_fits_nothing_is_refused(path: Path, patterns: list[str], message: str) -> None:
    assert_one_line_error(lambda: choose(path, *patterns), message)


def test_a_npy_has_no_names_for_patterns(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", W)
    assert_one_line_error(
        lambda: choose(tmp_path / "w.npy", "*"), r"expected no name, as .* names none; got '\*'"
    )


def test_one_matrix_is_read_by_a_pattern_that_fits_no_other(path: Path) -> None:
    weights = read_weights(path, tensor="*te.w*")
    assert (weights.tensor, weights.matrix.shape) == ("wte.weight", (8, 40))
    assert read_weights(path, tensor="h.0.attn.*").tensor == "h.0.attn.weight"  # a bias is none
    assert_one_line_error(
        lambda: read_weights(path, tensor="h.*.mlp.weight"), "expected one matrix; got 2 of them"
    )
    assert_one_line_error(
        lambda: read_weights(path, tensor="h.*.bias"), r"expected a matrix, 2 axes; got a tensor of"
    )
    assert_one_line_error(
        lambda: single_matrix("it", choose(path, "*bias", "conv*").chosen),
        r"it: expected a matrix; got h.0.attn.bias \[8\], conv.weight \[4, 3, 5\]; save the matrix",
    )


def test_complex_numbers_beside_a_real_matrix_do_not_hide_it(path: Path) -> None:
    assert single_matrix("it", choose(path, "wte*", "rotation").chosen).name == "wte.weight"
    assert_one_line_error(
        lambda: read_weights(path, tensor="rotation"), "complex numbers; .* along the latent axis"
    )


def test_every_matrix_has_a_row_and_a_bad_one_says_why(path: Path) -> None:
    rows = {row.tensor: row for row in measure_checkpoint(choose(path).matrices)}
    assert list(rows) == names(path)
    bad = rows.pop("h.1.attn.weight")
    assert bad.summary is None
    assert bad.problem.startswith("expected finite real numbers; got 64 NaN or infinite entries, ")
    for name, row in rows.items():
        stored = TENSORS[name]
        turned = stored.T if row.orientation.value == "features-latent" else stored
        assert row.summary == measure_matrix(np.ascontiguousarray(turned))
        assert (row.problem, row.shape, row.dtype) == ("", stored.shape, "float32")
    reasons = {name: (row.orientation.value, row.orientation.reason) for name, row in rows.items()}
    assert reasons == {
        "wte.weight": ("features-latent", "name"),
        "h.0.attn.weight": ("latent-features", "square"),
        "h.0.mlp.weight": ("latent-features", "longer side"),
        "h.1.mlp.weight": ("features-latent", "longer side"),
    }


def test_what_is_given_turns_every_matrix(path: Path) -> None:
    rows = measure_checkpoint(choose(path, "h.0.*").matrices, orientation="features-latent")
    found = {row.tensor: row.summary for row in rows}
    for name, summary in found.items():
        assert summary == measure_matrix(np.ascontiguousarray(TENSORS[name].T))


def test_rows_are_json_with_every_field_also_where_nothing_is_known(path: Path) -> None:
    rows = list(measure_checkpoint(choose(path, "h.1.*").matrices))
    bad, good = json.loads(json.dumps([row.to_dict() for row in rows], allow_nan=False))
    assert list(bad) == list(good)
    assert {key for key, value in bad.items() if value is None} >= {"rank", "coherence", "tail"}
    assert bad["problem"].startswith("expected finite")
    assert (good["problem"], good["rank"], good["shape"]) == (None, 8, [24, 8])
    assert good["file"] == str(path)
    assert good["saturation_null"] == pytest.approx(24 / 31)


def test_a_matrix_without_room_to_be_measured_is_not_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedding needs room for its blocks, and every other matrix less."""
    smaller = [*measure_checkpoint(choose(path, "h.?.mlp.weight").matrices)]
    monkeypatch.setattr(read, "free_memory", lambda: 60_000)
    rows = list(measure_checkpoint(choose(path, "wte.weight", "h.?.mlp.weight").matrices))
    assert [row.tensor for row in rows if row.problem] == []
    monkeypatch.setattr(read, "free_memory", lambda: 20_000)
    rows = list(measure_checkpoint(choose(path, "wte.weight", "h.?.mlp.weight").matrices))
    assert [row.tensor for row in rows if row.problem] == ["wte.weight"]
    assert rows[0].problem.startswith("expected a matrix that fits in the ")
    assert [row.summary for row in rows[1:]] == [row.summary for row in smaller]


def test_only_one_matrix_is_in_memory_at_a_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows come one by one, each before the next matrix is read."""
    events = []
    monkeypatch.setattr(
        "jaxsup.weights.table.read_matrix",
        lambda stored, **options: events.append(stored.name) or read.read_matrix(stored, **options),
    )
    rows = measure_checkpoint(choose(path, "h.0.*").matrices)
    events.extend(f"row {row.tensor}" for row in rows)  # as they come
    assert events == [f"{kind}{n}" for n in names(path, "h.0.*") for kind in ("", "row ")]


def test_float8_and_halves_have_rows_too(tmp_path: Path) -> None:
    halves = W.astype(np.float16)
    tensors = {
        "half": ("F16", (2, 3), halves.tobytes()),
        "eight": ("F8_E4M3", (2, 3), bytes([0x38, 0xC0, 0x30, 0x28, 0x48, 0xA0])),
    }
    file = write_safetensors(tmp_path / "w.safetensors", tensors)
    for row in measure_checkpoint(choose(file).matrices):
        assert row.summary == measure_matrix(W)


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (MemoryError(), "MemoryError"),
        (MemoryError("Unable to allocate 3 GiB"), "Unable to allocate 3 GiB"),
        (FileNotFoundError(2, "No such file", "model.npz"), "[Errno 2] No such file: 'model.npz'"),
    ],
)
def test_a_file_that_goes_away_and_memory_that_ends_cost_one_row(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, problem: str
) -> None:
    def read_all_but_one(stored, **options):
        if stored.name == "h.0.mlp.weight":
            raise error
        return read.read_matrix(stored, **options)

    monkeypatch.setattr("jaxsup.weights.table.read_matrix", read_all_but_one)
    rows = list(measure_checkpoint(choose(path, "h.?.mlp.weight").matrices))
    assert [row.problem for row in rows] == [problem, ""]
    assert rows[1].summary is not None
