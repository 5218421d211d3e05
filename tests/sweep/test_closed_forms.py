"""Closed forms of stored sweeps, against the networks that were trained."""

from typing import Any

import numpy as np
import pytest
import xarray as xr
from factories import relu_experiment

import jaxsup
from jaxsup.sweep.closed_forms import theory_curves


def linear_sweep(**student: Any) -> jaxsup.Sweep:
    """Linear students on the exact loss, over the importance exponent b, two seeds."""
    experiment = jaxsup.Experiment(
        jaxsup.GaussianFeatures(12, 1.5),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(activation="identity", core_scale=0.2, **student),
        jaxsup.SGD(0.3),
        steps=40,
        gradient="exact",
        record=jaxsup.Record(points=8),
    )
    return jaxsup.Sweep(experiment, {"teacher.exponent": [0.0, 1.0]}, seeds=[3, 8])


@pytest.mark.parametrize(
    "student", [{"latent": 12, "embedding": "identity"}, {"latent": 5, "bias": False}]
)
def test_theory_curves_are_the_medians_of_what_the_seeds_do(student: dict[str, Any]) -> None:
    dataset = jaxsup.run(linear_sweep(**student))
    theory = theory_curves(dataset)
    assert theory is not None
    assert theory.dims == ("teacher.exponent", "step")
    np.testing.assert_allclose(theory, dataset["loss"].median("seed"), rtol=1e-4)
    curve = theory_curves(dataset.isel({"teacher.exponent": 1}, drop=False))
    assert curve is not None
    np.testing.assert_allclose(curve, theory[1])


def test_there_are_no_theory_curves_without_a_closed_form() -> None:
    sweep = linear_sweep(latent=12, embedding="learned", core=False)
    assert theory_curves(jaxsup.run(sweep)) is None


def test_a_dataset_with_a_class_from_outside_has_no_theory():
    """What it names is not imported: its curves are drawn without."""

    class Twice(jaxsup.AbstractTeacher):
        def targets(self, x):
            return 2 * x

    sweep = jaxsup.Sweep(relu_experiment(teacher=Twice()))
    dataset = jaxsup.run(sweep)
    assert theory_curves(dataset) is None


@pytest.mark.parametrize("case", ["dropped", "renamed", "laid along a run"])
def test_settings_that_no_coordinate_tells_have_no_theory_curves(case: str) -> None:
    dataset = jaxsup.run(linear_sweep(latent=12, embedding="identity"))
    lost = {
        "dropped": dataset.isel({"teacher.exponent": 0}, drop=True),
        "renamed": dataset.rename({"teacher.exponent": "b"}),
        "laid along a run": xr.concat([dataset, dataset], "run", combine_attrs="override"),
    }[case]
    assert theory_curves(lost) is None
