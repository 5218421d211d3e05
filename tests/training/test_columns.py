"""Sums of columns: in the same order always, on every platform, with the same derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsup
from jaxsup._internal.precision import full_precision
from jaxsup.experiment.features import GroupedFeatures
from jaxsup.training.sampling.arrivals import prepare_sampler
from jaxsup.training.sampling.plan import plan_sparse, sparse_level
from jaxsup.training.updates import columns

LAWS = {
    "independent": jaxsup.PowerLawFeatures(64, 1.2, density=2.0),
    "groups": GroupedFeatures(64, 4, "correlated", probability=0.1),
}


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
def test_every_way_gives_the_same_sums_and_derivative(law):
    features = LAWS[law]
    sampler = prepare_sampler(features, plan_sparse(sparse_level(features), 32))
    batch = sampler.draw(jax.random.key(1))
    matrix, slope = (jax.random.normal(jax.random.key(k), (5, n)) for k, n in ((2, 64), (3, 1)))
    sizes = columns.Sizes(batch.rows, batch.count)
    arrays = batch.row, batch.feature, batch.value
    rows = jnp.broadcast_to(slope.T, (batch.rows, 5)) * jnp.arange(1.0, batch.rows + 1)[:, None]

    @full_precision
    def both(way):
        sums, pull = jax.vjp(lambda matrix: way(sizes, matrix, *arrays), matrix)
        return sums, *pull(rows)

    x = np.asarray(batch.columns(), np.float64)
    expected = (np.asarray(matrix, np.float64) @ x).T, np.asarray(rows, np.float64).T @ x.T
    for way in (columns._added, columns._in_whole_numbers):
        for ours, exact in zip(both(way), expected, strict=True):
            np.testing.assert_allclose(
                np.asarray(ours), exact, rtol=0, atol=2e-7 * np.abs(exact).max()
            )


def test_accelerators_add_nothing_in_an_order_of_their_own():
    """No sum of floats by scattering to places that several may have, forward or backward."""
    features = LAWS["independent"]
    sampler = prepare_sampler(features, plan_sparse(sparse_level(features), 32))

    def loss(matrix, key):
        return jnp.sum(columns.sums_of_columns(matrix, sampler.draw(key)) ** 2)

    gradient = jax.jit(jax.grad(loss))
    traced = gradient.trace(jnp.ones((5, 64)), jax.random.key(0))
    texts = {p: traced.lower(lowering_platforms=(p,)).as_text() for p in ("cpu", "cuda")}
    # On a CPU two sums scatter rows of 5: of h, and of the columns' derivative.
    rows = {p: sum("x5xf32>" in line for line in scatters(text)) for p, text in texts.items()}
    assert rows == {"cpu": 2, "cuda": 0}


def scatters(text: str) -> list[str]:
    """The lines that say what each scatter of a program takes and gives."""
    lines, found = text.splitlines(), []
    for number, line in enumerate(lines):
        if "stablehlo.scatter" in line:
            found.append(next(after for after in lines[number:] if after.lstrip().startswith("})")))
    return found
