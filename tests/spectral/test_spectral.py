"""`jaxsup.spectral` against identities, planted tight frames and float64 numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tight_frames import MATRICES, TIGHT, close, host, pad, polygon, rotation, simplex

from jaxsup import spectral
from jaxsup.spectral import frame
from jaxsup.spectral.frame import dimensions_per_feature, frame_potential


@jax.jit
def everything(W):
    spectrum = spectral.decompose(W)
    return {
        "spectrum": spectrum,
        "projectors": jax.vmap(spectrum.projector)(jnp.arange(len(spectrum.eigenvalues))),
        "frame_operator": frame.frame_operator(W),
        "gram_matrix": frame.gram_matrix(W),
        "squared_overlaps": frame.squared_overlaps(W),
        "frame_potential": frame_potential(W),
        "capacities": frame.capacities(W),
    }


@pytest.mark.parametrize("name", MATRICES)
def test_identities_in_float64(name, x64):
    W = MATRICES[name]
    size = np.sum(W**2) if np.any(W) else 1.0  # errors are relative to |W|_F^2
    measured = host(everything(jnp.asarray(W)))
    spectrum, F = measured["spectrum"], measured["frame_operator"]
    assert F.dtype == spectrum.measures.dtype == np.float64
    close(np.trace(F) / size, np.sum(W**2) / size)
    for product in (F, measured["gram_matrix"]):
        oracle = np.linalg.eigvalsh(product)[::-1][: min(W.shape)]
        close(spectrum.raw_eigenvalues / size, oracle / size)
    represented = spectrum.represented
    close(np.sum(spectrum.measures, axis=1), represented)
    overlaps = np.sum((W.T @ W) ** 2, axis=1)
    for sums in (measured["squared_overlaps"], np.einsum("ki,kl,li->i", W, F, W)):
        close(sums / size**2, overlaps / size**2)
    close(measured["frame_potential"] / size**2, np.sum(overlaps) / size**2)
    assert spectrum.rank == np.sum(spectrum.multiplicities)
    assert np.sum(spectrum.capacities) <= spectrum.rank + 1e-10
    assert np.all(spectrum.capacities <= 1)
    rebuilt = np.einsum("k,kij->ij", spectrum.eigenvalues, measured["projectors"])
    width = np.max(spectrum.spreads, initial=0.0) / size  # clusters stand for their mean
    np.testing.assert_allclose(rebuilt / size, F / size, atol=1e-10 + width)
    assert width < 1e-10 or name == "uneven columns"
    close(spectrum.norms, np.linalg.norm(W, axis=0))
    if name != "uneven columns":  # there the small columns are lost beside the rounding of F
        np.testing.assert_array_equal(represented, np.linalg.norm(W, axis=0) > 0)
        identity = (
            spectrum.norms[represented] ** 2
            / (spectrum.measures @ spectrum.eigenvalues)[represented]
        )
        close(spectrum.capacities[represented], identity)
        close(measured["capacities"], spectrum.capacities)
        assert spectrum.rank == (np.linalg.matrix_rank(W) if np.any(W) else 0)
    for field in jax.tree.leaves(measured):
        assert np.all(np.isfinite(field))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("name", TIGHT)
def test_tight_frames_saturate(name, scale, dtype, x64):
    """sum D_i = rank exactly when all features are localized (arXiv 2602.02224)."""
    W, count = pad(TIGHT[name][0]), TIGHT[name][1]
    tolerance = 1e-10 if dtype == "float64" else 2e-5
    spectrum = host(spectral.decompose((scale * W).astype(dtype)))
    represented = np.linalg.norm(W, axis=0) > 0
    assert spectrum.count == count
    assert spectrum.rank == np.linalg.matrix_rank(W)
    np.testing.assert_array_equal(spectrum.represented, represented)
    np.testing.assert_allclose(spectrum.saturation, 1.0, atol=tolerance)
    for score in (spectrum.localization, spectrum.entropy_localization):
        np.testing.assert_allclose(score, represented, atol=tolerance)
    np.testing.assert_allclose(spectrum.tightness, 0.0, atol=tolerance)
    np.testing.assert_allclose(spectrum.overall_tightness, 0.0, atol=tolerance)
    assert np.all(spectrum.spreads <= tolerance * spectrum.eigenvalues[0])


@pytest.mark.parametrize(
    ("W", "capacity"),
    [(np.array([[1.0, -1.0]]), 1 / 2), (polygon(5), 2 / 5), (simplex(3), 3 / 4)],
)
def test_published_capacities(W, capacity, x64):
    """Digon 1/2, pentagon 2/5, tetrahedron 3/4 (arXiv 2209.10652)."""
    close(frame.capacities(W), capacity)
    close(dimensions_per_feature(W), capacity)


@pytest.mark.parametrize("shape", [(5, 12), (12, 5)])
def test_fields_against_direct_definitions(shape, x64):
    """Every field from projectors that numpy builds eigenvalue by eigenvalue."""
    rng = np.random.default_rng(3)
    W = rng.standard_normal(shape)
    W[:, 2] = 0.0
    left, singular, _ = np.linalg.svd(W, full_matrices=False)
    lam = singular[singular > 1e-9] ** 2
    projectors = [np.outer(u, u) for u in left.T[: len(lam)]]
    squares = np.sum(W**2, axis=0)
    represented = squares > 0
    mass = np.stack([np.einsum("ki,kl,li->i", W, P, W) for P in projectors], axis=1)
    mu = mass[represented] / squares[represented, None]
    home = np.where(represented, np.argmax(mass, axis=1), -1)
    spectrum = host(spectral.decompose(W))
    close(spectrum.eigenvalues, lam)
    close(spectrum.measures[represented], mu)
    close(spectrum.localization[represented], np.sum(mu**2, axis=1))
    entropy = -np.sum(mu * np.log(mu), axis=1) / np.log(len(lam))
    close(spectrum.entropy_localization[represented], 1 - entropy)
    residuals = [
        np.linalg.norm(P @ (W[:, home == k] @ W[:, home == k].T) - lam[k] * P) / lam[k]
        for k, P in enumerate(projectors)
    ]
    close(spectrum.tightness, residuals)
    overall = np.sqrt(np.sum((lam * residuals) ** 2) / np.sum(lam**2))
    close(spectrum.overall_tightness, overall)
    for k, P in enumerate(projectors):
        close(spectrum.projector(k), P)
    assert not np.any(spectrum.projector(len(lam)))


def test_clusters_chain_and_report_their_spread(x64):
    W = np.diag(np.sqrt([1.0, 1.0 - 6e-5, 1.0 - 1.2e-4, 0.5, 0.5 - 2e-4]))
    spectrum = spectral.decompose(W)
    assert spectrum.multiplicities.tolist() == [3, 1, 1]
    np.testing.assert_allclose(spectrum.spreads, [1.2e-4, 0, 0], atol=1e-12)
    close(spectrum.eigenvalues[0], 1.0 - 6e-5)
    assert spectral.decompose(W, relative_tolerance=1e-3).multiplicities.tolist() == [3, 2]
    assert spectral.decompose(W, relative_tolerance=1e-5).count == 5
    assert spectral.decompose(W, rank_tolerance=0.7).rank == 3


@pytest.mark.parametrize("name", ["wide", "tall", "union"])
def test_basis_and_order_do_not_matter(name, x64):
    W, rng = MATRICES[name], np.random.default_rng(4)
    order = rng.permutation(W.shape[1])
    turn = rotation(rng, W.shape[0])
    plain, turned = (host(spectral.decompose(X)) for X in (W, (turn @ W)[:, order]))
    for field in ("eigenvalues", "multiplicities", "tightness", "rank", "saturation"):
        close(getattr(plain, field), getattr(turned, field))
    for field in ("measures", "capacities", "localization", "norms", "represented"):
        close(getattr(plain, field)[order], getattr(turned, field))
    for k in range(int(plain.count)):
        close(turn @ plain.projector(k) @ turn.T, turned.projector(k))


@pytest.mark.parametrize("name", [name for name in MATRICES if name != "uneven columns"])
def test_float64_certifies_float32(name):
    W = MATRICES[name]
    certificate = spectral.certify(W)
    assert certificate.agrees
    assert certificate.certified, (certificate.errors, certificate.bounds)
    assert certificate.rank == (np.linalg.matrix_rank(W) if np.any(W) else 0)
    assert certificate.margin > 1.0


def test_certify_notices_what_is_wrong():
    W = np.diag([2.0, 1.0, 1.0])
    wrong = spectral.decompose(np.diag([2.0, 1.5, 1.0]))
    certificate = spectral.certify(W, wrong)
    assert not certificate.agrees
    assert not certificate.certified
    assert certificate.errors["measures"] == np.inf
    np.testing.assert_allclose(certificate.errors["eigenvalues"], 1.25 / 4, rtol=1e-6)
    near = np.diag([1.0, 1.0, 1.0 - 4e-5])
    assert spectral.certify(near).multiplicities.tolist() == [3]
    assert spectral.certify(near, relative_tolerance=1e-5).multiplicities.tolist() == [2, 1]


@pytest.mark.parametrize("name", MATRICES)
def test_represented_is_the_rule_of_the_spectrum(name):
    W = MATRICES[name]
    expected = spectral.decompose(W).represented
    np.testing.assert_array_equal(spectral.represented(W), expected)
    loose = spectral.decompose(W, rank_tolerance=0.3).represented
    np.testing.assert_array_equal(spectral.represented(W, rank_tolerance=0.3), loose)


@pytest.mark.parametrize("library", [np, jnp])
def test_short_features_are_not_represented(library):
    W = library.asarray(np.stack([np.diag([3.0, 2.0, 1.4]), np.diag([1.0, 0.0, 5.0])]))
    flags = spectral.represented(W, shortest=0.5)
    assert flags.tolist() == [[True, True, False], [False, False, True]]
    assert isinstance(flags, np.ndarray if library is np else jax.Array)
    assert spectral.represented(W[1], shortest=0.0).tolist() == [True, False, True]
    assert not spectral.represented(0.0 * W, shortest=0.0).any()


def test_a_wide_embedding_never_meets_its_gram_matrix():
    """100,000 features: the Gram matrix would take 40 GB."""
    W = np.random.default_rng(13).standard_normal((4, 100_000)).astype(np.float32)
    spectrum = spectral.decompose(W)
    assert spectrum.rank == 4
    assert spectrum.capacities.sum() <= 4 * (1 + 1e-5)
    np.testing.assert_allclose(frame.capacities(W), spectrum.capacities, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["int32", "float16"])
def test_short_types_are_widened(dtype):
    spectrum = spectral.decompose(np.eye(3).astype(dtype))
    # Integers have no precision of their own: they take JAX's.
    expected = jnp.float32 if dtype == "float16" else jnp.result_type(float)
    assert spectrum.capacities.dtype == expected
    assert spectrum.saturation == 1.0


def test_zero_matrix_has_infinite_dimensions_per_feature():
    assert dimensions_per_feature(np.zeros((2, 3))) == np.inf
