"""`jaxsup.spectral` against identities, planted tight frames and float64 numpy."""

from functools import partial
from operator import attrgetter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsup import spectral
from jaxsup.spectral import frame

close = partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-10)


def rotation(rng, size):
    return np.linalg.qr(rng.standard_normal((size, size)))[0]


def polygon(sides):
    angles = 2 * np.pi * np.arange(sides) / sides
    return np.stack([np.cos(angles), np.sin(angles)])


def simplex(dimension):
    centered = np.eye(dimension + 1) - 1 / (dimension + 1)
    return np.linalg.svd(centered)[2][:dimension] * np.sqrt((dimension + 1) / dimension)


def harmonic(rng, dimension, count):
    """Real harmonic frame: random distinct frequencies of the cyclic group, unit columns."""
    frequencies = rng.choice(np.arange(1, (count + 1) // 2), dimension // 2, replace=False)
    angles = 2 * np.pi * frequencies[:, None] * np.arange(count)[None, :] / count
    return np.concatenate([np.cos(angles), np.sin(angles)]) * np.sqrt(2 / dimension)


def stack(*blocks):
    """Blocks in mutually orthogonal subspaces."""
    W = np.zeros([sum(b.shape[axis] for b in blocks) for axis in (0, 1)])
    row = column = 0
    for b in blocks:
        W[row : row + b.shape[0], column : column + b.shape[1]] = b
        row, column = row + b.shape[0], column + b.shape[1]
    return W


def tight_frames():
    """name -> (W, number of eigenspaces); every one saturates its rank."""
    rng = np.random.default_rng(1)
    union = stack(polygon(5), 2.0 * simplex(3), 0.5 * polygon(3), np.zeros((1, 2)), np.eye(1))
    frames = {f"{n}-gon": (polygon(n), 1) for n in (3, 4, 5, 8, 17)}
    frames |= {f"{n}-simplex": (simplex(n), 1) for n in (1, 2, 3, 7)}
    frames |= {f"harmonic {k}x{n}": (harmonic(rng, k, n), 1) for k, n in ((4, 11), (6, 16))}
    frames |= {
        "identity": (np.eye(4), 1),
        "orthogonal": (np.diag([3.0, 2.0, 2.0, 1.0]), 3),
        "digons": (stack(*[np.array([[1.0, -1.0]])] * 3), 1),
        "union": (union, 4),
        "turned union": (rotation(rng, 10) @ np.pad(union, ((0, 1), (0, 0))), 4),
        "fewer features": (np.pad(np.diag([2.0, 1.0, 1.0]), ((0, 5), (0, 0))), 2),
    }
    return frames


def pad(W, latent=10, features=17):
    """The same frame among unused dimensions and dead features: one shape, one compilation."""
    return np.pad(W, ((0, latent - W.shape[0]), (0, features - W.shape[1])))


def matrices():
    rng = np.random.default_rng(0)
    wide, tall = (4, 9), (9, 4)
    return {
        "wide": rng.standard_normal(wide),
        "tall": rng.standard_normal(tall),
        "square": rng.standard_normal((6, 6)),
        "one row": rng.standard_normal((1, 5)),
        "one column": rng.standard_normal((5, 1)),
        "deficient wide": rng.standard_normal((4, 2)) @ rng.standard_normal((2, 9)),
        "deficient tall": rng.standard_normal((9, 2)) @ rng.standard_normal((2, 4)),
        "zero wide": np.zeros(wide),
        "zero tall": np.zeros(tall),
        "dead columns": rng.standard_normal(wide) * (np.arange(9) % 3 > 0),
        "repeated": np.repeat(rng.standard_normal((4, 3)), 3, axis=1),
        "tiny": 1e-6 * rng.standard_normal(wide),
        "huge": 1e6 * rng.standard_normal(tall),
        "uneven columns": rng.standard_normal(wide) * np.logspace(-6, 6, 9),
        "pentagon": pad(polygon(5), *wide),
        "union": pad(tight_frames()["union"][0]),
    }


MATRICES, TIGHT = matrices(), tight_frames()


@jax.jit
def everything(W):
    spectrum = spectral.decompose(W)
    return {
        "spectrum": spectrum,
        "projectors": jax.vmap(spectrum.projector)(jnp.arange(len(spectrum.eigenvalues))),
        "frame_operator": frame.frame_operator(W),
        "gram_matrix": frame.gram_matrix(W),
        "squared_overlaps": frame.squared_overlaps(W),
        "frame_potential": spectral.frame_potential(W),
        "capacities": spectral.capacities(W),
    }


def host(tree):
    return jax.tree.map(np.asarray, tree)


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
    close(spectral.capacities(W), capacity)
    close(spectral.dimensions_per_feature(W), capacity)


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


def test_a_diverged_replica_stays_alone():
    Ws = np.stack([polygon(5), polygon(5), polygon(5)]).astype(np.float32)
    Ws[0, 0, 0], Ws[2, 1, 1] = np.nan, np.inf
    batch = spectral.decompose_batch(Ws)
    for i in (0, 2):
        assert np.isnan(batch.saturation[i])
        assert np.all(np.isnan(batch.capacities[i]))
        assert batch.rank[i] == 0
    same(batch[1].trim(), spectral.decompose(Ws[1]))


def observed(W):
    """Every differentiable observable, as one vector."""
    spectrum = spectral.decompose(W)
    return jnp.stack(
        [
            spectral.frame_potential(W),
            jnp.sum(spectral.capacities(W) ** 2),
            jnp.sum(frame.squared_overlaps(W) ** 2),
            spectral.dimensions_per_feature(W),
            jnp.sum(frame.feature_norms(W)),
            spectral.coherence(W),
            spectrum.saturation,
            jnp.sum(spectrum.localization),
            jnp.sum(spectrum.entropy_localization),
            jnp.sum(spectrum.eigenvalues**2),
            jnp.sum(spectrum.tightness),
            spectrum.overall_tightness,
            jnp.sum(spectrum.projector(0) ** 3),
        ]
    )


def test_gradients_are_finite_at_degeneracy():
    """A NaN in any of them, and at any replica, would make the sum's gradient NaN."""
    gradient = jax.jit(jax.vmap(jax.grad(lambda W: jnp.sum(observed(W)))))
    frames = jnp.asarray(np.stack([pad(W) for W, _ in TIGHT.values()]))
    tall = jnp.asarray(np.stack([pad(np.eye(2), 5, 3), pad(polygon(3), 5, 3)]))
    for Ws in (frames, tall):
        finite = np.all(np.isfinite(gradient(Ws)), axis=(1, 2))
        assert np.all(finite), np.flatnonzero(~finite)


@pytest.mark.parametrize("shape", [(4, 9), (9, 4)])
def test_gradients_match_differences(shape, x64):
    """Central differences at a generic matrix, where every observable is smooth."""
    rng = np.random.default_rng(6)
    W, step = rng.standard_normal(shape), rng.standard_normal(shape)
    f = jax.jit(observed)
    difference = (f(W + 1e-6 * step) - f(W - 1e-6 * step)) / 2e-6
    slope = jax.jit(lambda W, step: jax.jvp(observed, (W,), (step,))[1])(W, step)
    np.testing.assert_allclose(slope, difference, rtol=1e-6, atol=1e-6)
    total = jax.jit(jax.grad(lambda W: jnp.sum(observed(W))))(W)
    close(np.sum(total * step), np.sum(slope))


def test_projector_and_measures_move_with_a_degenerate_eigenspace(x64):
    """Perturb a union of tight frames so that each eigenspace turns but stays degenerate."""
    W = jnp.asarray(MATRICES["union"])
    skew = np.random.default_rng(7).standard_normal((W.shape[0],) * 2)
    skew = jnp.asarray(skew - skew.T)
    weights = jnp.asarray(np.random.default_rng(8).standard_normal(skew.shape))

    @jax.jit
    def turning(W):
        spectrum = spectral.decompose(W)
        P = spectrum.projector(1)
        return P, jnp.sum(weights * P), jnp.sum(spectrum.localization)

    (P, _, _), (_, slope, drift) = jax.jvp(turning, (W,), (skew @ W,))  # dP = [skew, P]
    close(slope, np.sum(weights * (skew @ P - P @ skew)))
    close(drift, 0.0)


def test_second_derivatives(x64):
    W = jnp.asarray(np.random.default_rng(9).standard_normal((3, 5)))
    slope = jax.jit(jax.grad(lambda W: jnp.sum(spectral.decompose(W).localization)))
    step = jnp.asarray(np.random.default_rng(10).standard_normal(W.shape))
    bend = jax.jvp(slope, (W,), (step,))[1]
    difference = (slope(W + 1e-6 * step) - slope(W - 1e-6 * step)) / 2e-6
    np.testing.assert_allclose(bend, difference, rtol=1e-5, atol=1e-6)


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
    np.testing.assert_allclose(spectral.capacities(W), spectrum.capacities, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["int32", "float16"])
def test_short_types_are_widened(dtype):
    spectrum = spectral.decompose(np.eye(3).astype(dtype))
    assert spectrum.capacities.dtype == jnp.float32
    assert spectrum.saturation == 1.0


def test_zero_matrix_has_infinite_dimensions_per_feature():
    assert spectral.dimensions_per_feature(np.zeros((2, 3))) == np.inf
