"""The figure of capacity: its table against NumPy, its lines and tolerances on planted frames."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from tight_frames import rotation

import jaxsup
from jaxsup.reproduce import toys
from jaxsup.reproduce.analysis import capacity_claims, capacity_table
from jaxsup.reproduce.analysis.capacity_table import QUANTITIES, TOLERANCES, Row
from jaxsup.reproduce.claims import AGREES, DIFFERS, NOT_CLAIMED
from jaxsup.reproduce.figures.capacity import Capacity
from jaxsup.spectral.nulls import gaussian_null


@pytest.fixture(scope="module")
def dataset() -> xr.Dataset:
    sweep = toys.capacity_sweep(
        features=48, latents=(4, 9), sparsities=(0.0, 0.5), steps=60, batch_size=32, seeds=2
    )
    return jaxsup.run(sweep)


def numbers_of(W: np.ndarray) -> dict[str, float]:
    """Every quantity by its definition, in float64 by NumPy."""
    W = W.astype(np.float64)
    values, vectors = np.linalg.eigh(W @ W.T)
    opens = np.diff(values) > 1e-4 * values[-1]
    groups = np.split(np.arange(len(values)), np.flatnonzero(opens) + 1)
    squares = np.sum(W**2, axis=0)
    shares = (vectors.T @ W) ** 2 / squares
    measures = np.stack([shares[group].sum(0) for group in groups])
    capacities = squares**2 / np.sum((W.T @ W) ** 2, axis=1)
    leverages = np.einsum("ki,kl,li->i", W, np.linalg.pinv(W @ W.T), W)
    means = values @ shares
    deviations = np.sqrt(np.sum((values[:, None] - means) ** 2 * shares, axis=0))
    slacks = 1 - capacities / leverages

    def by_leverage(x: np.ndarray) -> float:
        return float(np.average(x, weights=leverages))

    assert by_leverage(slacks) == pytest.approx(1 - capacities.sum() / leverages.sum())
    return {
        "rank_share": np.linalg.matrix_rank(W) / len(W),
        "deficit": 1 - capacities.sum() / np.linalg.matrix_rank(W),
        "slack": by_leverage(slacks),
        "spread": by_leverage(deviations / means),
        "projection": by_leverage(measures.max(0)),
        "participation": by_leverage(1 / np.sum(measures**2, axis=0)),
        "eigenspaces": len(groups),
        "mean_eigenvalue": by_leverage(means),
        "plain_slack": slacks.mean(),
        "plain_spread": np.mean(deviations / means),
        "plain_mean_eigenvalue": means.mean(),
    }


@pytest.mark.slow
def test_the_table_is_that_of_the_definitions(dataset: xr.Dataset) -> None:
    rows = capacity_table.measure_rows(dataset)
    assert [(row.latent, row.sparsity) for row in rows] == [(4, 0), (4, 0.5), (9, 0), (9, 0.5)]
    for row in rows:
        chosen = dataset["embedding"].isel(kept_step=-1, width=[4, 9].index(row.latent))
        chosen = chosen.isel({"features.density": [0, 0.5].index(row.sparsity)})
        weights = chosen.transpose("seed", "latent", "feature").values[:, : row.latent]
        expected = [numbers_of(W) for W in weights]
        for name, measure in QUANTITIES.items():
            np.testing.assert_allclose(
                measure(row), [e[name] for e in expected], rtol=2e-4, atol=2e-6, err_msg=name
            )
        record = row.to_dict()
        assert record["null_deficit"] == 1 - gaussian_null(row.latent, 48).saturation
        assert record["networks"] == 2


def planted(weights: np.ndarray, latent: int) -> xr.Dataset:
    """A dataset as the sweep leaves it, with the given last weights of one width and sparsity."""
    array = weights[None, None, :, None].astype(np.float32)
    dims = ("width", "features.density", "seed", "kept_step", "latent", "feature")
    return xr.Dataset(
        {"embedding": (dims, array)},
        {"student.latent": ("width", [latent]), "features.density": [0.5]},
    )


def uneven_tight_frame(rng: np.random.Generator) -> np.ndarray:
    """Two eigenspaces, lambda = 3 and 7, each of two orthobases of different norms."""
    W = np.zeros((60, 120))
    for start, value in ((0, 3.0), (30, 7.0)):
        share = 0.5 * value * (1 + 0.8 * rng.uniform(-1, 1, 30))
        rows = slice(start, start + 30)
        W[rows, 2 * start : 2 * start + 30] = np.diag(np.sqrt(share))
        W[rows, 2 * start + 30 : 2 * start + 60] = np.diag(np.sqrt(value - share))
    return rotation(rng, 60) @ W


def test_lines_of_localized_features_have_the_slope_of_the_law() -> None:
    rng = np.random.default_rng(0)
    weights = np.stack([uneven_tight_frame(rng) for _ in range(2)])
    (row,) = capacity_table.measure_rows(planted(weights, 60))
    assert len(row.lines) == 4
    np.testing.assert_allclose(np.sort(row.lines[:, 0]), [3, 3, 7, 7], rtol=1e-4)
    np.testing.assert_allclose(row.lines[:, 0] * row.lines[:, 1], 1, rtol=1e-3)
    np.testing.assert_allclose(row.lines[:, 2:], 1, rtol=1e-4)
    assert QUANTITIES["projection"](row) == pytest.approx(1, abs=1e-4)


def test_what_one_eigenspace_is_depends_on_the_tolerance() -> None:
    """Eigenvalues that differ by 1% become one eigenspace from a tolerance of 1% on."""
    rng = np.random.default_rng(1)
    basis = rotation(rng, 30)
    scales = np.sqrt(1 + 0.01 * np.arange(3))
    blocks = np.concatenate([basis * scales.repeat(10)[:, None]] * 2, axis=1)
    (curve, null) = capacity_table.measure_tolerances(planted(blocks[None], 30), 30, [0.5])
    assert curve.sparsity == 0.5
    assert null.sparsity is None
    fine, coarse = TOLERANCES < 0.009, TOLERANCES > 0.02
    assert np.all(curve.projections[fine] < 0.6)
    np.testing.assert_allclose(curve.projections[coarse], 1, atol=1e-5)
    assert np.all(np.diff(null.projections) >= -1e-6)


def test_diverged_networks_are_left_out() -> None:
    weights = np.random.default_rng(2).standard_normal((3, 4, 12))
    weights[1, 0, 0] = np.nan
    (row,) = capacity_table.measure_rows(planted(weights, 4))
    assert len(row.rank) == 2
    assert not capacity_table.measure_rows(planted(np.full((1, 4, 12), np.nan), 4))


def test_networks_without_weights_are_left_out(dataset: xr.Dataset) -> None:
    figure, changed = Capacity(), dataset.copy(deep=True)
    changed["embedding"][{"width": 0, "features.density": 0, "seed": 0}] = 0.0
    findings = figure.measure(changed, figure.configure(figure.scale("smoke")))
    assert [record["networks"] for record in findings.records] == [1, 2, 2, 2]
    findings = figure.measure(0 * dataset, figure.configure(figure.scale("smoke")))
    assert (findings.records, findings.claims) == ([], [])
    assert "no weight left" in findings.text[0]


def published_row(printed: capacity_claims.Printed) -> Row:
    """A network that has the printed numbers, with features scattered by 5% around them."""
    rng = np.random.default_rng(3)
    around = 1 + 0.05 * rng.standard_normal(1024)
    leverages = np.full((1, 1024), 112 / 1024)
    return Row(
        features=1024,
        latent=112,
        sparsity=printed.sparsity,
        rank=np.array([112]),
        eigenspaces=np.array([int(printed.eigenspaces)]),
        each={
            "capacities": leverages * (1 - printed.deficit * around),
            "leverages": leverages,
            "slacks": printed.deficit * around[None],
            "spreads": printed.spread * around[None],
            "projections": printed.projection * around[None],
            "participations": printed.participation * around[None],
            "mean_eigenvalues": printed.mean_eigenvalue * around[None],
        },
        lines=np.zeros((0, 4)),
    )


def test_printed_numbers_agree_with_themselves() -> None:
    # Two of the six: each claim resamples a thousand features.
    rows = [published_row(printed) for printed in capacity_claims.PRINTED[::3]]
    claims = capacity_claims.claims_of(rows)
    own = [claim for claim in claims if "sparsity 0" in claim.quantity and claim.published]
    own = [claim for claim in own if claim.source == capacity_claims.SOURCE and claim.measured]
    assert len(own) == 2 * 7
    assert {claim.verdict for claim in own} == {AGREES}
    # The abstract, read strictly, is contradicted by what the repository prints itself.
    strict = next(
        c
        for c in claims
        if c.quantity.startswith("largest projection on one") and "all networks" in c.quantity
    )
    assert strict.verdict == DIFFERS
    weak = next(c for c in claims if c.quantity.startswith("spread over that of a Gaussian"))
    # Two networks cannot decide the other reading, which their mean agrees with.
    assert weak.measured is not None
    assert weak.measured.value < 0.25
    assert weak.verdict == NOT_CLAIMED
    lines = next(c for c in claims if c.quantity == "slope x lambda of a line")
    assert lines.verdict == NOT_CLAIMED


def test_other_numbers_do_not_agree() -> None:
    printed = capacity_claims.PRINTED[3]
    row = published_row(printed)
    twice = dataclasses.replace(row, each={k: 2.5 * v for k, v in row.each.items()})
    verdicts = {c.quantity.split(",")[0]: c.verdict for c in capacity_claims.claims_of([twice])}
    assert verdicts["mean eigenvalue that a feature sees"] == DIFFERS
    assert verdicts["spread"] == DIFFERS
    assert verdicts["number of eigenspaces"] == AGREES


def test_the_step_is_measured_across_its_sparsity() -> None:
    low, high = (published_row(capacity_claims.PRINTED[place]) for place in (3, 4))
    rows = []
    for latent in (112, 128):
        for sparsity, row in ((0.707, low), (0.75, high)):
            rows.append(dataclasses.replace(row, sparsity=sparsity, latent=latent))
    step = capacity_claims.claims_of(rows)[-1]
    assert step.measured is not None
    assert step.measured.value == pytest.approx(0.0024 / 0.0008, rel=0.02)
    alone = capacity_claims.claims_of(rows[:1])[-1]
    assert (alone.measured, alone.verdict) == (None, NOT_CLAIMED)
