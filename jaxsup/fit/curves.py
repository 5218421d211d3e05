"""Loss curves made ready for a fit: checked, cut to what has a logarithm, and binned in log t."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from jaxsup._internal.validation import fail
from jaxsup.fit.numbers import read_numbers

_MOST_STEPS = 2 * 10**6
_MOST_LOSSES = 5 * 10**7
_TOGETHER = 32  # curves: the lines through all their runs take some 10 MB
_LARGEST = 1e300  # loss that is no divergence: means over seeds are finite below
_SMALLEST = 1e-290  # loss that is not 0: its inverse and its share of a floor are finite


class Losses(NamedTuple):
    """Recorded losses that a fit may use.

    Attributes:
        steps: update counts > 0, increasing.
        values: losses, finite, with a positive mean over seeds (1e-290 is 0), [seeds, steps].
        origin: first step on record, whether or not it is within the window; bins count from it.
        dropped: seeds left out because their curve is not finite.
    """

    steps: Float[np.ndarray, " steps"]
    values: Float[np.ndarray, "seeds steps"]
    origin: float
    dropped: int


class Curve(NamedTuple):
    """One curve on the log-spaced grid, or several on the same.

    Attributes:
        x: mean of log t in each bin.
        y: mean of log L in each bin; of several curves a row each.
        spread: variance of log t in each bin.
        start: each bin's first entry.
        stop: one past its last entry.
    """

    x: Float[np.ndarray, " points"]
    y: Float[np.ndarray, "*curves points"]
    spread: Float[np.ndarray, " points"]
    start: Int[np.ndarray, " points"]
    stop: Int[np.ndarray, " points"]


def read_losses(
    steps: ArrayLike, loss: ArrayLike, window: tuple[float, ...] | None = None
) -> Losses:
    """The part of a record inside the window and before the first mean loss <= 0.

    Arguments:
        steps: update counts >= 0, increasing, [steps]; step 0 has no logarithm and is left out.
        loss: [steps] or [seeds, steps]; what is masked, not finite or beyond 1e300 is left out:
            entries in 1-D, seeds in 2-D. Steps that are masked for every seed are left out too.
        window: first and last step, both included; default: all.

    Returns:
        The losses, their seeds in an order that does not depend on the one given.

    Raises:
        ValueError: no real numbers or too many of them, shapes that do not match, steps out of
            order, fewer than 3 that are positive, or a window that lies outside of them.
    """
    t, losses = _checked(steps, loss)
    _check_window(window, t)
    if losses.ndim == 1:
        finite = np.isfinite(losses)
        t, values, dropped = t[finite], losses[None, finite], 0
    else:
        finite = np.isfinite(losses).all(1)
        values, dropped = losses[finite], int(np.sum(~finite))
        if len(values):
            values = values[np.lexsort(values.T[:: max(1, t.size // 16)])]
    use = np.cumsum(values.mean(0) <= _SMALLEST) == 0 if len(values) else np.zeros(t.shape, bool)
    if window is not None:
        use &= (t >= window[0]) & (t <= window[1])
    return Losses(t[use], values[:, use], float(t[0]) if t.size else 1.0, dropped)


def bin_curve(losses: Losses, points_per_decade: int) -> Curve:
    """Means of log t and of the log of the mean loss, over bins of 1 / points_per_decade decade."""
    t = losses.steps
    x, y = np.log(t), np.log(losses.values.mean(0)) if t.size else t
    # The small shift keeps steps that lie on an edge, up to rounding, on one side of it.
    label = np.floor((x - math.log(losses.origin)) * points_per_decade / math.log(10) + 1e-6)
    start = np.flatnonzero(np.diff(label, prepend=-1.0))
    stop = np.append(start[1:], x.size)[: start.size]
    center = bin_means(x, start, stop)
    spread = bin_means((x - np.repeat(center, stop - start)) ** 2, start, stop)
    return Curve(center, bin_means(y, start, stop), spread, start, stop)


def group_curves(curves: Sequence[Curve]) -> Iterator[tuple[list[int], Curve]]:
    """Curves with the same bins, up to 32 at a time, as one with a row each; and which they are."""
    groups: dict[bytes, list[int]] = {}
    for place, curve in enumerate(curves):
        bins = b"".join(part.tobytes() for part in curve._replace(y=curve.x))
        groups.setdefault(bins, []).append(place)
    for alike in groups.values():
        for start in range(0, len(alike), _TOGETHER):
            places = alike[start : start + _TOGETHER]
            yield places, curves[places[0]]._replace(y=np.stack([curves[k].y for k in places]))


def bin_means(
    values: Float[np.ndarray, "*curves steps"],
    start: Int[np.ndarray, " points"],
    stop: Int[np.ndarray, " points"],
) -> Float[np.ndarray, "*curves points"]:
    """Means over [start, stop) along the last axis."""
    return bin_sums(values, start) / (stop - start)


def bin_sums(
    values: Float[np.ndarray, "*curves steps"], start: Int[np.ndarray, " points"]
) -> Float[np.ndarray, "*curves points"]:
    """Sums from each start to the next one along the last axis."""
    return np.add.reduceat(values, start, axis=-1) if start.size else values[..., :0]


def third_differences(x: Float[np.ndarray, " points"]) -> Float[np.ndarray, "differences points"]:
    """What gives the divided differences of every four neighbors, which see no parabola."""
    count = len(x)
    four = np.arange(max(count - 3, 0))[:, None] + np.arange(4)
    gaps = x[four][:, :, None] - x[four][:, None, :] + np.eye(4)
    weights = np.zeros((len(four), count))
    np.put_along_axis(weights, four, 1 / gaps.prod(2), 1)
    return weights


def _checked(
    steps: ArrayLike, loss: ArrayLike
) -> tuple[Float[np.ndarray, " steps"], Float[np.ndarray, "*seeds steps"]]:
    """Positive steps and their losses."""
    t, no_step = read_numbers("steps", steps, _MOST_STEPS)
    losses, no_loss = read_numbers("loss", loss, _MOST_LOSSES)
    if t.ndim != 1 or losses.ndim not in (1, 2) or losses.shape[-1:] != t.shape:
        shapes = f"shapes of steps and loss {t.shape} and {losses.shape}"
        expected = "steps of shape [steps] and loss of shape [steps] or [seeds, steps]"
        do = "put the steps on the last axis of loss"
        raise fail("loss", expected, shapes, do, described=True)
    # Masked steps are none, nor are those at which every seed is masked.
    masked = no_step | (np.atleast_2d(no_loss).all(0) if no_loss.size else False)
    t, losses = t[~masked], losses[..., ~masked]
    losses = np.where(np.abs(losses) < _LARGEST, losses, np.nan)
    wrong = np.flatnonzero(~np.isfinite(t) | (t < 0) | (np.diff(t, prepend=-np.inf) <= 0))
    if wrong.size:
        culprit = f"{t[wrong[0]]:g} at index {wrong[0]}"
        expected, do = "finite numbers >= 0 in increasing order", "sort them and drop duplicates"
        raise fail("steps", expected, culprit, do, described=True)
    positive = t > 0
    if positive.sum() < 3:
        raise fail("steps", "at least 3 that are > 0", int(positive.sum()), "record more often")
    return t[positive], losses[..., positive]


def _check_window(window: tuple[float, ...] | None, t: Float[np.ndarray, " steps"]) -> None:
    """Raise unless the window is a pair that overlaps the recorded steps."""
    if window is None:
        return
    do = f"choose it within the recorded steps {t[0]:g} to {t[-1]:g}"
    if len(window) != 2 or not window[0] < window[1]:
        raise fail("window", "(first, last) with first < last", window, do)
    if window[0] >= t[-1] or window[1] <= t[0]:
        raise fail("window", "a part of the record", window, do)
