"""Norms of the arrays of phi(V^T B W x + c), also where W = I or V = W is no array of its own."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsup
from jaxsup.experiment.hidden_layer import HiddenLayerStudent
from jaxsup.experiment.observables import Network
from jaxsup.training.observables import OBSERVABLES

NAMES = ("embedding", "readout", "core", "bias")
STUDENTS: dict[str, Any] = {
    "untied": jaxsup.Student(3, "untied", bias_scale=0.1),
    "tied": jaxsup.Student(3, "learned", core=False),
    "frozen": jaxsup.Student(3, bias=False),
    "identity": jaxsup.Student(6, "identity"),
    "hidden tied": HiddenLayerStudent(3, "learned", bias_scale=0.1),
    "hidden untied": HiddenLayerStudent(3, bias=False),
}


@pytest.mark.parametrize("case", STUDENTS)
def test_norms_are_those_of_the_formula(case: str) -> None:
    """V is W where it is not learned apart, W is I where it is no array; else NaN is none."""
    student = STUDENTS[case]
    parameters = student.init_parameters(jax.random.key(0), 6)
    W = np.eye(6) if parameters.embedding is None else parameters.embedding
    V = W if parameters.readout is None else parameters.readout
    arrays = W, V, getattr(parameters, "core", None), parameters.bias
    network = Network(parameters, jnp.ones(6), jnp.ones(()), student)
    for name, array in zip(NAMES, arrays, strict=True):
        norm = np.nan if array is None else np.sqrt((np.asarray(array, np.float64) ** 2).sum())
        measured = OBSERVABLES[f"{name}_norm"].measure(network)
        np.testing.assert_allclose(measured, norm, rtol=1e-6, err_msg=name)
