"""The compute-optimal frontier, against a closed form and a count of what autodiff computes."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.core import ShapedArray
from jaxtyping import Float

from jaxsup import plot
from jaxsup.reproduce.analysis import frontier
from jaxsup.reproduce.figures.frontier import (
    RATES,
    SCALES,
    ComputeFrontier,
    draw_best_widths,
    draw_frontier,
)

FIGURE = ComputeFrontier()
WIDTHS = np.array([round(8 * 2 ** (k / 2)) for k in range(13)])
P, Q, R = 0.8, 1.5, 0.7


def power_laws() -> tuple[Float[np.ndarray, "widths steps"], Float[np.ndarray, "widths steps"]]:
    """L = K^-p + (C / K^q)^-r for steps of K^2 multiply-adds each.

    dL/dK = 0 gives K* = (p / (q r) C^r)^(1 / (p + q r)), so that K* ~ C^kappa and L* ~ C^-(p kappa)
    with kappa = r / (p + q r).
    """
    steps = np.geomspace(1, 1e7, 400)
    compute = WIDTHS[:, None].astype(float) ** 2 * steps
    loss = WIDTHS[:, None] ** -P + (compute / WIDTHS[:, None] ** Q) ** -R
    return compute, loss


def shape_of(variable) -> tuple[int, ...]:
    assert isinstance(variable.aval, ShapedArray)
    return variable.aval.shape


def products_of(function, *arguments) -> int:
    """Multiply-adds of the matrix products in what jax traces of a function."""
    total = 0
    for equation in jax.make_jaxpr(function)(*arguments).eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left = shape_of(equation.invars[0])
            out = shape_of(equation.outvars[0])
            total += math.prod(out) * math.prod(left[axis] for axis in contracted)
    return total


@pytest.mark.parametrize(("features", "latent", "batch"), [(12, 3, 5), (40, 40, 2), (64, 8, 7)])
def test_multiply_adds_are_those_of_the_gradient_by_autodiff(
    features: int, latent: int, batch: int
) -> None:
    W = jnp.ones((latent, features))

    def loss(core, bias, x):
        return jnp.sum((jax.nn.relu(x @ W.T @ core.T @ W + bias[None]) - x) ** 2)

    core, bias, x = jnp.ones((latent, latent)), jnp.ones(features), jnp.ones((batch, features))
    dense = products_of(jax.grad(loss, argnums=(0, 1)), core, bias, x)
    # A dense batch has N active features a sample; the update of the core is no matrix product.
    counted = frontier.multiply_adds(features, latent, batch, active=features)
    assert counted == dense + latent**2


def test_exponents_are_those_of_the_closed_form() -> None:
    compute, loss = power_laws()
    found = frontier.find_frontier(WIDTHS, compute, loss)
    kappa = R / (P + Q * R)
    # Away from the ends, where the best width of the formula is not among those trained.
    exact = (P / (Q * R) * found.compute**R) ** (1 / (P + Q * R))
    inner = (exact > WIDTHS[1]) & (exact < WIDTHS[-2])
    assert found.bracketed[inner].all()
    np.testing.assert_allclose(found.width[inner], exact[inner], rtol=0.03)
    exponents = frontier.measure_frontier(found, inner)
    assert exponents.width == pytest.approx(kappa, abs=0.005)
    assert exponents.loss == pytest.approx(P * kappa, abs=0.005)
    assert exponents.loss_early == pytest.approx(exponents.loss_late, abs=0.01)
    assert exponents.width_early == pytest.approx(exponents.width_late, abs=0.02)
    ends = found.compute[inner]
    assert exponents.decades == pytest.approx(np.log10(ends[-1] / ends[0]))


def test_the_envelope_is_the_lowest_curve_that_was_trained_so_far() -> None:
    compute, loss = power_laws()
    found = frontier.find_frontier(WIDTHS, compute, loss)
    for point in range(0, len(found.compute), 7):
        first, last = compute[:, 0], compute[:, -1]
        at = np.clip(found.compute[point], first.min(), last.max())  # it went through a logarithm
        trained = (first <= at) & (at <= last)
        levels = WIDTHS**-P + (at / WIDTHS**Q) ** -R
        assert found.loss[point] == pytest.approx(levels[trained].min(), rel=1e-3)
    assert not found.bracketed[found.best == 0].any()
    assert not found.bracketed[found.best == len(WIDTHS) - 1].any()


def test_a_best_width_without_a_neighbor_trained_so_far_is_not_bracketed() -> None:
    compute, loss = power_laws()
    found = frontier.find_frontier(WIDTHS, compute, loss)
    point = int(np.flatnonzero(found.bracketed)[-20])
    short = compute.copy()
    below = found.best[point] - 1
    short[below] *= found.compute[point] / compute[below, -1] / 2  # it ends before this compute
    again = frontier.find_frontier(WIDTHS, short, loss)
    place = int(np.argmin(np.abs(np.log(again.compute / found.compute[point]))))
    assert again.best[place] > below
    assert not again.bracketed[place]
    assert np.isnan(again.width[place])


def test_level_curves_and_ties_have_a_best_width_within_the_three() -> None:
    compute = np.tile(np.geomspace(1, 100, 9), (3, 1))
    found = frontier.find_frontier(np.array([2, 4, 8]), compute, np.ones((3, 9)))
    assert not found.bracketed.any()  # the first of equals is the smallest
    loss = np.ones((3, 9))
    loss[0] += 1.0
    found = frontier.find_frontier(np.array([2, 4, 8]), compute, loss)
    np.testing.assert_allclose(found.width, 4 * 2**0.5)  # between the two that are best


def seeds_of(scatter: float) -> Float[np.ndarray, "seeds widths rates records"]:
    """Two step sizes: one that is right early and 1.5 times worse late, one the other way round."""
    _, loss = power_laws()
    noise = np.random.default_rng(1).normal(size=(6, len(WIDTHS), 1, 1))
    start = np.full((6, len(WIDTHS), 2, 1), float(loss.max()))
    worse = np.ones((2, loss.shape[-1]))
    worse[0, 200:] = worse[1, :200] = 1.5
    curves = loss[None, :, None, :] * worse * np.exp(scatter * noise)
    return np.concatenate([start, curves], axis=3)


@pytest.mark.slow
def test_intervals_hold_the_exponents_and_widen_with_the_scatter_of_seeds() -> None:
    compute, _ = power_laws()
    measured = [
        frontier.measure_one(1.5, WIDTHS, compute, seeds_of(scatter)) for scatter in (0.01, 0.05)
    ]
    reach, bias = [], 0.005  # the grid's own, see the closed form above
    for one in measured:
        assert one.size is not None
        assert one.height is not None
        assert one.size.basis == "bootstrap of 6 seeds"
        assert one.size.low - bias <= R / (P + Q * R) <= one.size.high + bias
        assert one.height.low - bias <= P * R / (P + Q * R) <= one.height.high + bias
        reach.append(one.size.high - one.size.low)
    assert 0 < reach[0] < reach[1]


@pytest.mark.slow
def test_a_step_size_that_diverged_is_no_candidate_and_one_seed_has_no_interval() -> None:
    compute, loss = power_laws()
    seeds = seeds_of(0.0)
    whole = frontier.measure_one(1.5, WIDTHS, compute, seeds)
    np.testing.assert_allclose(whole.loss, loss)
    assert set(whole.rates) == {0, 1}
    seeds[2, :, 1, 50:] = np.nan  # of one seed: the rate that is best late, at all widths
    broken = frontier.measure_one(1.5, WIDTHS, compute, seeds)
    np.testing.assert_allclose(broken.loss[:, 200:], 1.5 * loss[:, 200:])
    assert set(broken.rates) == {0}
    assert frontier.measure_one(1.5, WIDTHS, compute, seeds[:1]).size is None
    seeds[0, 4, 0, 7] = np.nan  # and one width has no step size left
    gap = frontier.measure_one(1.5, WIDTHS, compute, seeds).frontier
    assert 4 not in gap.best
    assert not gap.bracketed[np.isin(gap.best, (3, 5))].any()
    assert gap.bracketed.any()


def test_the_window_is_the_longest_stretch_without_a_gap() -> None:
    bracketed = np.array([True, True, False, True, True, True, False, True])
    numbers = np.ones(8)
    found = frontier.Frontier(numbers, 0.5 * numbers, np.ones(8, int), numbers, bracketed)
    expected = [False, False, False, True, True, True, False, False]
    assert frontier.fitted(found, 1.0).tolist() == expected
    assert not frontier.fitted(found, 0.9).any()  # above half of the first
    assert frontier.why_outside(found, 0.9, 3, 3) == "the loss is above half of the first"
    assert frontier.why_outside(found, 1.0, 6, 2) == "the largest K is best"
    assert "a neighbor of the best K" in frontier.why_outside(found, 1.0, 6, 3)
    assert frontier.why_outside(found._replace(best=0 * found.best), 1.0, 6, 3).startswith(
        "the smallest K"
    )
    assert frontier.why_outside(found, 1.0, 8, 3) == "training ends"


def test_claims_hold_neither_exponent_to_a_number_that_names_none() -> None:
    compute, _ = power_laws()
    measured = frontier.measure_one(1.5, WIDTHS, compute, seeds_of(0.01))
    claims = FIGURE.claims([measured])
    assert [claim.quantity.split(" against")[0] for claim in claims] == [
        "exponent of the best width",
        "exponent of the loss",
    ]
    assert all(claim.verdict == "not claimed" and "neither" in claim.reason for claim in claims)


def test_step_sizes_are_one_share_of_the_largest_eigenvalue() -> None:
    # The largest eigenvalue of W W^T for random unit columns, drawn here, and its limit.
    sweep = FIGURE.configure(SCALES["standard"])
    fields = sweep.axes[1].fields
    rng = np.random.default_rng(2)
    latents, rates = fields["student.latent"], fields["optimizer.learning_rate"]
    for place, (latent, rate) in enumerate(zip(latents, rates, strict=True)):
        if latent < 32:
            continue
        W = rng.normal(size=(latent, 512))
        W /= np.linalg.norm(W, axis=0)
        share = RATES[place % len(RATES)]
        assert rate * np.linalg.eigvalsh(W @ W.T)[-1] == pytest.approx(share, rel=0.1)


def test_scales_rise_by_half_octaves_to_the_number_of_features() -> None:
    for scale in SCALES.values():
        widths = np.asarray(scale.widths)
        assert widths[0] == scale.smallest
        assert widths[-1] == scale.features
        np.testing.assert_allclose(widths[1:] / widths[:-1], 2**0.5, rtol=0.15)


def test_the_pictures_show_the_frontier_and_its_power_law() -> None:
    compute, _ = power_laws()
    measured = frontier.measure_one(1.5, WIDTHS, compute, seeds_of(0.0))
    left, right = plot.new_figure(2)[1]
    draw_frontier(measured, WIDTHS.tolist(), left)
    curves = [line.get_ydata() for line in left.lines]
    np.testing.assert_array_equal(np.stack(curves[: len(WIDTHS)]), measured.loss)
    np.testing.assert_allclose(measured.loss, power_laws()[1])
    window = frontier.fitted(measured.frontier, measured.first)
    drawn = np.asarray(curves[len(WIDTHS)], float)
    np.testing.assert_array_equal(np.isfinite(drawn), window)
    draw_best_widths([measured], WIDTHS.tolist(), right)
    legend = right.get_legend()
    assert legend is not None
    assert any("a = 1.5: C^0.38" in text.get_text() for text in legend.get_texts())
