"""Arrays of several programs share variables only where they have the same dimensions."""

import equinox as eqx
import jax.numpy as jnp
import pytest
from factories import relu_experiment
from helpers import assert_one_line_error

import jaxsup


class Own(jaxsup.AbstractStudent):
    """Outputs that are W at all samples, W of as many axes as asked for."""

    latent: int = eqx.field(static=True, default=3)
    ndim: int = eqx.field(static=True, default=2)

    def init_parameters(self, key, count):
        return {"W": jnp.ones((count,) * self.ndim)}

    def outputs(self, parameters, x):
        return x + jnp.sum(parameters["W"])


class Part(jaxsup.Observable):
    """The first errors."""

    size: int = eqx.field(static=True)
    name: str = eqx.field(static=True, default="part")
    dims: tuple[str, ...] = eqx.field(static=True, default=("entry",))
    long_name: str = eqx.field(static=True, default="part")
    units: str = eqx.field(static=True, default="1")

    def measure(self, network):
        return network.errors[: self.size] if self.dims else network.loss


def run(axes, *observables):
    """Train tiny networks whose arrays are kept."""
    record = jaxsup.Record(points=2, observables=observables, parameter_steps=(1,))
    experiment = relu_experiment(Own(), jaxsup.SGD(0.1), steps=1, record=record)
    return jaxsup.run(jaxsup.Sweep(experiment, axes), progress=False)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_an_array_of_other_dimensions_in_another_setting_is_a_one_line_error(order):
    students = [Own(ndim=ndim) for ndim in order]
    match = r"^array W: expected the dimensions .* in all settings; got .*; call it otherwise"
    assert_one_line_error(lambda: run({"student": students}), match)


def test_an_observable_of_other_dimensions_in_another_setting_is_a_one_line_error():
    records = [
        jaxsup.Record(points=2, observables=(Part(size=3, dims=d),)) for d in ((), ("entry",))
    ]
    match = r"^array part: expected the dimensions \(\) in all settings; got \('entry',\)"
    assert_one_line_error(lambda: run({"record": records}), match)


@pytest.mark.parametrize("name", ["W", "W_0"])
def test_an_axis_called_as_an_array_or_its_dimension_is_a_one_line_error(name):
    axes = {name: {"optimizer.learning_rate": [0.1, 0.2]}}
    match = rf"^axes: expected names of their own; got '{name}' for the array W too; call the axis"
    assert_one_line_error(lambda: run(axes), match)


@pytest.mark.parametrize(
    "part", [Part(size=3, dims=("W",)), Part(size=3, name="W_1", dims=("entry",))]
)
def test_a_dimension_called_as_an_array_is_a_one_line_error(part):
    match = r"^array \w+: expected dimensions that are no arrays; got 'W(_1)?'; call one of them"
    assert_one_line_error(lambda: run({}, part), match)


def test_an_observable_without_entries_is_a_one_line_error():
    match = r"^observable part: expected values; got values of shape \(0,\); return NaN"
    assert_one_line_error(lambda: run({}, Part(size=0)), match)
