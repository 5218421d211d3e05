"""How often 95% intervals of `jaxsup.fit_power_law` hold the true exponent.

Protocol, stated before the run. One trial is a record of

    log L = log 3 - 0.5 log t + n,    n_i = rho n_(i-1) + sigma sqrt(1 - rho^2) e_i,

with n stationary (standard deviation sigma), e independent standard normal, i the place of an entry
in the record and rho = 0, 0.9 or 0.99; of one curve of log-spaced steps also 0.5 and 0.7. sigma is
1% and 10% for one curve (10% at 0.5 and 0.7); several seeds have independent n, sigma 3%. Steps are
1..2,000, 1..10,000, or 80 or 200 log-spaced real numbers from 10 to 10^5. The window is chosen by
the fit ("automatic") or is the whole record ("given"). Everything else is the default. Trial k of
row j draws from `numpy.random.default_rng([k, j])`; none is left out.

A fit may say that the record leaves open how long its noise is correlated; it claims no more then
than that the widest interval holds the exponent. A row is right where, of the trials that do not
say so, the interval holds 0.5 in 93% to 97%, those that are refused counted as not held; if more
than half say so, where the widest interval of these does in 93% or more.

Columns: share of the trials with a power law whose interval holds 0.5, with the binomial standard
error of that share; share of all trials that leave the correlation open; share of the others,
refused or not, whose interval holds 0.5 (where they are most), and of the open ones whose widest
interval does; share of all trials that are refused, and the most frequent reason; mean half width
of the intervals over the root mean square error of the exponents; whether the row is right.

    python scripts/coverage_of_intervals.py --trials 1000
"""

import argparse
import collections
import itertools
import math
import time
from typing import NamedTuple

import numpy as np

from jaxsup import fit_power_law

EXPONENT, AMPLITUDE = 0.5, 3.0
STEPS = {
    "1..2,000": np.arange(1.0, 2001.0),
    "1..10,000": np.arange(1.0, 10_001.0),
    "80 log-spaced": np.geomspace(10, 1e5, 80),
    "200 log-spaced": np.geomspace(10, 1e5, 200),
}
CORRELATIONS = (0.0, 0.9, 0.99)
MODERATE = (0.5, 0.7)  # further correlations, of one curve of log-spaced steps
SIGMAS = {1: (0.01, 0.1), 3: (0.03,), 5: (0.03,), 10: (0.03,)}  # by number of seeds
WINDOWS = ("automatic", "given")
COLUMNS = ("steps", "rho", "sigma", "seeds", "window", "coverage", "open", "told")
COLUMNS += ("widest", "refused", "half width / error", "right")
LOWEST, HIGHEST = 0.93, 0.97  # coverage of a row that is right


class Cell(NamedTuple):
    """What a row of the table is about."""

    steps: str
    correlation: float
    sigma: float
    seeds: int
    window: str


class Coverage(NamedTuple):
    """What a cell's trials gave.

    Attributes:
        trials: all of them.
        found: those with a power law.
        covered: of these, intervals that hold the exponent.
        unsure: of those found, fits that leave open how long noise is correlated.
        told: of the others, intervals that hold the exponent.
        within: of the unsure ones, widest intervals that hold the exponent.
        refusals: reasons of the trials without a power law, by name.
        width: mean half width of the intervals.
        error: root mean square error of the exponents.
    """

    trials: int
    found: int
    covered: int
    unsure: int
    told: int
    within: int
    refusals: collections.Counter[str]
    width: float
    error: float


def list_cells() -> list[Cell]:
    """The rows of the table; a row's place is part of the seed of its random numbers."""
    cells = [
        Cell(steps, correlation, sigma, seeds, window)
        for seeds, sigmas in SIGMAS.items()
        for steps, correlation, sigma, window in itertools.product(
            STEPS, CORRELATIONS, sigmas, WINDOWS
        )
    ]
    spaced = [steps for steps in STEPS if "log" in steps]
    moderate = itertools.product(spaced, MODERATE, WINDOWS)
    return cells + [Cell(steps, rho, 0.1, 1, window) for steps, rho, window in moderate]


def sample_noise(
    rng: np.random.Generator, correlation: float, shape: tuple[int, int]
) -> np.ndarray:
    """Stationary AR(1) along the last axis, of unit variance."""
    from scipy.signal import lfilter

    noise = rng.standard_normal(shape)
    noise[:, 1:] *= math.sqrt(1 - correlation**2)
    return np.asarray(lfilter([1.0], [1.0, -correlation], noise, axis=1))


def measure_coverage(cell: Cell, trials: int, number: int = 0) -> Coverage:
    """Run the trials of a cell; `number` tells its random numbers from those of other cells."""
    t = STEPS[cell.steps]
    window = None if cell.window == "automatic" else (t[0], t[-1])
    refusals: collections.Counter[str] = collections.Counter()
    errors, widths, covered, unsure, told, within = [], [], 0, 0, 0, 0
    for trial in range(trials):
        rng = np.random.default_rng([trial, number])
        noise = cell.sigma * sample_noise(rng, cell.correlation, (cell.seeds, t.size))
        losses = AMPLITUDE * t**-EXPONENT * np.exp(noise)
        fit = fit_power_law(t, losses if cell.seeds > 1 else losses[0], window=window)
        if fit.refusal is not None:
            refusals[fit.refusal.name] += 1
            continue
        low, high = fit.interval
        covered += low <= EXPONENT <= high
        unsure += fit.correlation_open
        told += not fit.correlation_open and low <= EXPONENT <= high
        within += fit.correlation_open and fit.widest[0] <= EXPONENT <= fit.widest[1]
        errors.append(fit.exponent - EXPONENT)
        widths.append((high - low) / 2)
    if not errors:
        return Coverage(trials, 0, 0, 0, 0, 0, refusals, math.nan, math.nan)
    return Coverage(
        trials,
        len(errors),
        covered,
        unsure,
        told,
        within,
        refusals,
        float(np.mean(widths)),
        float(np.sqrt(np.mean(np.square(errors)))),
    )


def is_right(coverage: Coverage) -> bool:
    """Whether a row covers as it claims to."""
    if coverage.unsure > coverage.trials / 2:
        return coverage.within >= LOWEST * coverage.unsure
    return LOWEST <= coverage.told / (coverage.trials - coverage.unsure) <= HIGHEST


def row_of(cell: Cell, coverage: Coverage) -> str:
    """A row of the table."""
    share = coverage.covered / max(coverage.found, 1)
    error = math.sqrt(share * (1 - share) / max(coverage.found, 1))
    text = f"{share:.3f} ± {error:.3f}" if coverage.found else "-"
    sure, unsure = coverage.trials - coverage.unsure, coverage.unsure
    refused = f"{1 - coverage.found / coverage.trials:.3f}"
    if coverage.refusals:
        refused += f" ({coverage.refusals.most_common(1)[0][0]})"
    ratio = f"{coverage.width:.2g} / {coverage.error:.2g}" if coverage.found else "-"
    cells = (
        cell.steps,
        f"{cell.correlation:g}",
        f"{100 * cell.sigma:g}%",
        str(cell.seeds),
        cell.window,
        text,
        f"{unsure / coverage.trials:.2f}",
        f"{coverage.told / sure:.3f}" if sure >= unsure else "-",
        f"{coverage.within / unsure:.3f}" if unsure else "-",
        refused,
        ratio,
        "yes" if is_right(coverage) else "no",
    )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description="Coverage of the intervals of power-law fits.")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="*", choices=SIGMAS, default=list(SIGMAS))
    parser.add_argument("--steps", nargs="*", choices=STEPS, default=list(STEPS))
    parser.add_argument("--windows", nargs="*", choices=WINDOWS, default=WINDOWS)
    options = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    started, right = time.perf_counter(), []
    for number, cell in enumerate(list_cells()):
        if (
            cell.steps in options.steps
            and cell.seeds in options.seeds
            and cell.window in options.windows
        ):
            coverage = measure_coverage(cell, options.trials, number)
            print(row_of(cell, coverage), flush=True)
            right.append(is_right(coverage))
    print(f"\n{sum(right)} of {len(right)} rows are right")
    print(f"{options.trials} trials a row, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
