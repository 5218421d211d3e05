"""Measured numbers with 95% intervals: of fits, samples, shares, resampling and log-log lines."""

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike

from jaxsup._internal.validation import check_integer, check_positive_integer, fail, is_integer
from jaxsup.fit.numbers import read_numbers
from jaxsup.fit.single.result import PowerLawFit

_LEVEL = 0.95
_BATCH = 64  # resamples whose indices are held at once
_MOST_CORRECTED = 2000  # samples; beyond, BCa's correction, of order 1 / samples, costs more


class Estimate(NamedTuple):
    """A measured number with its 95% interval.

    Attributes:
        value: best estimate.
        low: lower end of the interval, in units of the value.
        high: upper end of the interval, in units of the value.
        basis: what the interval rests on, say "bootstrap of 8 seeds".
    """

    value: float
    low: float
    high: float
    basis: str

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"


def from_fit(fit: PowerLawFit | Mapping[str, Any]) -> Estimate | None:
    """A fit's exponent with its widest interval (95% by default); None without a power law.

    Arguments:
        fit: result of `jaxsup.fit_power_law`, or a record of `exponents_to_records`.

    Returns:
        The exponent, its interval (`widest`; an end that a record has no number for is NaN) and the
        number of seeds.
    """
    record = fit if isinstance(fit, Mapping) else fit.to_dict()
    if not record["found"]:
        return None
    # Records that were kept before there was a widest interval have the plain one.
    name = "widest" if "widest" in record or "widest_low" in record else "interval"
    ends = (
        (record[f"{name}_low"], record[f"{name}_high"]) if f"{name}_low" in record else record[name]
    )
    # JSON has null for what is not finite.
    low, high = (math.nan if end is None else end for end in ends)
    value = min(max(record["exponent"], low), high)
    return Estimate(value, low, high, f"power-law fit over {record['seeds_used']} seeds")


def from_samples(
    samples: ArrayLike,
    what: str = "seeds",
    *,
    ends: tuple[float, float] = (-math.inf, math.inf),
) -> Estimate:
    """Mean of independent samples with Student's interval, mean +- t s / sqrt(n).

    Arguments:
        samples: two or more finite numbers, [samples].
        what: what the samples are, for the basis.
        ends: of what is possible, say 0 and 1 for shares; the interval is cut there.

    Returns:
        The mean and its interval, a single point where all samples are equal.

    Raises:
        ValueError: fewer than two, masked or not finite, or no real numbers.

    >>> from_samples([1.0, 2.0, 3.0]).low.__round__(3)
    -0.484
    """
    from scipy import stats

    values, _ = read_numbers("samples", samples)
    if values.ndim != 1 or values.size < 2 or not np.isfinite(values).all():
        text = f"a shape {values.shape}, {int(np.isfinite(values).sum())} of them finite"
        do = "leave out what diverged"
        raise fail("samples", "two or more finite numbers", text, do, described=True)
    if values.min() < ends[0] or values.max() > ends[1]:
        text = f"{values.min():g} to {values.max():g}"
        do = "give the ends of what is possible"
        raise fail("samples", f"numbers in {ends[0]:g}..{ends[1]:g}", text, do, described=True)
    # By a power of 2, which rounds nothing, so that squares neither vanish nor overflow.
    unit = math.ldexp(1.0, math.frexp(float(np.abs(values).max()))[1] - 1)
    mean, error = float((values / unit).mean()) * unit, float(stats.sem(values / unit)) * unit
    basis = f"Student's t over {values.size} {what}"
    estimate = _around(mean, error, values.size - 1, basis)
    return estimate._replace(low=max(estimate.low, ends[0]), high=min(estimate.high, ends[1]))


def from_share(hits: int, trials: int) -> Estimate:
    """A share of independent trials, hits / trials, with Clopper and Pearson's exact interval.

    It holds the true share in at least 95% of cases, for any share and any number of trials; of few
    trials it is wide: one of two gives 0.013 to 0.987.

    Arguments:
        hits: trials that had what is counted, in 0..trials.
        trials: independent trials, at least one.

    Returns:
        The share and its interval, within [0, 1].

    Raises:
        ValueError: no trials, or hits outside of 0..trials.

    Reference:
        Clopper and Pearson, Biometrika 26 (1934) 404.

    >>> print(from_share(8, 10))
    0.8 (0.444 to 0.975)
    """
    from scipy import stats

    check_positive_integer("trials", trials, "count at least one")
    if not is_integer(hits) or not 0 <= hits <= trials:
        raise fail("hits", f"a count in 0..{trials}", hits, "count hits among the trials")
    interval = stats.binomtest(hits, trials).proportion_ci(_LEVEL, method="exact")
    share = hits / trials
    low, high = min(float(interval.low), share), max(float(interval.high), share)
    return Estimate(share, low, high, f"exact interval, {trials:,} trials")


def from_bootstrap(
    samples: ArrayLike,
    statistic: Callable[[np.ndarray], float],
    *,
    what: str = "seeds",
    ends: tuple[float, float] = (-math.inf, math.inf),
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """A statistic of independent samples, with the BCa interval of their resampling.

    BCa takes quantiles of the resampled statistic that are shifted for its bias and its skewness.
    Where it does not exist, plain quantiles (2.5% and 97.5%) of the finite draws stand in: where
    every draw is alike, where leaving out any one sample changes nothing, or where a draw is not
    finite. They do so beyond 2,000 samples too, where the correction is small and slow.

    Few samples' resamples scatter too little. The ends are moved away from the statistic, to
    (t / z) sqrt(n / (n - 1)) times their distance, t and z the 97.5% quantiles of Student's (n - 1
    degrees of freedom) and the normal distribution: that takes a mean's plain interval, about
    mean +- z s sqrt((n - 1) / n) / sqrt(n), to Student's. (Hesterberg widens the levels instead;
    his ends lie within the draws and hold the mean of 2 normals in half of all cases.)

    Share of intervals that held the truth, 1,000 each, of 200 draws: mean of n = 2, 3, 5, 8, 16, 32
    normals 93, 93, 95, 94, 94, 94%, of exponentials 88, 87, 89, 91, 91, 93%; median of 3, 5, 8, 16
    normals 93, 96, 96, 94%; their standard deviation, which resamples make too small, 54, 74, 86,
    88%. For means of few samples `from_samples` does better.

    Arguments:
        samples: [samples, ...], resampled along the first axis.
        statistic: number from an array like `samples`.
        what: what the samples are, for the basis.
        ends: of what is possible, say 0 and 1 for shares; the interval is cut there.
        resamples: number of draws, >= 1.
        seed: of their generator, >= 0.

    Returns:
        The statistic and its interval, stretched to hold the statistic where it does not; its ends
        are NaN where no draw is finite.

    Raises:
        ValueError: numbers outside of these ranges, or a statistic that is not finite.

    References: Efron, J. Am. Stat. Assoc. 82 (1987) 171; Hesterberg, Am. Stat. 69 (2015) 371.

    >>> print(from_bootstrap([1.0, 2.0, 4.0, 9.0], np.mean))
    4 (-0.219 to 11)
    """
    from scipy.special import ndtri, stdtrit

    check_integer("resamples", resamples, "take 1000", low=1)
    check_integer("seed", seed, "give a natural number", low=0)
    values = np.asanyarray(samples)  # a statistic respects masks, which resampling keeps
    if values.ndim == 0 or len(values) < 2:
        raise fail("samples", "two or more", values.size, "repeat the measurement")
    value = statistic(values)
    if np.iscomplexobj(value) or not math.isfinite(value):
        text, do = f"{value}", "leave out what diverged"
        raise fail("statistic", "a finite number", text, do, described=True)
    value = float(value)
    if not ends[0] <= value <= ends[1]:
        do = "give the ends of what is possible"
        raise fail("statistic", f"a number in {ends[0]:g}..{ends[1]:g}", value, do)
    low, high = _resampled_interval(values, statistic, resamples, seed)
    count, level = len(values), (1 + _LEVEL) / 2
    wider = float(stdtrit(count - 1, level) / ndtri(level)) * math.sqrt(count / (count - 1))
    low = max(value - wider * max(value - low, 0.0), ends[0])
    high = min(value + wider * max(high - value, 0.0), ends[1])
    return Estimate(value, low, high, f"bootstrap of {count} {what}")


def _resampled_interval(
    values: Shaped[np.ndarray, "samples ..."],
    statistic: Callable[[np.ndarray], float],
    resamples: int,
    seed: int,
) -> tuple[float, float]:
    """BCa's interval, or quantiles of the finite draws where it has none; NaN of no such draw."""
    from scipy import stats

    with warnings.catch_warnings():
        # Draws that are all alike or not finite are told by the interval, below.
        warnings.simplefilter("ignore", RuntimeWarning)
        result = stats.bootstrap(
            (np.arange(len(values)),),
            lambda rows: statistic(values[rows]),
            vectorized=False,
            n_resamples=resamples,
            batch=_BATCH,
            confidence_level=_LEVEL,
            method="BCa" if len(values) <= _MOST_CORRECTED else "percentile",
            rng=np.random.default_rng(seed),
        )
    low, high = map(float, result.confidence_interval)
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    draws = result.bootstrap_distribution[np.isfinite(result.bootstrap_distribution)]
    if not draws.size:
        return math.nan, math.nan
    low, high = np.quantile(draws, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)


def log_log_slope(x: ArrayLike, y: ArrayLike) -> Estimate:
    """d log y / d log x by least squares, with Student's 95% interval from the residuals.

    With d = log x - mean(log x) and residuals u of n points, the standard error is
    sqrt(sum u^2 / ((n - 2) sum d^2)). A curve that is no power law has large residuals, and with
    them a wide interval; neighboring points that err together make it too narrow. For loss curves,
    which have many points and windows to choose from, see `jaxsup.fit_power_law`.

    Arguments:
        x: [points], three or more different positive numbers.
        y: [points] or [points, repeats], positive; repeats are averaged first, so that scatter
            between them counts only as far as the means feel it.

    Returns:
        The slope and its interval.

    Raises:
        ValueError: fewer than three points, shapes that do not match, or numbers that are not
            positive and finite.

    >>> log_log_slope([1, 2, 4, 8], [3.0, 1.5, 0.75, 0.375]).value.__round__(6)
    -1.0
    """
    from scipy import stats

    sizes, means = _checked_points(x, y)
    line = np.asarray(stats.linregress(np.log(sizes), np.log(means)), np.float64)
    slope, error = float(line[0]), float(line[4])
    # Points on a level line have no correlation, from which scipy takes the error: NaN, for 0.
    error = 0.0 if math.isnan(error) else error
    basis = f"log-log line through {len(sizes)} points"
    return _around(slope, error, len(sizes) - 2, basis)


def _checked_points(
    x: ArrayLike, y: ArrayLike
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Sizes and the means of their repeats, once they are known to have logarithms."""
    (sizes, _), (values, _) = read_numbers("x", x), read_numbers("y", y)
    if sizes.ndim != 1 or values.ndim not in (1, 2) or len(values) != len(sizes):
        expected, shapes = "[points] or [points, repeats] like x", f"{values.shape}, {sizes.shape}"
        do = "give as many rows of y as points"
        raise fail("y", expected, f"shapes of y and x {shapes}", do, described=True)
    if len(np.unique(sizes)) < max(3, len(sizes)):
        raise fail("x", "three or more different numbers", sizes.tolist(), "measure at more sizes")
    for name, numbers in (("x", sizes), ("y", values)):
        positive = np.isfinite(numbers) & (numbers > 0)
        if not positive.all():
            culprit = float(numbers[~positive][0])
            raise fail(name, "positive finite numbers", culprit, "leave out what diverged")
    return sizes, values if values.ndim == 1 else values.mean(axis=1)


def _around(value: float, error: float, freedom: int, basis: str) -> Estimate:
    """value +- t error, with Student's quantile t at `freedom` degrees of freedom."""
    from scipy import stats

    low, high = (value + error * float(t) for t in stats.t.interval(_LEVEL, freedom))
    return Estimate(value, low, high, basis)
