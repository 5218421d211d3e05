"""The acceleration in words: ratios of exponents, speed-ups and dead outputs, a line each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxsup.reproduce.analysis.acceleration_table import Gain, Ratio, Row, Table
    from jaxsup.reproduce.analysis.exponent_ratios import Exponent


def lines(table: Table) -> list[str]:
    """Three tables, each with a heading."""
    return [
        "exponent of the last regime in superposition (eta = 1) over one without",
        *_ratio_lines(table.ratios),
        "",
        "largest factor in steps to a loss, best step sizes of each side",
        *_gain_lines(table.gains),
        "",
        "dead outputs (means over seeds): due, not learned, silent on their own feature",
        *_dead_lines(table.rows),
    ]


def _ratio_lines(ratios: Sequence[Ratio]) -> list[str]:
    header = f"{'a':>4} {'b':>5} {'N/K':>4}  {'over':<36} {'ratio':<22}"
    return [f"{header}  exponents (97.5%), eta t", *(_ratio_line(ratio) for ratio in ratios)]


def _ratio_line(ratio: Ratio) -> str:
    found = ratio.reason if ratio.estimate is None else f"{ratio.estimate}"
    head = f"{ratio.a:4g} {ratio.b:5g} {ratio.ratio:4g}  {ratio.reference:<36} {found:<22}"
    return f"{head}  {_words(ratio.numerator)} / {_words(ratio.denominator)}"


def _words(exponent: Exponent) -> str:
    if math.isnan(exponent.value):
        return "none"
    if exponent.window is None:
        return f"{exponent.value:.3f}"
    first, last = exponent.window
    interval = f"({exponent.low:.2f} to {exponent.high:.2f})"
    return f"{exponent.value:.2f} {interval} [{first:.0f}..{last:.0f}]"


def _gain_lines(gains: Sequence[Gain]) -> list[str]:
    header = f"{'a':>4} {'b':>5} {'N/K':>4}  {'against':<14} {'largest':<22} {'at L/L(0)':>9}"
    return [f"{header} {'both reach':>10}  step sizes", *(_gain_line(gain) for gain in gains)]


def _gain_line(gain: Gain) -> str:
    found = gain.speed_up
    head = f"{gain.a:4g} {gain.b:5g} {gain.ratio:4g}  {gain.reference:<14}"
    if math.isnan(found.level):
        return f"{head} no level is reached by both in every seed"
    largest = "one seed" if found.largest is None else f"{found.largest}"
    rates = "{:g} against {:g}".format(*found.rates)
    return f"{head} {largest:<22} {found.level:9.2g} {found.deepest:10.2g}  {rates}"


def _dead_lines(rows: Sequence[Row]) -> list[str]:
    header = f"{'a':>4} {'b':>5} {'N/K':>4}  {'student':<14} {'eta':>5} {'due':>5} {'dead':>6}"
    header += f" {'silent':>6} {'L(T)/L(0)':>9} {'of dead':>8}"
    return [header, *(_dead_line(row) for row in rows)]


def _dead_line(row: Row) -> str:
    head = f"{row.a:4g} {row.b:5g} {row.ratio:4g}  {row.kind:<14} {row.learning_rate:5g}"
    diverged = row.whole.count(False)
    if row.dead is None:
        return f"{head} every seed diverged"
    counts = f" {row.dead.due:5d} {row.dead.dead.mean():6.1f} {row.dead.silent.mean():6.1f}"
    ends = f" {row.end.mean():9.2g} {row.dead.share.mean():8.1%}"
    return head + counts + ends + (f"  {diverged} diverged" if diverged else "")
