"""Ensembles in the cores' own float32: not programs that were traced without being asked for it."""

from unittest import mock

import jax
import pytest

from benchmarks.accelerator.ensembles import (
    Ensemble,
    bottleneck_experiment,
    own_float32,
    small_case,
)
from jaxsup.sweep import distributed
from jaxsup.training.updates.listed import Listed


@pytest.mark.slow
def test_the_same_ensemble_is_traced_anew_inside_and_outside(monkeypatch):
    asked, own = [], distributed.training_products

    def noted(experiment, device):
        asked.append(experiment.precision)
        return own(experiment, device)

    monkeypatch.setattr(distributed, "training_products", noted)
    experiment, devices = bottleneck_experiment(small_case(small=True)), jax.local_devices()[:1]
    usual = Listed.on
    Ensemble(experiment, 2, devices)
    assert asked == ["float32"]
    with own_float32():
        Ensemble(experiment, 2, devices)
        inside = distributed.training_products
        assert isinstance(inside, mock.Mock)
        assert inside.call_count == 1
        assert Listed.on is not usual
    assert Listed.on is usual
    Ensemble(experiment, 2, devices)
    assert asked == ["float32"] * 2
