"""Two exercises of the usual superposition course (`examples/`): they come out as published."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import jax
import numpy as np
import pytest

import jaxsup

EXAMPLES = Path(__file__).parent.parent / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.extended
def test_few_samples_are_remembered_and_features_of_many_are_learned(tmp_path: Path) -> None:
    """The loss on the law has its hump between; directions are of samples, then of features.

    Means over four seeds.
    """
    memorization = example("memorization")
    sweep = memorization.memorization_sweep([4, 32, 512], seeds=4, steps=1000)
    dataset = jaxsup.run(sweep, devices=jax.local_devices()[:1])
    table = memorization.measure(dataset)
    few, some, many = (table.isel(training_set=place).mean("seed") for place in range(3))
    assert few["training_loss"] < 0.05
    assert few["loss"] > 0.9 * memorization.NO_NETWORK
    assert some["loss"] > 1.2 * max(few["loss"], many["loss"], memorization.NO_NETWORK)
    assert many["loss"] < 0.97 * memorization.NO_NETWORK
    assert many["loss"] < 1.15 * many["training_loss"]
    assert few["sample_share"] > few["feature_share"] + 0.2
    assert many["feature_share"] > 2 * many["sample_share"]
    figure = memorization.draw(dataset, table)
    jaxsup.plot.save_figure(figure, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_shares_of_a_pentagon_are_two_fifths() -> None:
    angles = 2 * np.pi * np.arange(5) / 5
    pentagon = np.stack([np.cos(angles), np.sin(angles)])
    np.testing.assert_allclose(example("memorization").dimensionalities(pentagon), 0.4)


@pytest.mark.extended
def test_neurons_compute_absolute_values_alone_or_share_them(tmp_path: Path) -> None:
    """Half as many features as neurons where all are active, more where they are rare."""
    values = example("absolute_values")
    dataset = jaxsup.run(values.absolute_value_sweep([1.0, 0.03]), devices=jax.local_devices()[:1])
    dense, sparse = values.computed(dataset).values
    half = values.NEURONS // 2
    assert dense.max() == half
    assert np.median(sparse) > half
    best = values.best_seeds(dataset)
    left = np.sort(values.unexplained(best).values[0])
    assert (left[:half] < 0.05).all()
    assert (left[half:] > 0.9).all()
    # A neuron for each sign of the three most important features, and none that is shared.
    W = best["embedding"].values[0, 0] ** 2
    assert (W.max(axis=1) > 0.9 * W.sum(axis=1)).all()
    assert np.bincount(W.argmax(axis=1)).tolist() == [2] * half
    # With rare features every neuron reads several.
    W = best["embedding"].values[1, 0] ** 2
    assert np.median(W.max(axis=1) / W.sum(axis=1)) < 0.9
    jaxsup.plot.save_figure(values.draw(dataset), tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
