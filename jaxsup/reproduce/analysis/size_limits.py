"""How a number moves with the size N, and what that says of N -> infinity.

A limit is an extrapolation: it rests on the form that the approach is taken to have. Several forms
with one free amplitude are fitted, and the interval that counts is the hull of theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from jaxsup.fit.intervals import Estimate

FEWEST_SIZES = 3

MODELS: dict[str, Callable[[Float[np.ndarray, " sizes"]], Float[np.ndarray, " sizes"]]] = {
    "1/log N": lambda sizes: 1 / np.log(sizes),
    "N^-1/2": lambda sizes: sizes**-0.5,
    "1/N": lambda sizes: 1 / sizes,
}
"""The forms of q(N) = q_infinity + c f(N)."""


class Line(NamedTuple):
    """A straight line through points with errors.

    Attributes:
        constant, slope: of y = constant + slope x.
        covariance: of the two.
        freedom: points less two.
        misfit: chi-squared per degree of freedom.
    """

    constant: float
    slope: float
    covariance: Float[np.ndarray, "2 2"]
    freedom: int
    misfit: float


def fit_line(
    x: Float[np.ndarray, " points"],
    y: Float[np.ndarray, " points"],
    error: Float[np.ndarray, " points"],
) -> Line:
    """Weighted least squares; errors are enlarged by the root of the misfit where it exceeds 1.

    Arguments:
        x, y: three or more points.
        error: standard errors of y, > 0.
    """
    X = np.stack([np.ones_like(x), x], axis=1) / error[:, None]
    covariance = np.linalg.inv(X.T @ X)
    constant, slope = covariance @ X.T @ (y / error)
    freedom = len(x) - 2
    misfit = float(np.sum(((y - constant - slope * x) / error) ** 2)) / freedom
    return Line(float(constant), float(slope), covariance * max(misfit, 1.0), freedom, misfit)


def _around(value: float, variance: float, freedom: int, basis: str) -> Estimate:
    half = float(stats.t.ppf(0.975, freedom)) * math.sqrt(variance)
    return Estimate(value, value - half, value + half, basis)


def limits(
    sizes: Float[np.ndarray, " sizes"],
    values: Float[np.ndarray, " sizes"],
    errors: Float[np.ndarray, " sizes"],
) -> dict[str, Estimate]:
    """q_infinity by each of `MODELS`; empty where there are fewer than three sizes.

    The intervals are Student's, of the seeds' errors and of the misfit, whichever is larger, with
    sizes - 2 degrees of freedom.

    Arguments:
        sizes: N.
        values: q at each.
        errors: standard errors over the seeds, > 0.
    """
    if len(sizes) < FEWEST_SIZES:
        return {}
    found = {}
    for name, form in MODELS.items():
        line = fit_line(form(sizes), values, errors)
        basis = f"q + c {name} through N = {', '.join(f'{n:.0f}' for n in sizes)}"
        found[name] = _around(line.constant, line.covariance[0, 0], line.freedom, basis)
    return found


def unlimited_growth(
    sizes: Float[np.ndarray, " sizes"],
    values: Float[np.ndarray, " sizes"],
    errors: Float[np.ndarray, " sizes"],
) -> Estimate | None:
    """Growth a doubling of N, where q + c log N fits as well as the best of `MODELS`; else None.

    As well: its chi-squared is no larger by more than 3.84, the 95% quantile of one degree of
    freedom. Then the sizes do not tell whether there is a limit.

    Arguments:
        sizes, values, errors: as `limits` takes them.
    """
    if len(sizes) < FEWEST_SIZES:
        return None
    line = fit_line(np.log2(sizes), values, errors)
    best = min(fit_line(form(sizes), values, errors).misfit for form in MODELS.values())
    if (line.misfit - best) * line.freedom > float(stats.chi2.ppf(0.95, 1)):
        return None
    return _around(line.slope, line.covariance[1, 1], line.freedom, "q + c log N")


def hull(estimates: dict[str, Estimate]) -> Estimate | None:
    """The smallest interval that holds those of all models, around the middle one's value."""
    if not estimates:
        return None
    values = sorted(estimate.value for estimate in estimates.values())
    low = min(estimate.low for estimate in estimates.values())
    high = max(estimate.high for estimate in estimates.values())
    sizes = next(iter(estimates.values())).basis.partition(" through ")[2]
    basis = f"hull of q + c f(N), f = {', '.join(estimates)}, through {sizes}"
    return Estimate(values[len(values) // 2], low, high, basis)


def growth(
    sizes: Float[np.ndarray, " sizes"], times: Float[np.ndarray, " sizes"]
) -> Estimate | None:
    """z of times ~ N^z by a log-log line, Student's interval; None at fewer than three sizes."""
    if len(sizes) < FEWEST_SIZES:
        return None
    line = fit_line(np.log(sizes), np.log(times), np.full(len(sizes), 1.0))
    # No errors of the times are known: the scatter about the line is the only measure.
    variance = line.covariance[1, 1] / max(line.misfit, 1.0) * line.misfit
    return _around(line.slope, variance, line.freedom, f"log-log line through {len(sizes)} sizes")


class Ladder(NamedTuple):
    """One law at several sizes, all else alike.

    Attributes:
        a, b: exponents of features and teacher.
        table: a row a size, rising, as `atlas_table.tabulate` makes them.
        limits: of the steepest local exponent at N -> infinity, by model, from the sizes at which
            it is reached before training ends.
        last_limits: of the exponent of the last power law likewise.
        unlimited: what a doubling of N adds to the steepest local exponent, where growth without a
            limit fits as well as an approach to one; None where it does not.
        growth: z of N^z, as which the time of the steepest stretch grows.
        last_growth: likewise of the middle of the last power law.
    """

    a: float
    b: float
    table: pd.DataFrame
    limits: dict[str, Estimate]
    last_limits: dict[str, Estimate]
    unlimited: Estimate | None
    growth: Estimate | None
    last_growth: Estimate | None

    @property
    def limit(self) -> Estimate | None:
        """The hull of the models' limits of the steepest local exponent."""
        return hull(self.limits)


def ladders(table: pd.DataFrame) -> list[Ladder]:
    """One ladder an (a, b).

    Arguments:
        table: settings that differ in a, b and "features" only.
    """
    found = []
    for (a, b), rows in table.groupby(["a", "b"]):  # pyright: ignore[reportGeneralTypeIssues]
        rows = rows.sort_values("features")
        reached = rows.loc[~rows["rising"].astype(bool)]
        steepest = _columns(reached, "steepest", "steepest_error", "steepest_time")
        last = _columns(rows, "last", "last_error", "last_time")
        found.append(
            Ladder(
                float(a),
                float(b),
                rows,
                limits(*steepest[:3]),
                limits(*last[:3]),
                unlimited_growth(*steepest[:3]),
                growth(steepest[0], steepest[3]),
                growth(last[0], last[3]),
            )
        )
    return found


def _columns(
    table: pd.DataFrame, value: str, error: str, time: str
) -> list[Float[np.ndarray, " sizes"]]:
    """Sizes, values, errors and times where there are all of them."""
    whole = table[["features", value, error, time]].astype(np.float64).dropna()
    whole = whole.loc[whole[error] > 0]
    return [whole[name].to_numpy() for name in whole.columns]


def format_ladders(found: list[Ladder]) -> list[str]:
    """Lines for people: a size a line, then the limits by model and the growth of the time."""
    lines = []
    for ladder in found:
        lines.append(f"a = {ladder.a:g}, b = {ladder.b:g}")
        for row in ladder.table.to_dict("records"):
            cells = [
                "none" if math.isnan(row[name]) else f"{row[name]:.2f} ± {row[name + '_error']:.2f}"
                for name in ("first", "last", "steepest")
            ]
            time = "none" if math.isnan(row["steepest_time"]) else f"{row['steepest_time']:.0f}"
            end = ", rising when training ends" if row["rising"] else ""
            lines.append(
                f"  N = {row['features']:<5} first {cells[0]}, last {cells[1]}, "
                f"steepest {cells[2]} at eta t = {time}{end}"
            )
        for name, limits_ in (("steepest", ladder.limits), ("last", ladder.last_limits)):
            text = "; ".join(f"{model}: {estimate}" for model, estimate in limits_.items())
            lines.append(f"  {name}, N -> infinity, {text or 'fewer than three sizes'}")
        if ladder.unlimited is not None:
            lines.append(f"  no limit fits as well: steepest grows {ladder.unlimited} a doubling")
        for name, z in (("steepest", ladder.growth), ("last", ladder.last_growth)):
            power = "fewer than three sizes" if z is None else f"N^z, z = {z}"
            lines.append(f"  time of the {name}: {power}")
    return lines
