"""What the spectral functions refuse, each in one line that names the argument."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_one_line_error, untyped

from jaxsup import spectral
from jaxsup.spectral import frame, overlap
from jaxsup.spectral.frame import dimensions_per_feature, frame_potential
from jaxsup.spectral.measures import binned_entropies
from jaxsup.spectral.nulls import sample_null
from jaxsup.spectral.overlap import welch_bound

ONE_NAN = np.array([[1.0, np.nan]])
MASKED = np.ma.masked_array([[1.0, 2.0]], [[False, True]])
BAD = {
    "vector": (
        lambda: spectral.decompose(np.ones(3)),
        r"W: expected a non-empty \[latent, features\] array; got shape \(3,\); give one matrix to",
    ),
    "stack": (
        lambda: frame.capacities(np.ones((2, 3, 4))),
        "a stack of them to decompose_batch",
    ),
    "empty": (lambda: frame.frame_operator(np.ones((0, 4))), r"W: .*; got shape \(0, 4\); give"),
    "gram": (lambda: frame.gram_matrix(np.ones(4)), r"W: .*; got shape \(4,\); give"),
    "norms": (lambda: frame.feature_norms(np.ones(4)), r"W: .*; got shape \(4,\); give"),
    "overlaps": (lambda: frame.squared_overlaps(ONE_NAN), "W: .*; got NaN"),
    "potential": (lambda: frame_potential(ONE_NAN), "W: .*; got NaN"),
    "dimensions": (lambda: dimensions_per_feature(ONE_NAN), "W: .*; got NaN"),
    "matrix as batch": (
        lambda: spectral.decompose_batch(np.ones((3, 4))),
        r"Ws: expected a non-empty \[replicas, latent, features\] array; got shape \(3, 4\); give",
    ),
    "nan": (
        lambda: spectral.decompose(ONE_NAN),
        "W: expected finite numbers; got NaN or infinity in float.*; leave out runs that diverged",
    ),
    "infinity": (lambda: overlap.coherence(np.array([[1.0, np.inf]])), "got NaN or infinity"),
    "complex": (
        lambda: spectral.decompose(np.ones((2, 2)) * 1j),
        "W: expected real numbers; got dtype complex128; stack real and",
    ),
    "complex stack": (
        lambda: spectral.decompose_batch(np.ones((1, 2, 2)) * 1j),
        "Ws: expected real numbers; .* stack real and imaginary parts along the latent axis",
    ),
    "complex, certified": (
        lambda: spectral.certify(np.eye(2) * 1j, spectral.decompose(np.eye(2))),
        "W: expected real numbers; .* stack real and imaginary parts along the latent axis",
    ),
    "mask, certified": (
        lambda: spectral.certify(MASKED, spectral.decompose(np.ones((1, 2)))),
        "W: .* without a mask",
    ),
    "booleans": (
        lambda: spectral.decompose_batch(np.ones((1, 2, 2), bool)),
        "Ws: expected real numbers; got dtype bool; convert it to floating-point numbers",
    ),
    "tolerance": (
        lambda: spectral.decompose(np.eye(2), relative_tolerance=-1.0),
        r"relative_tolerance: expected a number in \[0, 1\); got -1.0; give a relative size, say",
    ),
    "batch tolerance": (
        lambda: spectral.decompose_batch(np.ones((1, 2, 2)), rank_tolerance=1.0),
        r"rank_tolerance: expected a number in \[0, 1\); got 1.0; give",
    ),
    "rank": (
        lambda: spectral.certify(np.eye(2), rank_tolerance=1.5),
        r"rank_tolerance: expected a number in \[0, 1\); got 1.5; give",
    ),
    "certified": (lambda: spectral.certify(ONE_NAN), "W: .*; got NaN"),
    "chunk": (
        lambda: spectral.decompose_batch(np.ones((1, 2, 2)), chunk=0),
        "chunk: expected a positive integer; got 0; give the number of matrices to decompose",
    ),
    "block": (
        lambda: overlap.coherence(np.eye(2), block=0),
        "block: expected a positive integer; got 0; give the number of features on a side",
    ),
    "bound": (
        lambda: welch_bound(0, 2),
        r"features: expected a positive integer; got 0; give W.shape\[1\]",
    ),
    "latent bound": (
        lambda: welch_bound(2, 0),
        r"latent: expected a positive integer; got 0; give W.shape\[0\]",
    ),
    "foreign spectrum": (
        lambda: spectral.certify(np.eye(2), spectral.decompose(np.eye(3))),
        r"spectrum: expected that of W; got one of shape \(3, 3\) for W of \(2, 2\); give",
    ),
    "spectrum of another latent size": (
        lambda: spectral.certify(np.ones((2, 5)), spectral.decompose(np.ones((3, 5)))),
        r"spectrum: expected that of W; got one of shape \(3, 5\) for W of \(2, 5\); give",
    ),
    "spectrum of more rows than one": (
        lambda: spectral.certify(np.ones((1, 5)), spectral.decompose(np.ones((3, 5)))),
        r"spectrum: expected that of W; got one of shape \(3, 5\) for W of \(1, 5\); give",
    ),
    "spectra of a batch": (
        lambda: binned_entropies(np.eye(3), spectral.decompose_batch(np.ones((3, 2, 3)))),
        r"spectrum: expected that of W; got one of shape \(3, 2, 3\) for W of \(3, 3\); give",
    ),
    "tolerance of JAX's": (
        lambda: spectral.decompose(np.eye(2), relative_tolerance=jnp.float32(-2)),
        r"relative_tolerance: expected a number in \[0, 1\); got Array\(-2.*; give a relative size",
    ),
    "tolerance of nothing": (
        lambda: spectral.decompose(np.eye(2), rank_tolerance=jnp.float32(np.nan)),
        r"rank_tolerance: expected a number in \[0, 1\); got Array\(nan.*; give a relative size",
    ),
    "shortest": (
        lambda: spectral.represented(np.eye(2), shortest=1.0),
        r"shortest: expected a number in \[0, 1\); got 1.0; give",
    ),
    "two rules": (
        lambda: spectral.represented(np.eye(2), shortest=0.1, rank_tolerance=0.1),
        "rank_tolerance: expected None beside `shortest`; got 0.1; leave one of the two out",
    ),
    "represented vector": (
        lambda: spectral.represented(np.ones(2), shortest=0.1),
        r"W: expected a non-empty \[latent, features\] array; got shape \(2,\); give features as",
    ),
    "mask": (
        lambda: spectral.decompose(MASKED),
        "W: expected numbers without a mask; got 1 masked ones; leave out their features, or fill",
    ),
    "mask of a stack": (lambda: spectral.decompose_batch(MASKED[None]), "Ws: .* without a mask"),
    "mask of norms": (lambda: spectral.represented(MASKED, shortest=0.1), "W: .* without a mask"),
    "norms nan": (lambda: spectral.represented(ONE_NAN, shortest=0.1), "W: .*; got NaN or inf"),
    "norms infinity": (
        lambda: spectral.represented(jnp.array([[1.0, np.inf]]), shortest=0.1),
        "W: expected finite numbers; got NaN or infinity",
    ),
    "complex norms": (
        lambda: spectral.represented(np.eye(2) * 1j, shortest=0.1),
        "W: expected real numbers; got dtype complex128; stack real and",
    ),
    "boolean norms": (
        lambda: spectral.represented(np.eye(2, dtype=bool), shortest=0.1),
        "W: expected real numbers; got dtype bool; convert it",
    ),
    "represented nan": (lambda: spectral.represented(ONE_NAN), "W: .*; got NaN"),
    "cosine of nan": (lambda: overlap.mean_squared_cosine(ONE_NAN), "W: .*; got NaN"),
    "one boolean": (
        lambda: overlap.mean_squared_cosine(np.eye(2), np.array([True])),
        r"represented: expected booleans of shape \(2,\); got shape \(1,\) of bool; give one for",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    call, message = BAD[name]
    assert_one_line_error(call, message)


@untyped
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: spectral.decompose(np.eye(2), relative_tolerance=x), "relative_tolerance"),
        (lambda x: spectral.decompose_batch(np.ones((1, 2, 2)), rank_tolerance=x), "rank_toler"),
        (lambda x: spectral.certify(np.eye(2), rank_tolerance=x), "rank_tolerance"),
        (lambda x: spectral.represented(np.eye(2), shortest=x), "shortest"),
        (lambda x: sample_null(jax.random.key(0), np.eye(2), rank_tolerance=x), "rank_tolerance"),
    ],
)
@pytest.mark.parametrize("value", [np.float32(3), np.array(-1.0), np.array([0.1]), "0.1", True])
def test_tolerances_of_every_type_are_checked(call, name, value):
    assert_one_line_error(lambda: call(value), rf"{name}.*: expected a number in \[0, 1\); got ")


def test_traced_tolerances_and_those_of_jax_are_taken():
    for tolerance in (0.1, jnp.float32(0.1)):
        spectrum = spectral.decompose(np.diag([1.0, 0.99]), relative_tolerance=tolerance)
        assert int(spectrum.count) == 1
    counted = jax.jit(lambda x: spectral.decompose(np.eye(2), relative_tolerance=x).count)
    assert int(counted(jnp.float32(0.1))) == 1


def test_large_integers_are_not_cut_to_32_bits():
    spectrum = spectral.decompose(np.diag([2**33, 2**32]))
    np.testing.assert_allclose(spectrum.eigenvalues, [2.0**66, 2.0**64], rtol=1e-6)


def test_a_mask_that_hides_nothing_is_no_mask():
    assert int(spectral.decompose(np.ma.masked_array(np.eye(3))).rank) == 3


@untyped
@pytest.mark.parametrize("key", [0, np.zeros(2, np.uint32), jax.random.split(jax.random.key(0))])
def test_nulls_are_drawn_by_one_typed_key(key):
    message = "key: expected (a typed|one) key; got "
    assert_one_line_error(lambda: sample_null(key, np.eye(3)), message)


@untyped
@pytest.mark.parametrize("ragged", [[[1.0, 2.0], [3.0]], [np.ones((2, 3)), np.ones((2, 4))]])
@pytest.mark.parametrize(
    "call", [spectral.decompose, spectral.represented, spectral.decompose_batch]
)
def test_rows_of_several_lengths_are_no_array(call, ragged):
    message = "Ws?: expected an array of numbers; got list that is none; give rows of one length"
    assert_one_line_error(lambda: call(ragged), message)
