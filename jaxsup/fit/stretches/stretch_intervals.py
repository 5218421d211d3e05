"""How well the exponents of stretches, and the floor of a curve, are known."""

import math

import numpy as np
from jaxtyping import Float

from jaxsup.fit.curves import Curve
from jaxsup.fit.intervals import Estimate
from jaxsup.fit.stretches.bin_noise import Noise
from jaxsup.fit.stretches.kinds import Core
from jaxsup.fit.stretches.segmentation import Piece
from jaxsup.fit.stretches.tails import Tail

_BORROWED = 6  # degrees of freedom that a short stretch has of the whole curve's noise


def line_influence(
    x: Float[np.ndarray, " points"], variance: Float[np.ndarray, " points"]
) -> Float[np.ndarray, " points"]:
    """d alpha / d log L of a weighted line, alpha = -d log L / d log t."""
    weight = 1 / variance
    centered = x - (weight @ x) / weight.sum()
    return -weight * centered / (weight @ centered**2)


def measure_interval(
    curve: Curve,
    deviations: Float[np.ndarray, "seeds points"],
    noise: Noise,
    core: Core,
    tails: list[Tail],
    confidence: float,
) -> tuple[float, float]:
    """Interval of a stretch's exponent.

    Arguments:
        curve: the binned curve.
        deviations: of each seed from the mean, `seed_deviations`.
        noise: of the bins.
        core: where the exponent is measured.
        tails: bent laws that start with this stretch, or may hide in it: each has an exponent of
            its own, and the interval reaches as far as it would lie from the line's.
        confidence: level, in (0, 1).

    Returns:
        Noise (Student's t by the scatter or over the seeds, whichever is wider), drift beyond the
        noise and the margins' shift in quadrature; then the tails on their side, each with the
        error of its bend.
    """
    from scipy.special import ndtri, stdtrit

    level, seeds = (1 + confidence) / 2, len(deviations)
    bins = slice(core.first, core.last + 1)
    influence = line_influence(curve.x[bins], noise.total[bins])
    margin = core.error * float(stdtrit(core.last - core.first - 1 + _BORROWED, level))
    if seeds > 1:
        slopes = deviations[:, bins] @ influence
        error = float(np.std(slopes, ddof=1)) / math.sqrt(seeds)
        margin = max(margin, error * float(stdtrit(seeds - 1, level)))
    drift = math.sqrt(max(core.drift**2 - 4 * core.drift_error**2, 0) / 12) * float(ndtri(level))
    margin = math.hypot(margin, drift, core.shift)
    z = float(ndtri(level)) * math.sqrt(noise.inflation)
    biases = [
        _bias(curve, influence, core, tail) * (1 + z * min(tail.error, 0.5)) for tail in tails
    ]
    low, high = min([0.0, *biases]), max([0.0, *biases])
    return core.exponent - margin + low, core.exponent + margin + high


def measure_floor(
    curve: Curve, noise: Noise, plateau: Piece | None, tail: Tail | None, confidence: float
) -> Estimate | None:
    """The level that a curve ends at, by the law that bends towards it or by its last plateau."""
    from scipy.special import ndtri

    if tail is not None and tail.kind == "floor":
        level, variance, basis = tail.level, tail.error**2, "power law with a floor"
    elif plateau is not None:
        bins = slice(plateau.first, plateau.last + 1)
        weight = 1 / noise.total[bins]
        level = math.exp(float(weight @ curve.y[bins]) / float(weight.sum()))
        variance, basis = 1 / float(weight.sum()), "mean of the last plateau"
    else:
        return None
    width = math.exp(float(ndtri((1 + confidence) / 2)) * math.sqrt(noise.inflation * variance))
    return Estimate(level, level / width, level * width, basis)


def _bias(curve: Curve, influence: Float[np.ndarray, " points"], core: Core, tail: Tail) -> float:
    """alpha of a bent law minus the slope of the line through it."""
    local = tail.local[: len(influence)]
    steps = np.diff(curve.x[core.first : core.last + 1])
    fallen = np.concatenate([[0.0], np.cumsum(steps * (local[1:] + local[:-1]) / 2)])
    return tail.exponent + float(influence @ fallen)
