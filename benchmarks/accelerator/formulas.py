"""Gradients of students in NumPy and float64, from the formula: what devices are held against."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Arrays = dict[str, Any]
"""By the names of a student's parameters; None for what it has not."""

_ROOT_TWO, _ROOT_TWO_PI = math.sqrt(2.0), math.sqrt(2.0 * math.pi)


def _gelu(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.special import erf

    share = 0.5 * (1 + erf(z / _ROOT_TWO))
    return z * share, share + z * np.exp(-0.5 * z * z) / _ROOT_TWO_PI


ACTIVATIONS: dict[str, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "identity": lambda z: (z, np.ones_like(z)),
    "relu": lambda z: (np.maximum(z, 0), (z > 0).astype(z.dtype)),
    "leaky-relu": lambda z: (np.where(z > 0, z, 0.3 * z), np.where(z > 0, 1.0, 0.3)),
    "abs": lambda z: (np.abs(z), np.sign(z)),
    "gelu": _gelu,
}
"""phi and phi'; the slope of the leaky ReLU is 0.3."""


class Loss(NamedTuple):
    """1/2 sum_i mean (phi(z)_i - y_i)^2, with z = V^T B W x + c and y = A x.

    Attributes:
        activation: the name of phi.
        teacher: A, [features, features].
    """

    activation: str
    teacher: np.ndarray

    def gradient(self, parameters: Arrays, x: np.ndarray) -> Arrays:
        """Its derivative in all arrays of a student, on samples x [batch, features]."""
        W, V, B, c = (parameters[name] for name in ("embedding", "readout", "core", "bias"))
        D = W if V is None else V
        inner = x if W is None else x @ W.T
        hidden = inner if B is None else inner @ B.T
        z = hidden if D is None else hidden @ D
        output, slope = ACTIVATIONS[self.activation](z if c is None else z + c)
        delta = (output - x @ self.teacher.T) * slope / len(x)
        back = delta if D is None else delta @ D.T
        reading, writing = hidden.T @ delta, (back if B is None else back @ B).T @ x
        return {
            "embedding": writing + reading if V is None else writing,
            "readout": reading,
            "core": back.T @ inner,
            "bias": delta.sum(axis=0),
        }
