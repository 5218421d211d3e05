"""Measured numbers with 95% intervals: from fits, repeated samples, shares, and resampling."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit

from jaxsup._internal.validation import check_positive_integer, fail

if TYPE_CHECKING:
    from jaxsup.fit.power_law import PowerLawFit

_TAIL = 0.975


class Estimate(NamedTuple):
    """A measured number with its 95% interval.

    Attributes:
        value: best estimate.
        low, high: ends of the interval, in units of the value.
        basis: what the interval rests on, say "bootstrap of 8 seeds".
    """

    value: float
    low: float
    high: float
    basis: str

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"


def from_fit(fit: PowerLawFit | Mapping[str, Any]) -> Estimate | None:
    """A fit's exponent with its interval (95% by default); None where there is no power law.

    Arguments:
        fit: result of `jaxsup.fit_power_law`, or a record of `jaxsup.exponents_to_records`.
    """
    record = fit if isinstance(fit, Mapping) else fit.to_dict()
    if not record["found"]:
        return None
    low, high = (
        (record["interval_low"], record["interval_high"])
        if "interval_low" in record
        else record["interval"]
    )
    value = min(max(record["exponent"], low), high)
    return Estimate(value, low, high, f"power-law fit over {record['seeds_used']} seeds")


def from_samples(samples: ArrayLike, what: str = "seeds") -> Estimate:
    """Mean of independent samples with Student's interval, mean +- t s / sqrt(n).

    Arguments:
        samples: two or more finite numbers, [samples].
        what: what the samples are, for the basis.

    Raises:
        ValueError: fewer than two, or not finite.

    >>> from_samples([1.0, 2.0, 3.0]).low.__round__(3)
    -0.484
    """
    values = _checked(samples)
    mean, count = float(values.mean()), values.size
    reach = float(stdtrit(count - 1, _TAIL) * values.std(ddof=1) / math.sqrt(count))
    return Estimate(mean, mean - reach, mean + reach, f"Student's t over {count} {what}")


def from_share(hits: int, trials: int) -> Estimate:
    """A share of independent trials with Wilson's interval.

    Raises:
        ValueError: no trials, or hits outside of 0..trials.

    Reference: Wilson, J. Am. Stat. Assoc. 22 (1927) 209.
    """
    check_positive_integer("trials", trials, "count at least one")
    if not 0 <= hits <= trials:
        raise fail("hits", f"a count in 0..{trials}", hits, "count hits among the trials")
    share, z2 = hits / trials, float(ndtri(_TAIL)) ** 2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    reach = math.sqrt(z2 * (share * (1 - share) + z2 / (4 * trials)) / trials) / (1 + z2 / trials)
    low, high = max(0.0, min(centre - reach, share)), min(1.0, max(centre + reach, share))
    return Estimate(share, low, high, f"Wilson's interval, {trials:,} trials")


def from_bootstrap(
    samples: ArrayLike,
    statistic: Callable[[np.ndarray], float],
    *,
    what: str = "seeds",
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """A statistic of independent samples, with the percentile interval of their resampling.

    Draws in which the statistic is not finite are left out of the interval.

    Arguments:
        samples: [samples, ...], resampled along the first axis.
        statistic: number from an array like `samples`.
        what: what the samples are, for the basis.
        resamples: number of draws.
        seed: of their generator.

    Raises:
        ValueError: fewer than two samples, or a statistic that is not finite.
    """
    values = np.asarray(samples)
    if len(values) < 2:
        raise fail("samples", "two or more", len(values), "repeat the measurement")
    value = float(statistic(values))
    if not math.isfinite(value):
        raise fail("statistic", "a finite number", value, "leave out what diverged")
    generator = np.random.default_rng(seed)
    drawn = np.array(
        [
            statistic(values[generator.integers(0, len(values), len(values))])
            for _ in range(resamples)
        ],
        np.float64,
    )
    low, high = np.quantile(drawn[np.isfinite(drawn)], [1 - _TAIL, _TAIL])
    return Estimate(
        value, min(float(low), value), max(float(high), value), f"bootstrap of {len(values)} {what}"
    )


def _checked(samples: ArrayLike) -> np.ndarray:
    values = np.asarray(samples, np.float64)
    if values.ndim != 1 or values.size < 2 or not np.isfinite(values).all():
        got = f"a shape {values.shape}, {int(np.isfinite(values).sum())} of them finite"
        raise fail("samples", "two or more finite numbers", got, "leave out what diverged")
    return values
