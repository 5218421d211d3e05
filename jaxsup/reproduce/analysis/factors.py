"""What the factors of a full grid decide: exponents by level, shares of variance, and pictures.

A table has a row a setting, a column a factor that holds its level in words, and ``"exponent"``,
NaN where there is no power law.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.patches import Rectangle

from jaxsup.plot.style import COLORS, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def exponents_by_level(table: pd.DataFrame, factor: str) -> dict[str, Float[np.ndarray, " _"]]:
    """The exponents at every level of a factor, levels in the order of the table."""
    groups = table.groupby(factor, sort=False)["exponent"]
    return {str(level): exponents.to_numpy(np.float64) for level, exponents in groups}


def explained_variance(table: pd.DataFrame, factor: str) -> float:
    """Share of the exponents' variance between the levels of a factor: SS_between / SS_total."""
    return variance_between(
        list(exponents_by_level(table.dropna(subset=["exponent"]), factor).values())
    )


def variance_between(groups: Sequence[Float[np.ndarray, " _"]]) -> float:
    """sum_g n_g (mean_g - mean)^2 over the total sum of squares; NaN without variance."""
    if not groups:
        return float("nan")
    values = np.concatenate(groups)
    total = float(np.sum((values - values.mean()) ** 2))
    between = sum(len(group) * (np.mean(group) - values.mean()) ** 2 for group in groups)
    return float(between) / total if total > 0 else float("nan")


def share_within(exponents: Float[np.ndarray, " rows"], near: tuple[float, float]) -> float:
    """Share of the exponents within a range, its ends included."""
    return float(np.mean((exponents >= near[0]) & (exponents <= near[1])))


def spread_ratio(rows: Float[np.ndarray, "settings 2"]) -> float:
    """Standard deviation of exponents in superposition over that without; NaN if too few.

    Arguments:
        rows: 1 in superposition and 0 without, and the exponent.
    """
    inside, outside = rows[rows[:, 0] == 1, 1], rows[rows[:, 0] == 0, 1]
    if len(inside) < 2 or len(outside) < 2 or outside.std() == 0:
        return float("nan")
    return float(inside.std() / outside.std())


def median_exponents(exponents: pd.Series, rows: pd.Series, columns: pd.Series) -> pd.DataFrame:
    """Median exponent by row and column, both in the order in which they come.

    NaN where fewer than half of a cell's settings have an exponent.

    Arguments:
        exponents: of every setting; NaN without a power law.
        rows, columns: where each setting belongs.
    """

    def median(cell: pd.Series) -> float:
        present = cell.dropna()
        return float(np.median(present)) if 2 * len(present) >= len(cell) else float("nan")

    cells: Any = exponents.groupby([rows, columns], sort=False).agg(median)
    return cells.unstack().reindex(index=rows.unique(), columns=columns.unique())


def format_levels(
    table: pd.DataFrame, factors: Sequence[str], *, near: tuple[float, float]
) -> list[str]:
    """A line a factor and a line a level of it.

    The columns are settings, those with a power law, the share within `near`, median, 5%, 95%.
    """
    lines = []
    for factor in factors:
        part = explained_variance(table, factor)
        lines.append(f"{factor}: {'none' if np.isnan(part) else f'{part:.0%}'} of the variance")
        for level, exponents in exponents_by_level(table, factor).items():
            present = exponents[np.isfinite(exponents)]
            share = f"{share_within(present, near):6.0%}" if present.size else "     -"
            ends = np.percentile(present, [50, 5, 95]) if present.size else [np.nan] * 3
            lines.append(
                f"  {level:22}  {len(exponents):8}  {len(present):9}  {share}  "
                f"{ends[0]:6.2f}  {ends[1]:.2f} to {ends[2]:.2f}"
            )
    return lines


@styled
def draw_by_factor(
    table: pd.DataFrame, factors: Sequence[str], ax: Axes, *, near: tuple[float, float]
) -> Axes:
    """Distribution of exponents at every level of every factor, and the share near one.

    A row a level: the middle 90% (thin), the middle half (thick) and the median of its exponents;
    at its right end, how many percent lie within `near`, which is shaded.

    Arguments:
        table: see above; a level without a power law says so.
        factors: columns of the table.
        ax: axis to draw on.
        near: range that is counted.
    """
    ax.axvspan(*near, color="#dfe9ec", zorder=0, label=f"{near[0]:g} to {near[1]:g}")
    height, heights, words = -0.6, [], []
    for position, factor in enumerate(factors):
        height += 0.6
        color = COLORS[position % len(COLORS)]
        name: Any = {"fontsize": 7, "color": color}
        _annotate(ax, factor, 0, height + 0.38, 3, **name)
        for level, exponents in exponents_by_level(table, factor).items():
            height += 1.0
            heights.append(height)
            words.append(level)
            _draw_level(exponents[np.isfinite(exponents)], height, ax, color, near)
    ax.set_yticks(heights, words)
    ax.set_ylim(height + 0.7, 0.1)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("training exponent α: median, middle half, middle 90%")
    return ax


def _draw_level(
    exponents: Float[np.ndarray, " rows"],
    height: float,
    ax: Axes,
    color: str,
    near: tuple[float, float],
) -> None:
    """A row of `draw_by_factor`."""
    text = "no power law"
    if exponents.size:
        p5, p25, p50, p75, p95 = np.percentile(exponents, [5, 25, 50, 75, 95])
        ax.plot([p5, p95], [height, height], color=color, linewidth=1.0)
        ax.plot([p25, p75], [height, height], color=color, linewidth=4, solid_capstyle="butt")
        ax.plot([p50], [height], "o", color="white", markeredgecolor=color, markersize=5)
        text = f"{100 * share_within(exponents, near):.0f}%"
    _annotate(ax, text, 1, height, 4, fontsize=8)


def _annotate(ax: Axes, text: str, side: float, height: float, gap: float, **options: Any) -> None:
    """Words at the left (0) or right (1) end of a row, so many points beside it."""
    place: Any = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    ax.annotate(text, (side, height), xytext=(gap, 0), va="center", **place, **options)


@styled
def draw_variance_shares(table: pd.DataFrame, factors: Sequence[str], ax: Axes) -> Axes:
    """Share of the exponents' variance that the main effect of each factor explains: bars.

    Arguments:
        table: see above.
        factors: columns of the table.
        ax: axis to draw on.
    """
    shares = [100 * np.nan_to_num(explained_variance(table, factor)) for factor in factors]
    colors = [COLORS[position % len(COLORS)] for position in range(len(factors))]
    ax.barh(range(len(shares)), shares, color=colors, height=0.65)
    style: Any = {"textcoords": "offset points", "va": "center", "fontsize": 8}
    for position, share in enumerate(shares):
        ax.annotate(f"{share:.0f}%", (share, position), xytext=(4, 0), **style)
    ax.set_yticks(range(len(shares)), list(factors))
    ax.invert_yaxis()
    ax.set_xlim(0, max(10.0, 1.15 * max(shares)))
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("share of the variance, main effect (%)")
    return ax


@styled
def draw_atlas(grid: pd.DataFrame, ax: Axes, *, near: tuple[float, float]) -> Axes:
    """Heat map of exponents, conditions by (a, b): white is 1, cells within `near` are framed.

    Arguments:
        grid: exponents, a row a condition and a column a setting; NaN, no power law, is hatched.
        ax: axis to draw on.
        near: range that is framed.
    """
    exponents = np.ma.masked_invalid(grid.to_numpy(np.float64))
    ax.grid(visible=False)
    ax.patch.set(hatch="////", edgecolor="#c8c8c8", facecolor="white")
    mesh = ax.pcolormesh(exponents, cmap="PuOr", vmin=0.0, vmax=2.0)
    for (row, column), value in np.ndenumerate(exponents.filled(np.nan)):
        if np.isnan(value):
            continue
        shade = "white" if abs(value - 1) > 0.65 else "black"
        style: Any = {"ha": "center", "va": "center", "fontsize": 6, "color": shade}
        ax.text(column + 0.5, row + 0.5, f"{value:.2f}", **style)
        if near[0] <= value <= near[1]:
            ax.add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor="black", lw=1.1))
    ax.set_xticks(np.arange(len(grid.columns)) + 0.5, list(grid.columns), rotation=90)
    ax.set_yticks(np.arange(len(grid.index)) + 0.5, list(grid.index))
    ax.invert_yaxis()
    ax.tick_params(length=0, labelsize=7.5)
    ax.set_xlabel("feature exponent a, channel exponent b")
    label = f"training exponent α (framed: {near[0]:g}..{near[1]:g}; hatched: no power law)"
    ax.figure.colorbar(mesh, ax=ax, location="bottom", extend="max", label=label)
    return ax
