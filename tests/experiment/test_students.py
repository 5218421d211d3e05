"""Student networks: initialization, padding and forward pass against numpy."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_one_line_error, untyped

import jaxsup
from jaxsup.experiment.hidden_layer import HiddenLayerStudent
from jaxsup.experiment.initial import named_arrays
from jaxsup.experiment.students import Student, StudentParameters

EMBEDDINGS = ("random", "identity", "learned", "untied")
CONFIGURATIONS = [
    (embedding, core, bias, activation)
    for embedding in EMBEDDINGS
    for core in (True, False)
    for bias in (True, False)
    for activation in ("relu", "identity")
    if core or bias or embedding in ("learned", "untied")
]


def make(embedding: str, *, core: bool, bias: bool, activation: str, count: int = 6) -> Student:
    return Student(
        count if embedding == "identity" else 3,
        embedding,
        core=core,
        bias=bias,
        activation=activation,
        core_scale=0.8,
        bias_scale=0.5,
    )


def dense(array: jax.Array | None) -> np.ndarray:
    assert array is not None
    return np.asarray(array, np.float64)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("embedding", "core", "bias", "activation"), CONFIGURATIONS)
def test_forward_pass_and_linear_map_equal_numpy(embedding, core, bias, activation):
    student = make(embedding, core=core, bias=bias, activation=activation)
    p = student.init_parameters(jax.random.key(0), 6)
    W = np.eye(6) if embedding == "identity" else dense(p.embedding)
    V = dense(p.readout) if embedding == "untied" else W
    B = dense(p.core) if core else np.eye(len(W))
    c = dense(p.bias) if bias else np.zeros(6)
    x = np.random.default_rng(0).normal(size=(5, 6))
    z = np.stack([V.T @ (B @ (W @ row)) + c for row in x])
    expected = np.maximum(z, 0) if activation == "relu" else z
    np.testing.assert_allclose(student.outputs(p, jnp.asarray(x)), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(student.linear_map(p, 6), V.T @ B @ W, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("embedding", "core", "bias", "activation"), CONFIGURATIONS)
def test_shapes_and_trainable_mask(embedding, core, bias, activation):
    student = make(embedding, core=core, bias=bias, activation=activation)
    p = student.init_parameters(jax.random.key(0), 6)
    latent = 6 if embedding == "identity" else 3
    shapes = {name: getattr(getattr(p, name), "shape", None) for name in vars(p)}
    assert shapes == {
        "embedding": None if embedding == "identity" else (3, 6),
        "readout": (3, 6) if embedding == "untied" else None,
        "core": (latent, latent) if core else None,
        "bias": (6,) if bias else None,
    }
    mask = student.trainable(p)
    assert vars(mask) == {
        "embedding": None if embedding == "identity" else embedding in ("learned", "untied"),
        "readout": True if embedding == "untied" else None,
        "core": True if core else None,
        "bias": True if bias else None,
    }


@pytest.mark.parametrize("embedding", ["random", "learned", "untied"])
def test_columns_have_unit_norm_and_random_directions(embedding):
    p = Student(32, embedding).init_parameters(jax.random.key(1), 100)
    for W in [p.embedding, p.readout] if embedding == "untied" else [p.embedding]:
        W = dense(W)
        np.testing.assert_allclose(np.linalg.norm(W, axis=0), 1, rtol=1e-6)
        # Independent unit vectors: mean squared overlap 1/K. Its standard error over M pairs that
        # share no correlation is sqrt(2 (K - 1) / (K^2 (K + 2)) / M).
        overlaps = (W.T @ W)[np.triu_indices(100, 1)] ** 2
        error = np.sqrt(2 * 31 / (32**2 * 34) / overlaps.size)
        assert abs(overlaps.mean() - 1 / 32) < 5 * error
        # Directions have no preferred one: the mean of M unit vectors has squared norm ~ 1/M.
        assert np.linalg.norm(W.mean(axis=1)) * np.sqrt(100) < 1 + 5 / np.sqrt(2 * 32)
    if embedding == "untied":
        cross = np.sum(dense(p.embedding) * dense(p.readout), axis=0)
        assert abs(cross.mean()) < 5 / np.sqrt(32 * 100)


def test_starting_scales_are_standard_deviations():
    student = Student(32, core_scale=0.3, bias_scale=0.2, embedding_scale=0.7)
    p = student.init_parameters(jax.random.key(2), 100)
    for array, scale in ((p.core, 0.3), (p.embedding, 0.7), (p.bias, 0.2)):
        entries = dense(array)
        assert abs(entries.std() / scale - 1) < 5 / np.sqrt(2 * entries.size)
        assert abs(entries.mean()) < 5 * scale / np.sqrt(entries.size)


def test_zero_scales_start_at_exactly_zero():
    p = Student(3, core_scale=0).init_parameters(jax.random.key(3), 6)
    assert not dense(p.core).any()
    assert not dense(p.bias).any()


@pytest.mark.parametrize("embedding", ["random", "learned", "untied"])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_padded_width_holds_the_narrow_student(embedding, scale):
    key = jax.random.key(4)
    settings = {"core_scale": 0.5, "bias_scale": 0.1, "embedding_scale": scale}
    narrow = Student(5, embedding, **settings).init_parameters(key, 12)
    held = Student(5, embedding, **settings).padded(9)
    assert held is not None
    assert (held.latent, held.latent_in_use) == (9, 5)
    wide = held.init_parameters(key, 12)
    traced = jax.jit(
        lambda used: eqx.tree_at(lambda s: s.used, held, used).init_parameters(key, 12)
    )(5)
    for padded in (wide, traced):
        for name in ("embedding", "readout"):
            if getattr(narrow, name) is None:
                continue
            rows = dense(getattr(padded, name))
            np.testing.assert_allclose(rows[:5], dense(getattr(narrow, name)), rtol=1e-6)
            assert not rows[5:].any()
        core = dense(padded.core)
        np.testing.assert_allclose(core[:5, :5], dense(narrow.core), rtol=1e-6)
        assert not core[5:].any()
        assert not core[:, 5:].any()
        np.testing.assert_allclose(dense(padded.bias), dense(narrow.bias), rtol=1e-6)


def test_entries_do_not_depend_on_the_width():
    key = jax.random.key(5)
    small = Student(3, embedding_scale=1.0, core_scale=1.0).init_parameters(key, 6)
    large = Student(9, embedding_scale=1.0, core_scale=1.0).init_parameters(key, 12)
    np.testing.assert_array_equal(dense(small.embedding), dense(large.embedding)[:3, :6])
    np.testing.assert_array_equal(dense(small.core), dense(large.core)[:3, :3])


def test_arrays_of_one_start_are_independent():
    student = Student(32, "untied", embedding_scale=1.0, core_scale=1.0)
    p = student.init_parameters(jax.random.key(6), 100)
    other = student.init_parameters(jax.random.key(7), 100)
    blocks = (p.embedding, p.readout, p.core, other.embedding, other.readout, other.core)
    arrays = [dense(block)[:, :32] for block in blocks]
    correlations = np.corrcoef([array.ravel() for array in arrays])
    assert np.abs(correlations[~np.eye(6, dtype=bool)]).max() < 5 / 32


def test_the_autoencoder_is_the_gram_matrix():
    student = Student(2, "learned", core=False)
    W = jnp.array([[1.0, 0.0, -1.0], [0.0, 2.0, 0.0]])
    p = StudentParameters(embedding=W, readout=None, core=None, bias=jnp.array([0.5, 0.0, -1.0]))
    np.testing.assert_array_equal(student.linear_map(p, 3), [[1, 0, -1], [0, 4, 0], [-1, 0, 1]])
    out = student.outputs(p, jnp.array([[1.0, 1.0, 0.0]]))
    np.testing.assert_array_equal(out, [[1.5, 4.0, 0.0]])


BAD = {
    "latent zero": (lambda: Student(0), "student.latent: expected a positive integer; got 0"),
    "latent negative": (lambda: Student(-2), "student.latent: .*got -2"),
    "latent boolean": (lambda: Student(True), "student.latent: .*got True"),
    "embedding": (
        lambda: Student(4, "randon"),
        "student.embedding: expected one of .*; got 'randon'; did you mean 'random'",
    ),
    "activation": (
        lambda: Student(4, activation="Relu"),
        "activation: .*got 'Relu'; did you mean 'relu'",
    ),
    "far-off activation": (
        lambda: Student(4, activation="zzz"),
        "activation: .*; choose one of relu, identity",
    ),
    "core_scale": (
        lambda: Student(4, core_scale=-1e-3),
        "student.core_scale: expected a finite number >= 0; got -0.001",
    ),
    "bias_scale": (
        lambda: Student(4, bias_scale=float("nan")),
        "student.bias_scale: expected a finite number >= 0; got nan",
    ),
    "bias_mean": (
        lambda: Student(4, bias_mean=float("inf")),
        "student.bias_mean: expected a finite number; got inf",
    ),
    "embedding_scale": (
        lambda: Student(4, embedding_scale=0.0),
        "student.embedding_scale: expected a finite number > 0; got 0.0",
    ),
    "hidden layer of no neurons": (
        lambda: HiddenLayerStudent(0),
        "student.latent: expected a positive integer; got 0",
    ),
    "frozen hidden layer": (
        lambda: HiddenLayerStudent(4, "random"),
        "student.embedding: expected one of 'learned', 'untied'; got 'random'",
    ),
    "hidden layer of too many neurons": (
        lambda: HiddenLayerStudent(9).check_features(4),
        "student.latent: expected 1 <= K <= 2 N = 8; got 9",
    ),
    "nothing to learn": (
        lambda: Student(4, core=False, bias=False),
        "student: expected something to learn; got a frozen embedding without core and bias",
    ),
    "nothing to learn of the identity": (
        lambda: Student(4, "identity", core=False, bias=False),
        "student: expected something to learn",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case):
    assert_one_line_error(*BAD[case])


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("embedding", ["learned", "untied"])
@pytest.mark.parametrize("bias", [True, False])
def test_the_hidden_layer_equals_numpy(embedding, bias):
    student = HiddenLayerStudent(
        7, embedding, "leaky-relu", "abs", hidden_bias=bias, bias=bias, bias_scale=0.5
    )
    p = student.init_parameters(jax.random.key(0), 6)
    assert named_arrays(p).keys() <= set(student.parameter_dims)
    W = dense(p.embedding)
    V = W if embedding == "learned" else dense(p.readout)
    assert (p.readout is None) == (embedding == "learned")
    np.testing.assert_allclose(np.linalg.norm(W, axis=0), 1, rtol=1e-12)
    h, c = (dense(p.hidden_bias), dense(p.bias)) if bias else (np.zeros(7), np.zeros(6))
    x = np.random.default_rng(0).normal(size=(5, 6))
    expected = []
    for row in x:
        hidden = W @ row + h
        hidden = np.where(hidden > 0, hidden, 0.01 * hidden)
        expected.append(np.abs(V.T @ hidden + c))
    outputs = student.outputs(p, jnp.asarray(x))
    np.testing.assert_allclose(outputs, expected, rtol=1e-12, atol=1e-14)
    assert all(jax.tree.leaves(student.trainable(p)))
    assert student.padded(9) is None


def test_only_the_student_itself_is_padded():
    class Wide(Student):
        pass

    assert Wide(4).padded(6) is None
    assert Student(6, "identity").padded(8) is None


UNTYPED: dict[str, tuple[dict[str, Any], str]] = {
    "core by a word": (
        {"core": "false"},
        "student.core: expected true or false; got 'false'; write it without quotes",
    ),
    "bias by a number": ({"bias": 0}, "student.bias: expected true or false; got 0"),
    "a function for an activation": (
        {"activation": np.tanh},
        "activation: expected an activation or its name; got <ufunc 'tanh'>; write activation=",
    ),
}


@untyped
@pytest.mark.parametrize("case", UNTYPED)
def test_bad_types_are_a_one_line_error(case):
    arguments, match = UNTYPED[case]
    assert_one_line_error(lambda: Student(4, **arguments), match)


def test_students_are_exported():
    assert jaxsup.Student is Student
