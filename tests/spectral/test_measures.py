"""Leverage, slack, moments, entropies and the linear law against float64 numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_one_line_error
from tight_frames import (
    MATRICES,
    TIGHT,
    close,
    host,
    pad,
    polygon,
    rotation,
    stack,
    uneven_tight_frame,
)

from jaxsup import spectral
from jaxsup.spectral.measures import binned_entropies, linear_law, summarize_measures

FRAMES = {**MATRICES, **{name: pad(W) for name, (W, _) in TIGHT.items()}}
# There, the short columns are lost beside the rounding of F.
EVEN = [name for name in FRAMES if name != "uneven columns"]


SINGULAR = {
    "leverages": "leverage",
    "slack": "slack",
    "mean_eigenvalues": "mean_eigenvalue",
    "eigenvalue_spreads": "eigenvalue_spread",
    "largest_projections": "largest_projection",
    "entropies": "entropy",
    "binned": "binned_entropy",
}
EACH = (*SINGULAR, "eigenvalue_deviations")


def entropy(shares):
    """In nats, by rows."""
    return -np.sum(shares * np.log(np.where(shares > 0, shares, 1.0)), axis=1)


def reference(W, bins=20):
    """Every quantity from eigenvectors and the pseudo-inverse, for columns that are not zero."""
    values, vectors = np.linalg.eigh(W @ W.T)
    values, vectors = values[::-1], vectors[:, ::-1]
    rank = int(np.sum(values > 1e-12 * values[0]))  # float32's rounding of W is no direction
    values, vectors = values[:rank], vectors[:, :rank]
    alive = np.linalg.norm(W, axis=0) > 0
    W = W[:, alive]
    shares = (vectors.T @ W).T ** 2 / np.sum(W**2, axis=0)[:, None]
    kappa = shares @ values
    deviation = np.sqrt(np.sum(shares * (values - kappa[:, None]) ** 2, axis=1))
    cuts = np.flatnonzero(values[:-1] - values[1:] > 1e-4 * values[:1]) + 1
    groups = np.split(np.arange(rank), cuts) if rank else []
    measures = np.stack([shares[:, g].sum(1) for g in groups], 1) if rank else shares
    leverage = np.diag(np.linalg.pinv(W, rcond=1e-6) @ W)
    capacity = np.sum(W**2, axis=0) / kappa
    top = values.max(initial=0.0)
    places = [min(int(values[g].mean() / top * bins - 1e-3), bins - 1) for g in groups]
    binned = np.zeros((W.shape[1], bins))
    for k, place in enumerate(places):
        binned[:, place] += measures[:, k]
    return {
        "alive": alive,
        "leverages": leverage,
        "capacities": capacity,
        "slack": 1 - capacity / leverage,
        "mean_eigenvalues": kappa,
        "eigenvalue_deviations": deviation,
        "eigenvalue_spreads": deviation / kappa,
        "largest_projections": measures.max(1, initial=0.0),
        "entropies": entropy(measures),
        "binned": entropy(binned),
        "measures": measures,
        "rank": rank,
        "top": top or 1.0,
        "condition": top / values.min(initial=top) if rank else 1.0,
    }


def measured(W):
    """All that a spectrum says beyond its fields."""
    spectrum = spectral.decompose(W)
    law = linear_law(spectrum, fewest=3)
    return {
        "represented": spectrum.represented,
        "leverages": spectrum.leverages,
        "slack": spectrum.slack,
        "mean_eigenvalues": spectrum.mean_eigenvalues,
        "eigenvalue_deviations": spectrum.eigenvalue_deviations,
        "eigenvalue_spreads": spectrum.eigenvalue_spreads,
        "largest_projections": spectrum.largest_projections,
        "entropies": spectrum.entropies,
        "binned": binned_entropies(W, spectrum),
        "capacities": spectrum.capacities,
        "saturation": spectrum.saturation,
        "latent_saturation": spectrum.latent_saturation,
        "rank": spectrum.rank,
        "homes": jnp.where(spectrum.represented, spectrum.homes, -1),
        "law": (*law, law.scaled_slopes),
        "summary": summarize_measures(W, spectrum),
    }


compiled = jax.jit(measured)


def assert_same(W, dtype, tolerance):
    expected = reference(W.astype(dtype).astype(np.float64))
    found = host(compiled(jnp.asarray(W, dtype)))
    alive = expected["alive"]
    np.testing.assert_array_equal(found["represented"], alive)
    for name in EACH:
        unit = expected["top"] if name in ("mean_eigenvalues", "eigenvalue_deviations") else 1.0
        values = found[name] / unit
        assert found[name].dtype == dtype
        close_by = {"rtol": 0, "atol": tolerance, "err_msg": name}
        np.testing.assert_allclose(values[alive], expected[name] / unit, **close_by)
        np.testing.assert_array_equal(values[~alive], 0, err_msg=name)
        mean = found["summary"]._asdict().get(SINGULAR.get(name, ""))
        if mean is not None and alive.any():
            np.testing.assert_allclose(mean / unit, np.mean(expected[name] / unit), **close_by)
    homes = found["homes"]
    np.testing.assert_array_equal(homes[~alive], -1)
    if expected["rank"]:
        chosen = expected["measures"][np.arange(alive.sum()), homes[alive]]
        np.testing.assert_allclose(chosen, expected["largest_projections"], atol=tolerance)
    total = expected["capacities"].sum()
    np.testing.assert_allclose(found["latent_saturation"], total / len(W), atol=tolerance)
    over_rank = total / max(expected["rank"], 1)
    np.testing.assert_allclose(found["saturation"], over_rank, atol=tolerance)


@pytest.mark.parametrize("name", EVEN)
def test_every_quantity_in_float64(name, x64):
    assert_same(FRAMES[name], np.float64, 1e-9)


@pytest.mark.parametrize("name", EVEN)
def test_every_quantity_in_float32(name):
    """Small eigenvalues are known to about 16 epsilons of the largest one."""
    W = FRAMES[name]
    condition = reference(W)["condition"]
    assert_same(W, np.float32, 16 * np.finfo(np.float32).eps * max(condition, 20))


@pytest.mark.parametrize("name", FRAMES)
def test_leverages_add_up_to_the_rank_and_bound_capacities(name, x64):
    found = host(compiled(jnp.asarray(FRAMES[name])))
    close(found["leverages"].sum(), found["rank"])
    assert np.all(found["leverages"] <= 1 + 1e-10)
    if name in EVEN:
        assert np.all(found["capacities"] <= found["leverages"] + 1e-10)
    assert np.all((found["slack"] >= 0) & (found["slack"] < 1))
    close(found["slack"][found["eigenvalue_spreads"] < 1e-6], 0.0)


@pytest.mark.parametrize("name", TIGHT)
def test_localized_features_have_no_slack_no_spread_and_no_entropy(name, x64):
    found = host(compiled(jnp.asarray(pad(TIGHT[name][0]))))
    for nothing in ("slack", "eigenvalue_spreads", "entropies", "binned"):
        close(found[nothing], 0.0)
    close(found["largest_projections"], found["represented"])
    close(found["leverages"], found["capacities"])


@pytest.mark.parametrize("turned", [False, True], ids=["tall", "wide"])
@pytest.mark.parametrize("rank", [1, 2])
def test_the_spread_of_localized_features_is_rounding_whatever_the_shape(rank, turned):
    rng = np.random.default_rng(rank)
    basis = np.linalg.qr(rng.normal(size=(90, rank)))[0]
    other = np.linalg.qr(rng.normal(size=(30, rank)))[0]
    W = (basis @ other.T).astype(np.float32)
    found = host(compiled(jnp.asarray(W.T if turned else W)))
    assert found["eigenvalue_spreads"].max() < 32 * np.finfo(np.float32).eps


def test_a_bin_holds_an_eigenspace_and_a_wide_chain_is_spread(x64):
    """Eigenvalues 1 and 0.99 share the last of 20 bins; a chain over half of them does not."""
    W = np.diag(np.sqrt([1.0, 0.99, 0.3])) @ rotation(np.random.default_rng(0), 3)
    spectrum = spectral.decompose(W)
    mu = np.asarray(spectrum.measures)
    together = entropy(np.stack([mu[:, 0] + mu[:, 1], mu[:, 2]], 1))
    close(binned_entropies(W, spectrum), together)
    close(spectrum.entropies, entropy(mu))
    close(binned_entropies(W, spectrum, bins=1), 0.0)
    chain = spectral.decompose(W, relative_tolerance=0.7)
    assert chain.count == 1
    close(chain.entropies, 0.0)
    close(binned_entropies(W, chain), together)


def expected_lines(spectrum, fewest):
    """Slope, intercept and R^2 by numpy's polynomial fit inside each eigenspace."""
    homes, x, y = (np.asarray(v) for v in (spectrum.homes, spectrum.norms**2, spectrum.capacities))
    for k in range(int(spectrum.count)):
        inside = homes == k
        if inside.sum() < fewest:
            yield inside.sum(), np.nan, np.nan, np.nan
            continue
        slope, intercept = np.polyfit(x[inside], y[inside], 1)
        rest = y[inside] - slope * x[inside] - intercept
        yield inside.sum(), slope, intercept, 1 - rest.var() / y[inside].var()


@pytest.mark.parametrize(("shape", "fewest"), [((3, 60), 10), ((3, 60), 20), ((60, 40), 3)])
def test_lines_are_those_of_polyfit(shape, fewest, x64):
    W = 1e3 * np.random.default_rng(2).standard_normal(shape)
    W[:, 5] = 0.0
    spectrum = spectral.decompose(W)
    law = linear_law(spectrum, fewest=fewest)
    counts, *lines = zip(*expected_lines(spectrum, fewest), strict=True)
    np.testing.assert_array_equal(law.features, counts)
    assert np.isnan(law.slopes).any() or shape == (3, 60)
    assert np.isfinite(law.slopes).any()
    for name, values in zip(("slopes", "intercepts", "r_squared"), lines, strict=True):
        np.testing.assert_allclose(getattr(law, name), values, rtol=1e-8, err_msg=name)
    np.testing.assert_array_equal(law.eigenvalues, spectrum.eigenvalues)


def union_of_uneven_frames():
    """Two tight frames of uneven norms, one of equal norms and one of few features."""
    return stack(
        uneven_tight_frame(3, 14, 4.0, 0),
        np.sqrt(2 / 12) * polygon(12),
        uneven_tight_frame(4, 20, 0.25, 1),
        uneven_tight_frame(2, 6, 0.1, 2),
        np.zeros((1, 2)),
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tight_frames_of_uneven_norms_obey_the_law(dtype, x64):
    W = (1e3 * union_of_uneven_frames()).astype(dtype)
    law = linear_law(spectral.decompose(W))
    tolerance = 1e-9 if dtype == "float64" else 1e-4
    assert law.features.tolist() == [14, 12, 20, 6]
    np.testing.assert_allclose(law.scaled_slopes, [1, np.nan, 1, np.nan], rtol=tolerance)
    np.testing.assert_allclose(law.r_squared, [1, np.nan, 1, np.nan], rtol=tolerance)
    np.testing.assert_allclose(law.intercepts, [0, np.nan, 0, np.nan], atol=tolerance)
    summary = summarize_measures(jnp.asarray(W), spectral.decompose(W))
    assert (summary.lines, summary.rank) == (2, 11)
    np.testing.assert_allclose(summary.linear_law, 1, rtol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(5, 24), (24, 5)])
def test_padded_equals_trimmed_and_vmapped_equals_looped(shape, x64):
    rng = np.random.default_rng(3)
    Ws = rng.standard_normal((4, *shape))
    Ws[1] = 0.0
    Ws[2, :, 3:] = 0.0
    Ws[3] = rng.standard_normal((shape[0], 2)) @ rng.standard_normal((2, shape[1]))
    mapped = host(jax.jit(jax.vmap(measured))(jnp.asarray(Ws)))
    for i, W in enumerate(Ws):
        alone = host(measured(jnp.asarray(W)))  # without padding
        kept = len(alone["law"][0])
        for name in alone:
            single, row = jax.tree.leaves(alone[name]), jax.tree.leaves(mapped[name])
            for a, b in zip(single, row, strict=True):
                b = b[i][:kept] if name == "law" else b[i]
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_zero_matrix_has_no_measure():
    W = jnp.zeros((3, 4))
    summary = summarize_measures(W, spectral.decompose(W))
    assert (summary.rank, summary.saturation, summary.latent_saturation, summary.lines) == (0,) * 4
    assert np.isnan([summary.slack, summary.leverage, summary.linear_law, summary.r_squared]).all()
    spectrum = spectral.decompose(W)
    assert spectrum.homes.tolist() == [0] * 4
    np.testing.assert_array_equal(binned_entropies(W, spectrum), np.zeros(4))


def test_a_diverged_matrix_is_nan_and_not_perfect():
    Ws = np.stack([polygon(5), polygon(5)]).astype(np.float32)
    Ws[1, 0, 0] = np.nan
    found = host(jax.jit(jax.vmap(measured))(jnp.asarray(Ws)))
    for name in (*EACH, "latent_saturation"):
        assert np.isfinite(found[name][0]).all(), name
        assert np.isnan(found[name][1]).all(), name


def test_what_is_refused():
    pentagon = spectral.decompose(polygon(5))
    for call, words in (
        (lambda: binned_entropies(polygon(5), pentagon, bins=0), "bins: expected a positive int"),
        (
            lambda: binned_entropies(polygon(6), pentagon),
            r"spectrum: expected that of W; got one of shape \(2, 5\) for W of \(2, 6\); give",
        ),
        (lambda: linear_law(pentagon, fewest=2), "fewest: expected at least 3; got 2; two points"),
        (lambda: linear_law(pentagon, fewest=0), "fewest: expected a positive integer; got 0"),
    ):
        assert_one_line_error(call, words)
