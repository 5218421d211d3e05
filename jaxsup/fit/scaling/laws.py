"""Loss against model size and data: floor, amplitudes and exponents, each with an interval."""

import itertools
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxsup._internal.blas import one_blas_thread
from jaxsup._internal.validation import (
    check_boolean,
    check_integer,
    check_number,
    check_positive_integer,
    fail,
)
from jaxsup.fit.intervals import Estimate
from jaxsup.fit.scaling.results import ScalingFit, ScalingTerm, positive_numbers
from jaxsup.fit.scaling.robust import Design, minimize, objective, predict

DELTA = 1e-3
"""Width of the Huber loss, in units of log L (Hoffmann et al., arXiv 2203.15556)."""
_LEVEL = 0.95
_EXPONENTS = (0.05, 0.15, 0.3, 0.5, 0.8, 1.2, 1.7)  # that a search begins with
_FLOORS = (0.98, 0.8, 0.5, 0.1)  # shares of the least loss that a search begins with
_BEST = 24  # starts of a search that are followed
_SPAN = 4.0  # least ratio between the ends of an axis
_NO_FLOOR = 1e-6  # share of the least loss below which a floor is none
_SMALL = 0.05  # the same below which it may have been found by mistake
_NO_EXPONENT = 1e-6  # exponents that are none
_ALIKE = 0.999  # correlation of the axes from which they are one


@one_blas_thread()
def fit_scaling(
    loss: ArrayLike,
    *,
    size: ArrayLike | None = None,
    data: ArrayLike | None = None,
    floor: bool = True,
    delta: float = DELTA,
    resamples: int = 500,
    seed: int = 0,
) -> ScalingFit:
    """L(N) = E + A / N^alpha, L(D) = E + B / D^beta, or L(N, D) = E + A / N^alpha + B / D^beta.

    The parameters minimize sum_i h(log L(N_i, D_i) - log L_i) with the Huber loss h of width
    `delta`, which outliers hardly move, from a grid of starts. Intervals are the 2.5% and 97.5%
    quantiles of fits to resampled points (a bootstrap of pairs).

    Arguments:
        loss: L > 0, [points].
        size: N > 0 of each point: parameters, or any measure of size.
        data: D > 0 of each point: tokens, samples, steps or compute.
        floor: whether there is an E >= 0.
        delta: > 0, in units of log L: residuals beyond it count by their size and not its square.
        resamples: fits of the bootstrap, at least 50.
        seed: of the bootstrap, >= 0.

    Raises:
        ValueError: numbers are not positive and finite or their shapes differ; neither `size` nor
            `data` is given; an axis spans less than a factor of 4 or has fewer than four values;
            the axes are one (D in a fixed ratio to N); there are fewer points than twice the
            parameters.

    References: Hoffmann et al., arXiv 2203.15556, approach 3; Besiroglu et al., arXiv 2404.10102.

    >>> size = np.geomspace(1e6, 1e9, 12)
    >>> law = fit_scaling(1.7 + 400 * size**-0.34, size=size)
    >>> round(law.floor.value, 3), round(law.size.exponent.value, 3)
    (1.7, 0.34)
    """
    check_number("delta", delta, "give a width in log L, say 1e-3", low=0, low_open=True)
    check_boolean("floor", floor)
    floor = bool(floor)
    check_positive_integer("resamples", resamples, "give a number of fits")
    if resamples < 50:
        raise fail("resamples", "at least 50", resamples, "intervals want hundreds")
    check_integer("seed", seed, "give a natural number", low=0)
    losses = positive_numbers("loss", loss)
    axes = {
        name: _axis(name, values, losses)
        for name, values in (("size", size), ("data", data))
        if values is not None
    }
    if not axes:
        raise fail("size, data", "at least one of them", None, "give what the loss depends on")
    logs = np.log(np.stack(list(axes.values()), axis=1))
    _check_design(logs, floor)
    centers = logs.mean(axis=0)
    design, targets = Design(logs - centers, floor), np.log(losses)
    best, value = _search(design, targets, delta)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(losses), np.full(len(losses), 1 / len(losses)), resamples)
    fits = _resample(design, targets, counts.astype(np.float64), best, delta)
    basis = f"bootstrap of {len(losses)} points"
    numbers = [_estimate(best[place], fits[:, place], basis) for place in range(design.parameters)]
    terms = {}
    for place, name in enumerate(axes):
        heights = _uncentered(best, fits, place, centers[place])
        amplitude = _estimate(heights[0], heights[1], basis, exponential=True)
        terms[name] = ScalingTerm(amplitude, numbers[2 * place + 1], float(heights[0]))
    least = _NO_FLOOR * float(losses.min())
    return ScalingFit(
        floor=_floor(best[-1], fits[:, -1], basis, least) if floor else None,
        size=terms.get("size"),
        data=terms.get("data"),
        residuals=predict(design, best[None])[0][0] - targets,
        objective=value,
        delta=delta,
        problem=_problem(terms),
    )


def _axis(
    name: str, values: ArrayLike, losses: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, " points"]:
    """An axis of the law, as long as the losses and wide enough."""
    numbers = positive_numbers(name, values)
    if losses.ndim != 1 or numbers.shape != losses.shape:
        text = f"shapes {numbers.shape} and {losses.shape}"
        raise fail(name, "[points], one for each loss", text, "pair them", described=True)
    distinct = np.unique(numbers)
    if len(distinct) < 4 or distinct[-1] < _SPAN * distinct[0]:
        text = f"{len(distinct)} from {distinct[0]:g} to {distinct[-1]:g}"
        expected = f"four or more values over a factor of {_SPAN:g}"
        raise fail(name, expected, text, "measure over a wider range", described=True)
    return numbers


def _check_design(logs: Float[np.ndarray, "points laws"], floor: bool) -> None:
    least = 2 * (2 * logs.shape[1] + floor)
    if len(logs) < least:
        text = f"{len(logs)}"
        do = "measure at more of them" + (", or set floor=False" if floor else "")
        raise fail("loss", f"at least {least} points", text, do, described=True)
    if logs.shape[1] == 2 and abs(np.corrcoef(logs.T)[0, 1]) > _ALIKE:
        text = "data that are a power of size"
        do = "vary one at fixed other, or fit one of them alone"
        raise fail("size, data", "axes that vary apart", text, do, described=True)


def _search(
    design: Design, targets: Float[np.ndarray, " points"], delta: float
) -> tuple[Float[np.ndarray, " parameters"], float]:
    """The best of a grid of starts, each followed to its minimum."""
    laws = design.logs.shape[1]
    least = float(np.exp(targets.min()))
    excess = float(np.exp(np.median(targets)))
    starts = []
    for slopes in itertools.product(_EXPONENTS, repeat=laws):
        for share in _FLOORS if design.floor else (0.0,):
            height = np.log(max(excess - share * least, 0.05 * excess) / laws)
            terms = np.array([(height, slope) for slope in slopes]).ravel()
            starts.append([*terms, np.log(share * least)] if design.floor else terms)
    grid = np.asarray(starts, np.float64)
    weights = np.ones((len(grid), len(targets)))
    # First with a wide loss, whose basin is wide, then with the one that was asked for.
    wide = max(delta, 0.1)
    order = np.argsort(objective(design, targets, weights, grid, wide))[:_BEST]
    found, _ = minimize(design, targets, weights[order], grid[order], wide)
    found, values = minimize(design, targets, weights[order], found, delta)
    best = int(np.nanargmin(values))
    return found[best], float(values[best])


def _resample(
    design: Design,
    targets: Float[np.ndarray, " points"],
    counts: Float[np.ndarray, "fits points"],
    best: Float[np.ndarray, " parameters"],
    delta: float,
) -> Float[np.ndarray, "fits parameters"]:
    """The fit to each resampling, from the best one.

    log E has no slope where E is 0 and would stay there: where it is small, a resampling begins
    again from larger ones.
    """
    starts = np.repeat(best[None], len(counts), axis=0)
    fits, values = minimize(design, targets, counts, starts, delta)
    least = float(targets.min())
    small = (
        np.flatnonzero(fits[:, -1] < least + np.log(_SMALL)) if design.floor else np.zeros(0, int)
    )
    for share in (0.02, 0.6) if small.size else ():
        other = best.copy()
        other[-1] = least + np.log(share)
        change = np.exp(other[-1]) - np.exp(best[-1])
        heights = np.arange(0, design.parameters - 1, 2)
        sizes = np.exp(best[heights])
        other[heights] = np.log(np.maximum(sizes - change / len(heights), 0.05 * sizes))
        starts = np.repeat(other[None], small.size, axis=0)
        found, reached = minimize(design, targets, counts[small], starts, delta)
        better = reached < values[small]
        fits[small[better]], values[small[better]] = found[better], reached[better]
    return fits


def _problem(terms: Mapping[str, ScalingTerm]) -> str:
    """Which exponents these data do not tell from 0."""
    flat = [name for name, term in terms.items() if term.exponent.low <= _NO_EXPONENT]
    if not flat:
        return ""
    return f"no law in {' and '.join(flat)}: the exponent's interval reaches 0"


def _floor(value: float, draws: Float[np.ndarray, " fits"], basis: str, least: float) -> Estimate:
    """E and its interval; what is less than a millionth of the least loss is 0."""
    found = _estimate(value, draws, basis, exponential=True)
    ends = [0.0 if end < least else end for end in found[:3]]
    return Estimate(ends[0], ends[1], ends[2], basis)


def _uncentered(
    best: Float[np.ndarray, " parameters"],
    fits: Float[np.ndarray, "fits parameters"],
    place: int,
    center: float,
) -> tuple[float, Float[np.ndarray, " fits"]]:
    """Log amplitudes at x = 1 of the fit and its resamplings."""
    height, slope = 2 * place, 2 * place + 1
    return best[height] + best[slope] * center, fits[:, height] + fits[:, slope] * center


def _estimate(
    value: float,
    draws: Float[np.ndarray, " fits"],
    basis: str,
    *,
    exponential: bool = False,
) -> Estimate:
    """The value with the quantiles of the draws, stretched to hold it; exponentials of logs."""
    low, high = np.quantile(draws, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    low, high = min(float(low), float(value)), max(float(high), float(value))
    if exponential:
        with np.errstate(over="ignore"):
            value, low, high = (float(np.exp(end)) for end in (value, low, high))
    return Estimate(float(value), low, high, basis)
