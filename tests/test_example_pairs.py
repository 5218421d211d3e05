"""The exercise on pairs of features (`examples/pairs.py`): what it says comes out."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xarray as xr
from scipy import stats

SEEDS = 16


@pytest.fixture(scope="module")
def exercise() -> ModuleType:
    path = Path(__file__).parent.parent / "examples" / "pairs.py"
    spec = importlib.util.spec_from_file_location("pairs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def dataset(exercise: ModuleType) -> xr.Dataset:
    return exercise.train(SEEDS)


@pytest.mark.slow
def test_pairs_become_what_the_exercise_says(exercise: ModuleType, dataset: xr.Dataset) -> None:
    """Nine of ten pairs, in 16 networks of each kind; independent ones as chance has it."""
    table = exercise.shares(dataset)
    rare, often = 0.1, 0.3
    assert table.loc[("correlated", rare), "orthogonal"] >= 0.9
    assert table.loc[("correlated", often), "together"] >= 0.9
    assert table.loc[("anticorrelated", often), "antipodal"] >= 0.9
    assert table.loc[("anticorrelated", often), "loss"] < 1e-9
    assert table.loc[("independent", rare), "pairs"] == 2 * SEEDS
    # Three ways to make two couples of four: one of three is that of the pairs.
    cosine = exercise.cosines(dataset).sel({"features.relation": "independent"})
    antipodal = (cosine.sel({"features.probability": rare}) < -0.9).all("pair")
    assert stats.binomtest(int(antipodal.sum()), SEEDS, 1 / 3).pvalue > 1e-3


def test_of_anticorrelated_pairs_the_antipodal_cost_nothing(
    exercise: ModuleType, dataset: xr.Dataset
) -> None:
    """The geometry decides the loss, network by network: 1e-9 is far from either."""
    chosen = {"features.relation": "anticorrelated", "features.probability": 0.1}
    antipodal = (exercise.cosines(dataset).sel(chosen) < -0.9).all("pair").values
    losses = dataset["loss"].sel(chosen).isel(step=-1).values
    assert 0 < antipodal.sum() < SEEDS
    np.testing.assert_array_equal(losses < 1e-9, antipodal)
    assert losses[~antipodal].min() > 1e-5
