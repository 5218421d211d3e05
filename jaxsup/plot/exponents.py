"""Pictures of many exponents at once: against theory, and over the levels of many factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from jaxsup._internal.validation import fail
from jaxsup.plot.style import COLOURS, COVERING, GUIDE, MARKERS, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes


@styled
def exponent_against_theory(table: xr.Dataset, ax: Axes) -> Axes:
    """Measured exponents against (a + 2b - 1)/a, with intervals and the line of equality.

    Open crosses: the same fit of the exact curve at this N, where the table has ``exact``.

    Arguments:
        table: result of `jaxsup.measure_exponents` with a joint axis ``"kind"`` of students (at
            most six) as its first; settings without a power law are left out.
        ax: axis to draw on.

    Raises:
        ValueError: the table has no such axis.
    """
    if table["exponent"].dims[:1] != ("kind",):
        got = f"the axes {table['exponent'].dims}"
        raise fail("table", "a first axis 'kind'", got, "scan the students jointly as 'kind'")
    names = {"identity": "linear student", "relu": "ReLU student, bias"}
    reach = [0.0]
    for position in range(table.sizes["kind"]):
        one = table.isel(kind=position)
        found = one["found"].values.ravel()
        x, y = (one[name].values.ravel()[found] for name in ("theory", "exponent"))
        ends = np.stack([one[f"interval_{side}"].values.ravel()[found] for side in ("low", "high")])
        kind = str(one["student.activation"].item())
        shift = 0.012 * (position - (table.sizes["kind"] - 1) / 2)
        ax.errorbar(
            x + shift,
            y,
            np.abs(ends - y),
            linestyle="",
            marker=MARKERS[position % len(MARKERS)],
            color=COLOURS[2 * position % len(COLOURS)],
            capsize=2,
            elinewidth=0.9,
            label=names.get(kind, kind),
        )
        reach += [*x, *y]
    if "exact" in table:
        x, y = table["theory"].isel(kind=0).values.ravel(), table["exact"].values.ravel()
        ax.plot(x, y, "x", color=GUIDE, markersize=6, label="exact linear curve, this N")
        reach += [*x, *y[np.isfinite(y)]]
    high = 1.08 * max(reach)
    ax.plot([0, high], [0, high], color=GUIDE, linewidth=0.9, label="(a + 2b - 1)/a", zorder=1)
    ax.set(xlim=(0, high), ylim=(0, high))
    ax.set_aspect("equal", adjustable="box")
    ax.set_xlabel("(a + 2b - 1)/a, theory for infinitely many features")
    ax.set_ylabel("measured training exponent α")
    ax.legend(loc="upper left", **COVERING)
    return ax


@styled
def exponents_by_factor(
    factors: Mapping[str, Mapping[str, Sequence[float]]],
    ax: Axes,
    *,
    near: tuple[float, float] = (0.8, 1.2),
) -> Axes:
    """Distribution of exponents at every level of every factor, and the share near one.

    A row a level: the middle 90% (thin), the middle half (thick) and the median of its exponents;
    at its right end, how many per cent lie within `near`, which is shaded.

    Arguments:
        factors: factor -> level -> exponents, at least one level; empty levels say so.
        ax: axis to draw on.
        near: range that is counted.

    Raises:
        ValueError: there is no level.
    """
    rows = [(factor, level, v) for factor, ls in factors.items() for level, v in ls.items()]
    if not rows:
        raise fail("factors", "at least one level", dict(factors), "give exponents by level")
    ax.axvspan(*near, color="#dfe9ec", zorder=0, label=f"{near[0]:g} to {near[1]:g}")
    place, ticks, words, before = 0.0, [], [], rows[0][0]
    for factor, level, values in rows:
        place += 1.6 if factor != before else 1.0
        colour = COLOURS[list(factors).index(factor) % len(COLOURS)]
        ticks.append(place)
        words.append(level)
        if factor != before or place == 1.0:
            ax.annotate(
                factor,
                (0, place - 0.62),
                xycoords=("axes fraction", "data"),
                xytext=(3, 0),
                textcoords="offset points",
                fontsize=7,
                color=colour,
                va="center",
            )
        before = factor
        finite = np.asarray(values, np.float64)
        finite = finite[np.isfinite(finite)]
        text = "no power law"
        if finite.size:
            p5, p25, p50, p75, p95 = np.percentile(finite, [5, 25, 50, 75, 95])
            ax.plot([p5, p95], [place, place], color=colour, linewidth=1.0)
            ax.plot([p25, p75], [place, place], color=colour, linewidth=4, solid_capstyle="butt")
            ax.plot([p50], [place], "o", color="white", markeredgecolor=colour, markersize=5)
            text = f"{100 * np.mean((finite >= near[0]) & (finite <= near[1])):.0f}%"
        ax.annotate(
            text,
            (1, place),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    ax.set_yticks(ticks, words)
    ax.set_ylim(place + 0.7, 0.1)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("training exponent α: median, middle half, middle 90%")
    return ax


@styled
def exponent_atlas(
    exponents: ArrayLike,
    ax: Axes,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    near: tuple[float, float] = (0.8, 1.2),
) -> Axes:
    """Heat map of exponents, conditions by (a, b): white is 1, cells within `near` are framed.

    Arguments:
        exponents: [rows, columns]; NaN, no power law, is hatched.
        ax: axis to draw on.
        rows: conditions.
        columns: settings, say "1.5, 0" for (a, b).
        near: range that is framed.

    Raises:
        ValueError: the names are not one a row and a column.
    """
    from matplotlib.patches import Rectangle

    grid = np.ma.masked_invalid(np.asarray(exponents, np.float64))
    if grid.shape != (len(rows), len(columns)):
        expected = f"a number for each of {len(rows)} rows x {len(columns)} columns"
        raise fail("exponents", expected, f"a shape {grid.shape}", "check the names")
    ax.grid(visible=False)
    ax.patch.set(hatch="////", edgecolor="#c8c8c8", facecolor="white")
    mesh = ax.pcolormesh(grid, cmap="PuOr", vmin=0.0, vmax=2.0)
    for (row, column), value in np.ndenumerate(grid.filled(np.nan)):
        if np.isnan(value):
            continue
        shade = "white" if abs(value - 1) > 0.65 else "black"
        place = (column + 0.5, row + 0.5)
        ax.text(*place, f"{value:.2f}", ha="center", va="center", fontsize=6, color=shade)
        if near[0] <= value <= near[1]:
            ax.add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor="black", lw=1.1))
    ax.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=90)
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows)
    ax.invert_yaxis()
    ax.tick_params(length=0, labelsize=7.5)
    ax.set_xlabel("feature exponent a, channel exponent b")
    ax.figure.colorbar(
        mesh,
        ax=ax,
        location="bottom",
        extend="max",
        label="training exponent α (framed: 0.8..1.2; hatched: no power law)"
        if near == (0.8, 1.2)
        else "training exponent α (framed: about 1; hatched: no power law)",
    )
    return ax


@styled
def variance_shares(shares: Mapping[str, float], ax: Axes) -> Axes:
    """Share of the exponents' variance that the main effect of each factor explains: bars.

    Arguments:
        shares: factor -> share in [0, 1], or NaN where there is no variance.
        ax: axis to draw on.

    Raises:
        ValueError: there is no factor.
    """
    if not shares:
        raise fail("shares", "at least one factor", dict(shares), "give one")
    values = [0.0 if np.isnan(share) else 100 * share for share in shares.values()]
    colours = [COLOURS[place % len(COLOURS)] for place in range(len(values))]
    ax.barh(range(len(values)), values, color=colours, height=0.65)
    for place, value in enumerate(values):
        ax.annotate(
            f"{value:.0f}%",
            (value, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    ax.set_yticks(range(len(values)), list(shares))
    ax.invert_yaxis()
    ax.set_xlim(0, max(10.0, 1.15 * max(values)))
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("share of the variance, main effect (%)")
    return ax
