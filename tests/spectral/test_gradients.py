"""Derivatives of spectra, finite at degeneracy and equal to differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tight_frames import MATRICES, TIGHT, close, pad, polygon, simplex, stack

from jaxsup import spectral
from jaxsup.spectral import frame, overlap
from jaxsup.spectral.frame import dimensions_per_feature, frame_potential
from jaxsup.spectral.measures import binned_entropies, linear_law


def observed(W):
    """Every differentiable observable, as one vector."""
    spectrum = spectral.decompose(W)
    law = linear_law(spectrum, fewest=3)
    return jnp.stack(
        [
            frame_potential(W),
            jnp.sum(frame.capacities(W) ** 2),
            jnp.sum(frame.squared_overlaps(W) ** 2),
            dimensions_per_feature(W),
            jnp.sum(frame.feature_norms(W)),
            overlap.coherence(W),
            spectrum.saturation,
            jnp.sum(spectrum.localization),
            jnp.sum(spectrum.entropy_localization),
            jnp.sum(spectrum.eigenvalues**2),
            jnp.sum(spectrum.tightness),
            spectrum.overall_tightness,
            jnp.sum(spectrum.projector(0) ** 3),
            jnp.sum(spectrum.mean_eigenvalues**2),
            jnp.sum(spectrum.eigenvalue_deviations),
            jnp.sum(spectrum.eigenvalue_spreads),
            jnp.sum(spectrum.leverages**2),
            jnp.sum(spectrum.slack),
            jnp.sum(spectrum.largest_projections),
            jnp.sum(spectrum.entropies),
            jnp.sum(binned_entropies(W, spectrum)),
            spectrum.latent_saturation,
            jnp.sum(jnp.where(jnp.isnan(law.slopes), 0.0, law.slopes)),
            jnp.sum(jnp.where(jnp.isnan(law.intercepts), 0.0, law.intercepts)),
            jnp.sum(jnp.where(jnp.isnan(law.r_squared), 0.0, law.r_squared)),
        ]
    )


@pytest.mark.slow
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


def moments(W):
    """kappa_i, and l_i, by definitions that know no eigenspaces."""
    images = W @ (W.T @ W)
    mean = np.sum(W * images, axis=0) / np.sum(W**2, axis=0)
    return mean, np.diag(np.linalg.pinv(W, rcond=1e-4) @ W)


@pytest.mark.parametrize("name", ["5-gon", "identity", "3-simplex", "union", "tall", "deficient"])
def test_means_and_leverages_have_their_true_derivative_at_degeneracy(name, x64):
    """Central differences of numpy along a generic step, at constant rank."""
    rng = np.random.default_rng(11)
    left, right = rng.standard_normal((7, 3)), rng.standard_normal((3, 5))
    left = np.linalg.qr(left)[0]
    special = {
        "union": (stack(polygon(5), 2.0 * simplex(3), polygon(3)), None),
        "tall": (np.pad(np.diag([2.0, 1.0, 1.0]), ((0, 4), (0, 0))), None),
        "deficient": (left @ np.eye(3, 5), left @ right),  # the null space turns with the rows
    }
    W, step = special.get(name) or (TIGHT[name][0], None)
    step = rng.standard_normal(W.shape) if step is None else step

    def measured(W):
        spectrum = spectral.decompose(W)
        return spectrum.mean_eigenvalues[:3], spectrum.leverages[:3]

    slopes = jax.jvp(jax.jit(measured), (jnp.asarray(W),), (jnp.asarray(step),))[1]
    ahead, behind = (moments(W + side * step) for side in (1e-6, -1e-6))
    for slope, more, less in zip(slopes, ahead, behind, strict=True):
        np.testing.assert_allclose(slope, (more - less)[:3] / 2e-6, rtol=1e-7, atol=1e-7)
