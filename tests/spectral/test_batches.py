"""Spectra under jit and vmap, in batches, and of single diverged replicas."""

from operator import attrgetter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_one_line_error
from tight_frames import MATRICES, host, polygon

from jaxsup import spectral
from jaxsup.spectral.measures import binned_entropies, linear_law, summarize_measures


def same(spectrum, other, tolerance=1e-5):
    """All fields agree, eigenvectors through the projectors that they span."""
    spectrum, other = host(spectrum), host(other)
    for field in set(spectrum.__dataclass_fields__) - {"basis"}:
        np.testing.assert_allclose(
            getattr(spectrum, field), getattr(other, field), rtol=tolerance, atol=tolerance
        )
    for k in range(int(spectrum.count)):
        bases = (s.basis[:, s.labels == k] for s in (spectrum, other))
        P, Q = (basis @ basis.T for basis in bases)
        np.testing.assert_allclose(P, Q, atol=10 * tolerance)


@pytest.mark.parametrize("name", ["wide", "tall", "deficient tall", "zero wide"])
def test_jit_equals_eager(name):
    W = jnp.asarray(MATRICES[name])
    padded = jax.jit(spectral.decompose)(W)
    assert padded.eigenvalues.shape == (min(W.shape),)
    assert not np.any(padded.measures[:, int(padded.count) :])
    same(padded.trim(), spectral.decompose(W))


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "chunks"), [((4, 9), (1, 3, 64)), ((9, 4), (3,))])
def test_vmap_equals_loop_and_chunks_equal_whole(shape, chunks):
    rng = np.random.default_rng(5)
    Ws = rng.standard_normal((7, *shape)).astype(np.float32)
    Ws[2] = 0.0
    Ws[3, :, 1:] = 0.0
    alone = [spectral.decompose(W) for W in Ws]
    mapped = host(jax.vmap(spectral.decompose)(jnp.asarray(Ws)))
    batch = mapped
    for chunk in chunks:
        batch = host(spectral.decompose_batch(Ws, chunk=chunk))
        for i, single in enumerate(alone):
            same(batch[i].trim(), single)
            same(mapped[i].trim(), single)
    assert batch.trim().measures.shape == (7, shape[1], 4)
    assert batch[2:4].trim().measures.shape == (2, shape[1], 1)


@pytest.mark.slow
def test_shares_of_cores_equal_the_whole(x64, monkeypatch):
    """In float64, which worker threads must not lose; the last of three shares overlaps."""
    Ws = np.random.default_rng(6).standard_normal((19, 4, 9))
    whole = host(jax.jit(lambda Ws: spectral.decompose_batch(Ws, chunk=3))(jnp.asarray(Ws)))
    monkeypatch.setattr("jaxsup.spectral.batch.available_cores", lambda: 3)
    shared = spectral.decompose_batch(Ws, chunk=3)
    assert shared.measures.dtype == np.float64
    for i in range(19):
        same(host(shared)[i].trim(), whole[i].trim(), 1e-12)


def test_a_summary_is_mapped_inside_jit():
    Ws = jnp.asarray(np.random.default_rng(5).standard_normal((3, 4, 9)), jnp.float32)
    saturations = jax.jit(
        lambda Ws: spectral.decompose_batch(Ws, chunk=2, summary=attrgetter("saturation"))
    )(Ws)
    np.testing.assert_allclose(
        saturations, [spectral.decompose(W).saturation for W in Ws], rtol=1e-5
    )


def test_a_constant_inside_jit_is_padded():
    W = MATRICES["pentagon"]
    eigenvalues = jax.jit(lambda: spectral.decompose(W).eigenvalues)()
    np.testing.assert_allclose(eigenvalues, [2.5, 0.0, 0.0, 0.0], rtol=1e-6)


def test_one_compilation_serves_all_values():
    traces = []

    @jax.jit
    def measured(W, tolerance):
        traces.append(1)
        return spectral.decompose(W, relative_tolerance=tolerance).count

    W = jnp.asarray(np.diag([1.0, 0.99, 0.5]), jnp.float32)
    assert [int(measured(s * W, t)) for s in (1.0, 2.0) for t in (1e-3, 0.1)] == [3, 2, 3, 2]
    assert len(traces) == 1


@pytest.mark.slow
def test_a_spectrum_in_float64_keeps_it_where_float64_is_not_the_default(x32):
    rng = np.random.default_rng(0)
    W = rng.normal(size=(6, 3)) @ rng.normal(size=(3, 10))
    with jax.enable_x64(True):
        batch = spectral.decompose_batch(np.stack([W, W]))
        expected = binned_entropies(W, batch[0])
    trimmed = batch[0].trim()
    assert trimmed.eigenvalues.shape == (3,)
    leaves = [x for x in jax.tree.leaves(trimmed) if jnp.issubdtype(x.dtype, jnp.floating)]
    assert {str(x.dtype) for x in leaves} == {"float64"}
    assert trimmed.multiplicities.dtype == batch.multiplicities.dtype
    certificate = spectral.certify(W, batch[0])
    assert certificate.certified
    assert max(certificate.errors.values()) < 1e-12
    for spectrum in (batch[0], trimmed):
        np.testing.assert_allclose(binned_entropies(W, spectrum), expected, rtol=1e-13)
        summary = summarize_measures(jnp.asarray(W), spectrum)
        assert {str(x.dtype) for x in summary} == {"float64"}


def test_a_diverged_replica_stays_alone():
    Ws = np.stack([polygon(5), polygon(5), polygon(5)]).astype(np.float32)
    Ws[0, 0, 0], Ws[2, 1, 1] = np.nan, np.inf
    batch = spectral.decompose_batch(Ws)
    for i in (0, 2):
        assert np.isnan(batch.saturation[i])
        assert np.all(np.isnan(batch.capacities[i]))
        assert batch.rank[i] == 0
    same(batch[1].trim(), spectral.decompose(Ws[1]))


def test_a_batch_ends_after_its_last_replica():
    batch = spectral.decompose_batch(np.stack([polygon(5), 2 * polygon(5)]).astype(np.float32))
    assert [round(float(one.raw_eigenvalues[0]), 2) for one in batch] == [2.5, 10.0]
    with pytest.raises(IndexError, match="index 2 is out of bounds for axis 0 with size 2"):
        batch[2]
    one = jax.jit(lambda index: batch[index].raw_eigenvalues)(1)
    np.testing.assert_allclose(one, batch[1].raw_eigenvalues)


@pytest.mark.parametrize("shape", [(4, 12), (12, 4)])
def test_what_follows_from_a_batch_is_what_follows_from_each_replica(shape):
    Ws = np.random.default_rng(8).standard_normal((12, *shape))
    Ws[5] = 0.0
    batch = spectral.decompose_batch(Ws)
    for name in ("slack", "largest_projections", "entropies", "homes", "latent_saturation"):
        each = np.stack([np.asarray(getattr(batch[i], name)) for i in range(12)])
        np.testing.assert_allclose(getattr(batch, name), each, rtol=1e-6, atol=1e-7)
    projectors = np.stack([np.asarray(batch[i].projector(1)) for i in range(12)])
    np.testing.assert_allclose(batch.projector(1), projectors, atol=1e-6)


def test_lines_are_those_of_one_matrix():
    batch = spectral.decompose_batch(np.ones((3, 2, 12)))
    message = "spectrum: expected that of one matrix; got those of a batch of 3; take one"
    assert_one_line_error(lambda: linear_law(batch), message)
