"""Arrays of a student of one's own have a place in a dataset, each under a name of its own."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from factories import relu_experiment
from helpers import assert_one_line_error

import jaxsup

COUNT, LATENT = 6, 3


def student(parameters: Any, **dims: Any) -> jaxsup.AbstractStudent:
    """A student with these arrays, and these dimensions of them."""

    class Own(jaxsup.AbstractStudent):
        latent: int = eqx.field(static=True, default=LATENT)
        parameter_dims = dims

        def init_parameters(self, key, count):
            return parameters

        def outputs(self, parameters, x):
            return x + sum(jnp.sum(leaf) for leaf in jax.tree.leaves(parameters))

    return Own()


W = jnp.ones((LATENT, COUNT))
REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no name": (W, {}, r"^student: expected arrays with names .*; got one without; return a mod"),
    "empty": ({"": W}, {}, r"^student: .*; got one without"),
    "slash": ({"a/b": W}, {}, r"^student: .*; got 'a/b'; call .* in letters, digits and _$"),
    "dots": ({"..": W}, {}, r"^student: .*; got '\.\.'"),
    "twice": ({"a": {"b": W}, "a_b": W}, {}, r"^student: .*; got 'a_b' twice"),
    "coordinate": ({"seed": W}, {}, r"^student: .*; got 'seed', which every dataset has"),
    "status": ({"status": W}, {}, r"^student: .*; got 'status', which every dataset has"),
    "dimension": ({"feature": W}, {}, r"^student: .*; got 'feature', which every"),
    "journal": ({"journal": W}, {}, r"^student: .*; got 'journal', which every"),
    "no entries": ({"a": W, "b": W[:0]}, {}, r"^student: .*; got 'b' of the shape \(0, 6\); leave"),
    "few dims": (
        {"a": W},
        {"a": ("k",)},
        r"^student\.parameter_dims\['a'\]: expected 2 different words in a tuple; got \('k',\)",
    ),
    "same dims": ({"a": W}, {"a": ("k", "k")}, r"parameter_dims\['a'\]: expected 2 different"),
    "a list": ({"a": W}, {"a": ["k", "i"]}, r"parameter_dims\['a'\]: .* in a tuple; got \['k'"),
    "dotted dims": ({"a": W}, {"a": ("k.j", "i")}, r"parameter_dims\['a'\]: expected 2 different"),
    "taken dims": ({"a": W}, {"a": ("seed", "i")}, r"dimensions that are free; got 'seed'; call"),
    "an array's": ({"a": W, "a_0": W}, {}, r"dimensions that are free; got 'a_0'; call"),
    "turned": (
        {"a": W},
        {"a": ("feature", "latent")},
        r"expected 6 of them along 'feature'; got a shape \(3, 6\); a dimension of other sizes",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_arrays_without_a_place_in_a_dataset_are_a_one_line_error(case):
    parameters, dims, match = REFUSED[case]
    assert_one_line_error(lambda: relu_experiment(student(parameters, **dims)), match)


def test_arrays_in_tuples_and_nested_modules_have_names():
    parameters = {"layer": ({"W": W}, {"W": W}), "core": jnp.ones((LATENT, LATENT))}
    own = student(parameters, core=("latent", "latent_in"), layer_0_W=("latent", "feature"))
    record = jaxsup.Record(points=2, parameter_steps=(1,))
    experiment = relu_experiment(own, jaxsup.SGD(0.0), steps=1, record=record)
    dataset = jaxsup.run(jaxsup.Sweep(experiment), progress=False)
    assert dataset["layer_0_W"].dims == ("seed", "kept_step", "latent", "feature")
    assert dataset["layer_1_W"].dims == ("seed", "kept_step", "layer_1_W_0", "layer_1_W_1")
    assert (dataset["core"] == 1).all()
