"""The sweeps of arXiv 2602.02224: their published settings, and what they refuse."""

from typing import Any

import jax
import numpy as np
import pytest
from helpers import assert_one_line_error

import jaxsup
from jaxsup.reproduce import toys


def test_the_sweep_is_the_repositorys() -> None:
    sweep = toys.capacity_sweep()
    experiment, student = sweep.experiment, sweep.experiment.student
    assert isinstance(student, jaxsup.Student)
    assert sweep.shape == (32, 50)
    assert (len(sweep.seeds), experiment.steps, experiment.batch_size) == (2, 25_000, 1024)
    assert experiment.features.count == 1024
    assert experiment.optimizer == jaxsup.Adam(1e-3)
    assert (experiment.reduction, experiment.importance) == ("mean", 1.0)
    assert (student.core, student.bias_mean, student.bias_scale) == (False, -0.1, 0)
    widths, densities = (axis.fields for axis in sweep.axes)
    np.testing.assert_array_equal(widths["student.latent"], np.arange(16, 513, 16))
    sparsities = 1 - np.asarray(densities["features.density"])
    np.testing.assert_allclose(sparsities, np.linspace(0, 0.99, 50), atol=1e-12)
    steps = experiment.recorded_steps
    assert len(steps) == 56
    np.testing.assert_array_equal(np.diff(steps), [200] * 25 + [500] * 20 + [1000] * 10)
    last = sweep.experiment_at((6, 35))
    assert isinstance(last.student, jaxsup.Student)
    assert last.student.embedding_scale == pytest.approx(np.sqrt(2 / (1024 + 112)))


def test_the_start_has_the_published_bias_and_spread() -> None:
    experiment = toys.capacity_sweep(latents=[256]).experiment
    start = experiment.student.init_parameters(jax.random.key(0), 1024)
    np.testing.assert_allclose(start.bias, -0.1, rtol=1e-6)
    # 262,144 normals: the spread is known to 1 / sqrt(2 n), bounded at four of these.
    W = np.asarray(start.embedding)
    assert W.std() / np.sqrt(2 / 1280) == pytest.approx(1, abs=4 / np.sqrt(2 * W.size))


def test_features_may_have_sparsities_of_their_own() -> None:
    graded = toys.graded_sparsity_sweep()
    law = graded.experiment.features
    assert isinstance(law, jaxsup.SparseFeatures)
    assert (len(graded.seeds), graded.experiment.student.latent) == (512, 256)
    np.testing.assert_allclose(1 - np.asarray(law.probabilities), np.arange(1024) / 1024)
    binned = toys.binned_sparsity_sweep(features=45, latent=9)
    assert binned.shape == (5,)
    for place, count in enumerate((5, 6, 7, 8, 9)):
        law = binned.experiment_at((place,)).features
        assert isinstance(law, jaxsup.SparseFeatures)
        sparsities, sizes = np.unique(1 - np.asarray(law.probabilities), return_counts=True)
        np.testing.assert_allclose(sparsities, np.linspace(0.1, 0.9, count))
        assert sizes.max() - sizes.min() <= 1


def test_few_features_have_fewer_widths() -> None:
    widths = toys.capacity_sweep(features=16).axes[0].fields["student.latent"]
    assert widths == tuple(range(1, 9))


@pytest.mark.extended
def test_scaled_down_sweeps_train() -> None:
    small: dict[str, Any] = {"steps": 50, "batch_size": 16, "seeds": 2}
    for sweep, sizes in (
        (toys.capacity_sweep(features=64, latents=(4,), sparsities=(0, 0.3), **small), (1, 2)),
        (toys.graded_sparsity_sweep(features=64, latent=8, **small), ()),
        (toys.binned_sparsity_sweep(features=64, latent=8, bins=(3,), **small), (1,)),
    ):
        dataset = jaxsup.run(sweep)
        assert dataset["saturation"].shape[: len(sizes)] == sizes
        last = dataset["saturation"].isel(step=-1)
        assert np.all((last > 0) & (last <= 1 + 1e-5))


BAD = {
    "no width": (lambda: toys.capacity_sweep(latents=[]), "latents: expected at least one width"),
    "no sparsity": (lambda: toys.capacity_sweep(sparsities=[]), r"sparsities: .*\[0, 1\)"),
    "never active": (lambda: toys.capacity_sweep(sparsities=[1.0]), r"sparsities: .*got \[1.0\]"),
    "no features": (lambda: toys.capacity_sweep(features=0), "features: .*positive integer; got 0"),
    "no features at all": (lambda: toys.graded_sparsity_sweep(features=0), "features: .*got 0"),
    "no bins": (lambda: toys.binned_sparsity_sweep(bins=[]), "bins: expected at least one number"),
    "one bin": (lambda: toys.binned_sparsity_sweep(bins=[1]), "bins: expected at least 2 bins"),
    "no latent": (lambda: toys.binned_sparsity_sweep(latent=0), "latent: .*got 0"),
    "no steps": (lambda: toys.graded_sparsity_sweep(steps=0), "steps: .*got 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case) -> None:
    assert_one_line_error(*BAD[case])
