"""What no update changes: on an accelerator, the host makes the tables of the settings."""

import dataclasses

import jax
import numpy as np
import pytest
from jax.sharding import Mesh
from sweep_cases import assert_same_bits

import jaxsup
from jaxsup.sweep import compiled


def sweep(axes, count: int = 40) -> jaxsup.Sweep:
    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(count, 1.5),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(8),
        jaxsup.SGD(0.3),
        batch_size=8,
        steps=6,
        record=jaxsup.Record(points=2, evaluation_samples=16),
    )
    return jaxsup.Sweep(experiment, axes, 2)


@pytest.mark.slow
@pytest.mark.parametrize("rates", [[0.3], [0.1, 0.3]], ids=["one setting", "settings"])
def test_tables_of_the_host_are_those_of_the_devices(rates, monkeypatch):
    """As on an accelerator, but for the numbers' rounding there."""
    axes = {"features.exponent": [1.1, 1.5], "optimizer.learning_rate": rates}
    expected = jaxsup.run(sweep(axes))
    asked = []

    def host(placement):
        asked.append(placement)
        mesh = Mesh(np.asarray(jax.local_devices()[:1]), ("replica",))
        return dataclasses.replace(placement, mesh=mesh)

    monkeypatch.setattr(compiled, "_host_of", host)
    assert_same_bits(jaxsup.run(sweep(axes)), expected)
    assert asked


def test_a_cpu_makes_its_own_tables():
    mesh = Mesh(np.asarray(jax.local_devices()[:1]), ("replica",))
    placement = compiled.Placement(mesh, (1, 1), alike=True, one_copy=True)
    assert compiled._host_of(placement) is None
