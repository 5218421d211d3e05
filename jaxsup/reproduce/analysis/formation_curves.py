"""When a recorded quantity forms: steps, shares of stretches of training, and rates beside alpha.

Every function takes the curves of all seeds, [seeds, steps], over the same steps > 0, and gives a
number a seed. Between two records a quantity is linear in log t. Its change is that from the first
to the last of the steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import spearmanr

from jaxsup import fit

Steps = Float[np.ndarray, " steps"]
Curves = Float[np.ndarray, "seeds steps"]


def forming_steps(
    steps: Steps, values: Curves, shares: Sequence[float]
) -> Float[np.ndarray, "seeds shares"]:
    """From which step on each share of the change has been made, for good.

    Arguments:
        steps: rising, > 0.
        values: of every seed; where it ends as it starts, NaN.
        shares: of the change, in (0, 1).
    """
    change = values[:, -1:] - values[:, :1]
    progress = (values - values[:, :1]) / np.where(change == 0, np.nan, change)
    times = np.log(steps)
    crossings = np.full((len(values), len(shares)), np.nan)
    for seed, curve in enumerate(progress):
        if not np.isfinite(curve).all():
            continue
        for place, share in enumerate(shares):
            last = int(np.flatnonzero(curve < share)[-1])
            part = (share - curve[last]) / (curve[last + 1] - curve[last])
            crossings[seed, place] = times[last] + part * (times[last + 1] - times[last])
    return np.exp(crossings)


def directness(values: Curves) -> Float[np.ndarray, " seeds"]:
    """|change| over the length of the way, sum |v_(k+1) - v_k|: 1 where it only rises or falls.

    NaN where nothing moves.
    """
    way = np.abs(np.diff(values, axis=1)).sum(axis=1)
    return np.abs(values[:, -1] - values[:, 0]) / np.where(way == 0, np.nan, way)


def shares_between(
    steps: Steps, values: Curves, edges: Float[np.ndarray, " edges"]
) -> Float[np.ndarray, "seeds parts"]:
    """The share of the change that falls between each two edges; negative where it goes back.

    Arguments:
        steps: rising, > 0.
        values: of every seed.
        edges: steps, rising, within those of the curve.
    """
    at_edges = np.array([np.interp(np.log(edges), np.log(steps), curve) for curve in values])
    change = values[:, -1:] - values[:, :1]
    return np.diff(at_edges, axis=1) / np.where(change == 0, np.nan, change)


def edges_between(windows: Sequence[tuple[float, float]], steps: Steps) -> Float[np.ndarray, " n"]:
    """Edges of windows (first, last) that follow each other: halfway in log t between neighbors.

    The first and the last edge are those of the curve.
    """
    inner = [np.sqrt(last * first) for (_, last), (first, _) in itertools.pairwise(windows)]
    return np.array([steps[0], *inner, steps[-1]], np.float64)


def rates(
    steps: Steps, values: Curves
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "seeds n"]]:
    """|d v / d log t|, with the sign + where it goes the way of the change, by local lines.

    Those of `jaxsup.fit.local_exponent`, with its bins and bandwidth: of exp(-v), whose logarithm
    is -v.

    Returns:
        Steps of the bins, and the rate of every seed there.
    """
    lines = [fit.local_exponent(steps, np.exp(-curve)) for curve in values]
    signs = np.sign(values[:, -1] - values[:, 0])
    return lines[0].steps, signs[:, None] * np.array([line.exponent for line in lines])


def rank_correlations(
    first: Float[np.ndarray, "seeds n"], second: Float[np.ndarray, "seeds n"]
) -> Float[np.ndarray, " seeds"]:
    """Spearman's correlation of each seed's pair of curves; NaN where one stands still."""
    return np.array([_spearman(x, y) for x, y in zip(first, second, strict=True)])


def peaks(curves: Float[np.ndarray, "seeds n"]) -> Int[np.ndarray, " seeds"]:
    """The point at which each seed's curve is largest."""
    return np.argmax(curves, axis=1)


def place_of(points: Int[np.ndarray, " seeds"], count: int) -> str:
    """Where all seeds have their peak: "start", "inside" or "end" of `count` points.

    "unclear" where they differ.
    """
    names = np.where(points == 0, "start", np.where(points == count - 1, "end", "inside"))
    return str(names[0]) if (names == names[0]).all() else "unclear"


def _spearman(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    if len(x) < 3 or not np.ptp(x) or not np.ptp(y):
        return float("nan")
    return float(spearmanr(x, y).statistic)  # pyright: ignore[reportAttributeAccessIssue]
