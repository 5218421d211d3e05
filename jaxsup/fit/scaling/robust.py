"""Least Huber loss of log residuals, for one data set and for all of its resamplings at once.

With t the parameters of log L = log sum_j exp(a_j - s_j x_j), each term a power law and a floor one
with s = 0, the objective is sum_i m_i h(log L(x_i) - log L_i), h the Huber loss of width delta.
It is minimized by Gauss-Newton steps on reweighted squares, damped until they descend: exact
derivatives, every resampling with steps of its own, none of them through a general optimizer.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

ITERATIONS = 300
_STILL = 1e-10  # relative fall of the objective below which a resampling has arrived
_HELD = 3  # iterations in a row
_SOFTEST, _HARDEST = 1e-9, 1e9  # damping


class Design(NamedTuple):
    """What the terms of a law are powers of.

    Attributes:
        logs: x_ij, centered logarithms of size and data, one column a power law, [points, laws].
        floor: whether there is a constant beside them.
    """

    logs: Float[np.ndarray, "points laws"]
    floor: bool

    @property
    def parameters(self) -> int:
        """Amplitude and exponent a power law, and the floor."""
        return 2 * self.logs.shape[1] + self.floor


def predict(
    design: Design, parameters: Float[np.ndarray, "fits parameters"]
) -> tuple[Float[np.ndarray, "fits points"], Float[np.ndarray, "fits points parameters"]]:
    """log L at every point, and its derivative in the parameters.

    Parameters are log amplitudes and exponents in turn, then the log of the floor.
    """
    laws = design.logs.shape[1]
    heights = parameters[:, None, 0 : 2 * laws : 2]
    slopes = parameters[:, None, 1 : 2 * laws : 2]
    terms = heights - slopes * design.logs[None]
    if design.floor:
        floors = np.broadcast_to(parameters[:, None, -1:], (*terms.shape[:2], 1))
        terms = np.concatenate([terms, floors], axis=2)
    top = terms.max(axis=2, keepdims=True)
    shares = np.exp(terms - top)
    total = shares.sum(axis=2, keepdims=True)
    shares /= total
    derivative = np.empty((*terms.shape[:2], design.parameters))
    derivative[..., 0 : 2 * laws : 2] = shares[..., :laws]
    derivative[..., 1 : 2 * laws : 2] = -shares[..., :laws] * design.logs[None]
    if design.floor:
        derivative[..., -1] = shares[..., -1]
    return (top + np.log(total))[..., 0], derivative


def huber(residuals: Float[np.ndarray, "*shape"], delta: float) -> Float[np.ndarray, "*shape"]:
    """r^2 / 2 within delta, delta (|r| - delta / 2) beyond."""
    size = np.abs(residuals)
    inner = np.minimum(size, delta)
    return inner * (size - inner / 2)


def objective(
    design: Design,
    logs: Float[np.ndarray, " points"],
    weights: Float[np.ndarray, "fits points"],
    parameters: Float[np.ndarray, "fits parameters"],
    delta: float,
) -> Float[np.ndarray, " fits"]:
    """The weighted sum of Huber losses of each fit."""
    residuals = predict(design, parameters)[0] - logs[None]
    return np.sum(weights * huber(residuals, delta), axis=1)


def minimize(
    design: Design,
    logs: Float[np.ndarray, " points"],
    weights: Float[np.ndarray, "fits points"],
    start: Float[np.ndarray, "fits parameters"],
    delta: float,
) -> tuple[Float[np.ndarray, "fits parameters"], Float[np.ndarray, " fits"]]:
    """Parameters of the least objective near each start, and that objective.

    Arguments:
        design: the terms.
        logs: log L at the points.
        weights: m_i, how often each point counts in each fit.
        start: parameters to begin with.
        delta: of the Huber loss, > 0.
    """
    parameters = start.copy()
    values = objective(design, logs, weights, parameters, delta)
    damping = np.full(len(start), 1e-3)
    moving = np.arange(len(start))
    still = np.zeros(len(start), int)
    eye = np.eye(design.parameters)
    for _ in range(ITERATIONS):
        if not moving.size:
            break
        some, damp = parameters[moving], damping[moving]
        predicted, derivative = predict(design, some)
        residuals = predicted - logs[None]
        scale = weights[moving] * np.minimum(1.0, delta / np.maximum(np.abs(residuals), delta))
        weighted = derivative * scale[..., None]
        gradient = np.einsum("fpk,fp->fk", weighted, residuals)
        normal = np.matmul(weighted.transpose(0, 2, 1), derivative)
        # Scaled by its own diagonal: parameters have units of their own.
        diagonal = (
            np.einsum("fkk->fk", normal) + 1e-12 * np.trace(normal, axis1=1, axis2=2)[:, None]
        )
        damped = normal + damp[:, None, None] * diagonal[:, :, None] * eye
        step = np.linalg.solve(damped, gradient[..., None])[..., 0]
        trial = some - step
        tried = objective(design, logs, weights[moving], trial, delta)
        better = tried < values[moving]
        fall = np.where(better, 1 - tried / np.maximum(values[moving], 1e-300), 0.0)
        parameters[moving[better]] = trial[better]
        values[moving[better]] = tried[better]
        damping[moving] = np.clip(np.where(better, damp / 4, damp * 6), _SOFTEST, _HARDEST)
        still[moving] = np.where(
            better & (fall < _STILL), still[moving] + 1, np.where(better, 0, still[moving])
        )
        moving = moving[(still[moving] < _HELD) & (damping[moving] < _HARDEST)]
    return parameters, values
