"""How a sweep's losses are evaluated: standard errors beside them, samples in the provenance."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from sweep_cases import relu, run

import jaxsup
from jaxsup.experiment import record
from jaxsup.sweep.programs import plan_programs
from jaxsup.sweep.store.read import take_inventory
from jaxsup.sweep.store.schema import Layout

BATCH, STEPS = 64, 400


def layout(sweep: jaxsup.Sweep) -> Layout:
    return Layout(sweep, plan_programs(sweep, 2))


@pytest.mark.parametrize("count", [8, pytest.param(160, marks=pytest.mark.extended)])
def test_every_replica_has_the_standard_error_of_its_own_simulation(count: int) -> None:
    """Dense and gathered samples, padded widths, settings that share their samples."""
    experiment = relu(features=jaxsup.PowerLawFeatures(count, 1.1, 1.0))
    axes = {"student.latent": [2, 3], "optimizer.learning_rate": [0.1, 0.3]}
    sweep = jaxsup.Sweep(experiment, axes, seeds=2)
    dataset = run(sweep, widths=1)
    stderr = dataset["loss_stderr"]
    assert stderr.dims == dataset["loss"].dims
    assert stderr.attrs["units"] == dataset["loss"].attrs["units"]
    assert "standard error" in stderr.attrs["long_name"]
    for index in np.ndindex(2, 2):
        for seed in range(2):
            alone = jaxsup.simulate(sweep.experiment_at(index), jax.random.key(seed))
            expected = alone.observables["loss_stderr"]
            np.testing.assert_allclose(stderr.values[(*index, seed)], expected, rtol=5e-5)


def test_where_losses_are_exact_there_is_none(tmp_path) -> None:
    """A scan over activations: closed forms for one, samples for the other; info names both."""
    experiment = relu(gradient="sampled", record=jaxsup.Record(points=3))
    sweep = jaxsup.Sweep(experiment, {"student.activation": ["identity", "relu"]}, seeds=2)
    dataset = run(sweep, tmp_path / "store").load()
    assert dataset.attrs["loss_evaluation"] == "linear, 128 samples a seed"
    assert np.isfinite(dataset["loss"]).all()
    assert np.isnan(dataset["loss_stderr"].values[0]).all()
    assert (dataset["loss_stderr"].values[1] > 0).all()
    text = str(take_inventory(tmp_path / "store"))
    assert "loss: linear, 128 samples a seed" in text
    linear = dataclasses.replace(experiment.student, activation="identity")
    exact = jaxsup.Sweep(dataclasses.replace(experiment, student=linear), {}, seeds=2)
    assert "loss_stderr" not in layout(exact).variables


def test_the_samples_of_a_scan_follow_each_setting() -> None:
    experiment = relu(batch_size=BATCH, record=jaxsup.Record())
    sweep = jaxsup.Sweep(experiment, {"steps": [STEPS, 10 * STEPS]})
    numbers = [jaxsup.Record().samples(steps, BATCH, 8) for steps in (STEPS, 10 * STEPS)]
    assert numbers[0] < numbers[1]
    told = layout(sweep)
    assert told.evaluations == [f"{number} samples a seed" for number in numbers]
    identities = [identity["evaluation"]["samples"] for identity in told.update_identities]
    assert sorted(identities) == numbers


def test_the_fingerprint_tells_numbers_of_samples_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the configuration, and that which follows from it."""
    experiment = relu(batch_size=BATCH, steps=STEPS, record=jaxsup.Record())
    sweep = jaxsup.Sweep(experiment, {"optimizer.learning_rate": [0.1, 0.2]})
    before = layout(sweep)
    assert "evaluation_samples" not in json.loads(before.attributes()["configuration"])["record"]
    fixed = jaxsup.Record(evaluation_samples=4096)
    asked = jaxsup.Sweep(dataclasses.replace(experiment, record=fixed), sweep.axis_table())
    monkeypatch.setattr(record, "_FEWEST_SAMPLES", 1024)
    after = layout(sweep)
    assert len({before.fingerprint, layout(asked).fingerprint, after.fingerprint}) == 3
