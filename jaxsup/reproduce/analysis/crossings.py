"""When recorded curves fall to a level: between two records by log value against log step."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

_LEAST = 1e-300
"""Stands for a value of zero, which has no logarithm."""


def steps_to(
    levels: Float[np.ndarray, " levels"],
    steps: Float[np.ndarray, " steps"],
    loss: Float[np.ndarray, "*curves steps"],
) -> Float[np.ndarray, "*curves levels"]:
    """When a curve first falls to each level.

    Arguments:
        levels: as shares of the curve's first loss, falling.
        steps: rising, the first one 0, which only gives that loss.
        loss: one or many curves; one that holds NaN reaches nothing.

    Returns:
        Steps, fractions included; infinite where a level is never reached.
    """
    relative = loss[..., 1:] / loss[..., :1]
    lowest = np.minimum.accumulate(relative, axis=-1)
    curves = lowest.reshape(-1, lowest.shape[-1])
    crossings = np.full((len(curves), len(levels)), np.inf)
    times = np.log(steps[1:])
    for row, curve in enumerate(curves):
        if not np.isfinite(curve).all():
            continue
        depth = -np.log(np.maximum(curve, _LEAST))
        depths = -np.log(levels)
        reached = depths <= depth[-1]
        first = np.searchsorted(depth, depths[reached])
        before = np.maximum(first - 1, 0)
        rise = depth[first] - depth[before]
        share = (depths[reached] - depth[before]) / np.where(rise > 0, rise, np.inf)
        crossings[row, reached] = np.exp(times[before] + share * (times[first] - times[before]))
    return crossings.reshape(*lowest.shape[:-1], len(levels))


def steps_to_half(
    steps: Float[np.ndarray, " steps"], errors: Float[np.ndarray, "*curves steps"]
) -> Float[np.ndarray, "*curves"]:
    """From which step on an error stays below half of its first value.

    Arguments:
        steps: rising, the first one 0, which only gives the first value.
        errors: > 0; NaN reaches nothing.

    Returns:
        Steps, fractions included; infinite where the error is not below half at the end.
    """
    relative = errors[..., 1:] / errors[..., :1]
    curves = relative.reshape(-1, relative.shape[-1])
    times = np.log(steps[1:])
    crossings = np.full(len(curves), np.inf)
    for row, curve in enumerate(curves):
        above = np.flatnonzero(~(curve < 0.5))
        if not above.size:
            crossings[row] = steps[1]
        elif above[-1] < len(curve) - 1:
            last = int(above[-1])
            before, after = (np.log(max(curve[k], _LEAST)) for k in (last, last + 1))
            share = (before - np.log(0.5)) / (before - after)
            crossings[row] = np.exp(times[last] + share * (times[last + 1] - times[last]))
    return crossings.reshape(relative.shape[:-1])
