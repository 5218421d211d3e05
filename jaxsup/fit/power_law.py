"""Power-law fits L(t) = floor + A t^-alpha of loss curves, with uncertainty, or a refusal.

Plain arrays in host numpy, in double precision; nothing here knows of training or of jax.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, SupportsFloat

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit

from jaxsup.fit.windows import (
    MIN_POINTS,
    Curve,
    Trust,
    assess,
    between,
    bin_curve,
    bin_means,
    candidate_windows,
    fit_log_loss,
)

_CHUNK = 4_000_000  # resampled losses held at once


@dataclasses.dataclass(frozen=True)
class PowerLawFit:
    """L(t) = floor + amplitude * t^-exponent over `window`, or why there is none.

    Where `found` is False, exponent, its errors and amplitude are NaN and `reason` says why;
    `slope`, `window`, `decades` and `drift` still describe what was refused, NaN where unknown.
    """

    exponent: float = math.nan
    """alpha, positive for a falling loss."""
    stderr: float = math.nan
    """Standard error of the exponent: sqrt(statistical^2 + systematic^2)."""
    systematic: float = math.nan
    """The part of `stderr` that is due to drift."""
    interval: tuple[float, float] = (math.nan, math.nan)
    """Confidence interval of the exponent, at level `confidence`."""
    confidence: float = math.nan
    amplitude: float = math.nan
    """A, in units of the loss: the power-law part extrapolated to t = 1."""
    floor: float = math.nan
    """c, in units of the loss; may be negative; 0.0 where none was asked for."""
    window: tuple[float, float] = (math.nan, math.nan)
    """First and last step used."""
    decades: float = math.nan
    """log10 of the ratio of the mean steps of the last and the first bin used."""
    drift: float = math.nan
    """Largest difference between the local slopes of the window's three thirds, noise included."""
    slope: float = math.nan
    """Plain -d log L / d log t over the window, with no claim that it is an exponent."""
    points: int = 0
    """Log-spaced bins in the window."""
    seeds_used: int = 0
    seeds_dropped: int = 0
    """Seeds left out because their curve holds NaN or infinity."""
    found: bool = False
    reason: str = ""
    """Empty, or a sentence that starts with "no power law here"."""

    def predict(self, steps: ArrayLike) -> np.ndarray:
        """floor + amplitude * steps^-exponent, shaped like `steps` (> 0); NaN where not `found`."""
        return self.floor + self.amplitude * np.asarray(steps, float) ** -self.exponent

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-safe values: tuples become lists, numbers that are not finite None."""

        def safe(value):
            if isinstance(value, tuple):
                return [safe(item) for item in value]
            return None if isinstance(value, float) and not math.isfinite(value) else value

        return {field.name: safe(getattr(self, field.name)) for field in dataclasses.fields(self)}

    def __str__(self) -> str:
        where = f"steps {self.window[0]:g} to {self.window[1]:g}, {self.points} points"
        where += f", {self.seeds_used} seeds" if self.seeds_used != 1 else ""
        where += f", {self.seeds_dropped} seeds dropped" if self.seeds_dropped else ""
        if not self.found:
            return f"{self.reason} [{where}; slope {self.slope:.3g}]"
        offset = f"{self.floor:.4g} + " if self.floor else ""
        low, high = self.interval
        return (
            f"L = {offset}{self.amplitude:.4g} t^-{self.exponent:.4g}: "
            f"exponent {self.exponent:.4g} +- {self.stderr:.2g} "
            f"({100 * self.confidence:g}% interval {low:.4g} to {high:.4g}) [{where}]"
        )


def fit_power_law(
    steps: ArrayLike,
    loss: ArrayLike,
    *,
    window: Sequence[SupportsFloat] | None = None,
    floor: bool = False,
    min_decades: float | int = 1.0,
    max_drift: float | int = 0.25,
    points_per_decade: int = 16,
    confidence: float = 0.95,
    resamples: int = 1000,
    bootstrap_seed: int = 0,
) -> PowerLawFit:
    """Fit L(t) = A t^-alpha, or c + A t^-alpha, by least squares in log L; refuse where it fails.

    **Weighting.** Entries are averaged (log t and log L) in bins of 1 / `points_per_decade` decade
    counted from the first positive step, and each bin counts once: every decade weighs alike, also
    where steps are linearly spaced. Entries sparser than the bins are used as they are.

    **Window.** Of many contiguous windows the one with the smallest expected relative error:
    sqrt(noise^2 + systematic^2) / alpha, combined with 0.001 / decades so that the longer of two
    clean windows wins. The ends of the windows tried move by 1/24 of the points (1/20 with a
    floor).

    **Error.** With d = x - mean(x), x = log t, u the residuals about a line of each third of the
    window over sqrt(1 - leverage), and r the lag-1 autocorrelation of u (corrected for the six
    parameters of the lines, clipped to [0, 0.9]):

        statistical^2 = sum d^2 u^2 / (sum d^2)^2 * (1 + r) / (1 - r)
        systematic = D / sqrt(12), D^2 = max over pairs of (s_i - s_j)^2 - 4 var(s_i - s_j)

    with s the slopes of the thirds: the deviation of a value that lies anywhere in a range D. With
    a floor d / sum d^2 is the fit's own d alpha / d log L. The interval takes t quantiles with
    Satterthwaite's degrees of freedom. Drift below two standard errors goes unseen, as does a
    transient too slow to bend log L within the window: alpha is the exponent of this window.

    **Seeds.** The arithmetic-mean curve is fitted. With two or more seeds the statistical part is a
    bootstrap: seeds are resampled, the mean is refitted over the same window, deviations are scaled
    by sqrt(seeds / (seeds - 1)), the interval is their percentiles. Two or three seeds make it
    coarse (3 and 10 distinct resamples, intervals too narrow): read it as a spread. Below about ten
    seeds intervals are somewhat narrow. The choice of the window is not resampled.

    **Floor.** `floor=True` minimises the squares of log L - log(c + A t^-alpha): noise is relative
    to L. c may be negative: N features leave out the tail of the infinite sum, so L = A t^-alpha -
    tail until the curve is cut off; with frequencies l_1 i^-a and importance i^-b the tail is about
    l_1 N^-(a+2b-1) / (2 (a+2b-1)). At (a, b) = (1.1, 0) and N = 10^6 that is 1.26 where L(1) is
    3.4; without a floor the slope is 0.14 where alpha is 0.09. Drift is then that of the residuals,
    times how much fitting c amplifies errors of alpha.

    **Refusal.** `found` is False where the window is shorter than `min_decades` (one more with a
    floor) or 9 points; the loss falls by less than 10% (plateau); alpha is below 5 standard errors,
    at the 95% upper bound of the noise; L - c is above 0.1 L over fewer than `min_decades`, or c is
    below -3 L at the window's start (a logarithm); D exceeds `max_drift` *
    alpha (exponential, cut-off, crossover); or the noise could hide such drift: the slopes'
    differences plus two standard errors exceed 5 `max_drift` * alpha; or the interval reaches 0.

    Arguments:
        steps: [steps], update counts >= 0, increasing; step 0 is left out (log 0).
        loss: [steps] or [seeds, steps]. In 2-D a seed with NaN or infinity is left out and counted;
            in 1-D those entries are. The (mean) curve ends before its first value <= 0.
        window: first and last step to fit, both included, in place of the automatic window.
        floor: fit c as well.
        min_decades: shortest window, in decades of steps, > 0.
        max_drift: largest accepted drift as a fraction of the exponent, > 0.
        points_per_decade: bins per decade, >= 4.
        confidence: level of the interval, in (0, 1).
        resamples: bootstrap resamples, >= 2.
        bootstrap_seed: seed of their generator, >= 0. The order of the seeds does not matter.

    Returns:
        A `PowerLawFit`.

    Raises:
        ValueError: for arguments outside these ranges, or fewer than 3 positive steps.

    References: alpha = (a + 2b - 1) / a for power-law features in "Superposition unifies power-law
    training dynamics", arXiv 2602.01045; errors by leverage (HC2) in MacKinnon and White,
    J. Econometrics 29 (1985) 305.

    >>> t = np.arange(1, 2001)
    >>> fit = fit_power_law(t, 3.0 * t**-0.5)
    >>> f"{fit.exponent:.6f} {fit.amplitude:.6f} {fit.window}"
    '0.500000 3.000000 (1.0, 2000.0)'
    >>> fit_power_law(t, np.exp(-t / 300)).found
    False
    """
    _check_options(min_decades, max_drift, points_per_decade, confidence, resamples, bootstrap_seed)
    bounds = None if window is None else tuple(float(end) for end in window)
    t, losses, dropped = _checked(steps, loss, bounds)
    origin = float(t[0]) if t.size else 1.0
    t, losses = _usable(t, losses, bounds)
    curve = bin_curve(t, losses.mean(0) if len(losses) else t, origin, points_per_decade)
    known: dict[str, Any] = {
        "confidence": float(confidence),
        "floor": math.nan if floor else 0.0,
        "seeds_used": len(losses),
        "seeds_dropped": dropped,
    }
    needed = min_decades + floor
    low, high = candidate_windows(curve, needed, floor=floor, whole=window is not None)
    if not low.size:
        return PowerLawFit(**known, **_describe_short(curve, t, needed))
    fits = fit_log_loss(curve, curve.y[None], between(low, high, len(curve.x)), floor=floor)
    trust = assess(curve, fits, low, high, min_decades, max_drift)
    best = int(np.lexsort((trust.score, -trust.stage))[0])
    first, last = int(low[best]), int(high[best])
    known |= _describe(curve, t, trust.slopes[best], first, last)
    if reason := _reason(trust, best, max_drift):
        return PowerLawFit(**known, reason=reason)

    exponent, systematic = float(fits.exponent[best]), float(trust.drift[best]) / math.sqrt(12)
    levels = (1 - confidence) / 2, (1 + confidence) / 2
    if len(losses) > 1:
        draws = _bootstrap(curve, losses, first, last, floor, resamples, bootstrap_seed)
        draws = (draws - exponent) * math.sqrt(len(losses) / (len(losses) - 1))
        statistical, tails = float(np.std(draws)), np.quantile(draws, levels)
    else:
        statistical = float(trust.statistical[best])
        tails = statistical * stdtrit(trust.freedom[best], levels)
    start, end = _interval(exponent, tails, systematic * float(ndtri(levels[1])))
    if start <= 0:
        reason = f"no power law here: the exponent's interval, {start:.2g} to {end:.2g}, reaches 0"
        return PowerLawFit(**known, reason=reason)
    known["floor"] = float(fits.floor[best])
    return PowerLawFit(
        **known,
        exponent=exponent,
        stderr=math.hypot(statistical, systematic),
        systematic=systematic,
        interval=(start, end),
        amplitude=float(np.exp(fits.log_amplitude[best])),
        found=True,
    )


def _interval(exponent: float, tails, margin: float) -> tuple[float, float]:
    """Statistical tails (below, above) and a symmetric margin, combined in quadrature."""
    below, above = min(float(tails[0]), 0.0), max(float(tails[1]), 0.0)
    return exponent - math.hypot(below, margin), exponent + math.hypot(above, margin)


def _check_options(
    min_decades, max_drift, points_per_decade, confidence, resamples, bootstrap_seed
):
    rules = (
        ("min_decades > 0", min_decades, min_decades > 0, "ask for about 1"),
        ("max_drift > 0", max_drift, max_drift > 0, "give a fraction of the exponent"),
        ("points_per_decade >= 4", points_per_decade, points_per_decade >= 4, "take 16"),
        ("confidence in (0, 1)", confidence, 0 < confidence < 1, "give a fraction such as 0.95"),
        ("resamples >= 2", resamples, resamples >= 2, "take 1000"),
        ("bootstrap_seed >= 0", bootstrap_seed, bootstrap_seed >= 0, "give a natural number"),
    )
    for expected, value, holds, remedy in rules:
        if not holds:
            raise ValueError(f"expected {expected}; got {value}; {remedy}")


def _checked(steps, loss, window):
    """Positive steps [steps], finite curves [seeds, steps] in canonical order, seeds dropped."""
    t, losses = np.asarray(steps, float), np.asarray(loss, float)
    if t.ndim != 1 or losses.ndim not in (1, 2) or losses.shape[-1:] != t.shape:
        raise ValueError(
            "expected steps of shape [steps] and loss of shape [steps] or [seeds, steps]; "
            f"got {t.shape} and {losses.shape}; put the steps on the last axis of loss"
        )
    wrong = np.flatnonzero(~np.isfinite(t) | (t < 0) | (np.diff(t, prepend=-np.inf) <= 0))
    if wrong.size:
        raise ValueError(
            f"expected finite steps >= 0 in increasing order; got {t[wrong[0]]:g} at index "
            f"{wrong[0]}; sort them and drop duplicates"
        )
    t, losses = t[t > 0], losses[..., t > 0]
    if t.size < 3:
        raise ValueError(f"expected at least 3 steps > 0; got {t.size}; record more often")
    inside = window is None or (len(window) == 2 and window[0] < min(window[1], t[-1]))
    if not inside or (window is not None and window[1] <= t[0]):
        raise ValueError(
            f"expected window = (first, last) with first < last; got {window}; "
            f"choose it within the recorded steps {t[0]:g} to {t[-1]:g}"
        )
    if losses.ndim == 1:
        finite = np.isfinite(losses)
        return t[finite], losses[None, finite], 0
    finite = np.isfinite(losses).all(1)
    losses = losses[finite]
    if len(losses):
        losses = losses[np.lexsort(losses.T[:: max(1, t.size // 16)])]
    return t, losses, int(np.sum(~finite))


def _usable(t, losses, window):
    """The part inside the window and before the first mean loss <= 0."""
    use = np.cumsum(losses.mean(0) <= 0) == 0 if len(losses) else np.zeros(t.shape, bool)
    if window is not None:
        use &= (t >= window[0]) & (t <= window[1])
    return t[use], losses[:, use]


def _describe(curve: Curve, t, slopes, first: int, last: int) -> dict[str, Any]:
    """The fields of a result that hold whether or not there is a power law."""
    inside = slice(first, last + 1)
    return {
        "window": (float(t[curve.start[first]]), float(t[curve.stop[last] - 1])),
        "decades": float(curve.x[last] - curve.x[first]) / math.log(10),
        "drift": float(np.ptp(slopes)),
        "slope": -float(np.polyfit(curve.x[inside] - curve.x[first], curve.y[inside], 1)[0]),
        "points": last + 1 - first,
    }


def _describe_short(curve: Curve, t, needed: float | int) -> dict[str, Any]:
    """The same where no window is long enough."""
    points = len(curve.x)
    if not points:
        return {"reason": "no power law here: no finite positive loss in the window"}
    known = {"points": 1, "decades": 0.0}
    if points > 1:
        known = _describe(curve, t, [math.nan], 0, points - 1)
    return known | {
        "reason": f"no power law here: too short, {points} points over {known['decades']:.2g} "
        f"decades ({MIN_POINTS} points and {needed:g} decades are needed)"
    }


def _reason(trust: Trust, best: int, max_drift: float | int) -> str:
    """Why the best window is refused; empty where it is not."""
    slopes = trust.slopes[best]
    rising = slopes[0] <= slopes[-1]
    begin, end = sorted((slopes.min(), slopes.max()), reverse=not rising)
    kind = "exponential or cut-off" if rising else "flattening"
    if trust.drift[best] > max_drift * slopes.mean():
        unsteady = f"the local slope changes from {begin:.2g} to {end:.2g} over the window ({kind})"
    else:
        unsteady = "too noisy to see whether the local slope is steady"
    fall = -math.expm1(-trust.drop[best])
    reasons = (
        f"plateau, the loss falls by only {100 * fall:.2g}% over the window"
        if fall > 0
        else "the loss does not fall over the window",
        f"too noisy, the slope's standard error is {trust.statistical[best]:.2g}",
        "too few decades stand out from the fitted floor, or it runs away to minus infinity",
        unsteady,
        "",
    )
    # Curvature within the thirds looks like noise; drift far beyond it tells them apart.
    curved = trust.stage[best] == 1 and trust.drift[best] > 10 * trust.statistical[best]
    reason = unsteady if curved else reasons[trust.stage[best]]
    return reason and f"no power law here: {reason}"


def _bootstrap(
    curve: Curve, losses, first: int, last: int, floor: bool, count: int, seed: int
) -> Float[np.ndarray, " draws"]:
    """Exponents of the mean curves of resampled seeds, over the window's bins first..last."""
    seeds = len(losses)
    part = Curve(*(values[first : last + 1] for values in curve))
    losses = losses[:, part.start[0] : part.stop[-1]]
    start, stop = part.start - part.start[0], part.stop - part.start[0]
    shares = np.random.default_rng(seed).multinomial(seeds, [1 / seeds] * seeds, size=count) / seeds
    rows = max(1, _CHUNK // losses.shape[1])
    drawn = []
    for begin in range(0, count, rows):
        means = shares[begin : begin + rows] @ losses
        drawn.append(bin_means(np.log(means[(means > 0).all(1)]), start, stop))
    everywhere = np.ones((1, len(part.x)), bool)
    return fit_log_loss(part, np.concatenate(drawn), everywhere, floor=floor).exponent
