"""Runs of an optimizer on a fixed quadratic, by optax and by hand in float64 numpy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

STEPS = 6
START = {"core": np.array([0.5, -1.0, 2.0]), "bias": np.array([0.3])}


def gradients(parameters):
    """Of a fixed quadratic: any smooth function of the parameters does."""
    return {"core": 0.7 * parameters["core"] - 0.2, "bias": 1.5 * parameters["bias"] + 0.1}


def train(optimizer):
    """The parameters after each update, [STEPS, ...]."""
    transformation = optimizer.transformation(STEPS)
    start = {name: jnp.asarray(value, jnp.result_type(float)) for name, value in START.items()}

    def update(carry, _):
        parameters, state = carry
        updates, state = transformation.update(gradients(parameters), state, parameters)
        parameters = jax.tree.map(jnp.add, parameters, updates)
        return (parameters, state), parameters

    return jax.lax.scan(update, (start, transformation.init(start)), None, length=STEPS)[1]


def by_hand(kind: str, rate=lambda t: 0.1, bias_rate=None, **hyper):
    """The same in numpy; the update number t counts from 0."""
    rates: dict[str, Any] = dict.fromkeys(START, rate)
    rates["bias"] = rate if bias_rate is None else bias_rate
    parameters = {name: value.copy() for name, value in START.items()}
    first = {name: np.zeros_like(value) for name, value in START.items()}
    second = {name: np.zeros_like(value) for name, value in START.items()}
    history = []
    for t in range(STEPS):
        gradient = gradients(parameters)
        for name, g in gradient.items():
            if kind == "sgd":
                first[name] = hyper["momentum"] * first[name] + g
                step = first[name]
            else:
                b1, b2 = hyper["b1"], hyper["b2"]
                first[name] = b1 * first[name] + (1 - b1) * g
                second[name] = b2 * second[name] + (1 - b2) * g**2
                mean = first[name] / (1 - b1 ** (t + 1))
                square = second[name] / (1 - b2 ** (t + 1))
                step = mean / (np.sqrt(square) + hyper["eps"])
                step = step + hyper.get("weight_decay", 0.0) * parameters[name]
            parameters[name] = parameters[name] - rates[name](t) * step
        history.append({name: value.copy() for name, value in parameters.items()})
    return {name: np.stack([entry[name] for entry in history]) for name in START}


def assert_equal_runs(parameters: Any, expected: Any, rtol=1e-12):
    for name in START:
        np.testing.assert_allclose(parameters[name], expected[name], rtol=rtol, atol=rtol)


DEFAULTS = {"b1": 0.9, "b2": 0.999, "eps": 1e-8}
