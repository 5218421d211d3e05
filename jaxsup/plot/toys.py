"""Pictures of trained toy models: energy levels, shares of geometries, maps over two features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import ArrayLike

from jaxsup._internal.validation import check_number, fail
from jaxsup.plot.style import COLOURS, GUIDE, MARKERS, plain_log_axis, styled
from jaxsup.plot.superposition import cell_edges, draw_two_feature_boundaries

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED_LEVELS = 5
_NAMED_SHAPES = 6
_REST = ("other named", "unnamed scheme", "irregular")
_HATCHES = ("", "////", "....", "\\\\\\\\", "xx", "--")
# What trained toy models show has the same look in every figure.
_USUAL = ("digon", "triangle", "pentagon", "tetrahedron", "square antiprism")


@styled
def energy_levels(losses: ArrayLike, levels: Sequence[tuple[float, str, int]], ax: Axes) -> Axes:
    """Final losses of many runs, sorted: a staircase with a name for each tread.

    Arguments:
        losses: [runs]; NaN is left out.
        levels: (loss, name, runs) of each level, by rising loss; the five with most runs are named.
        ax: axis to draw on.

    Raises:
        ValueError: there is no finite loss.
    """
    values = np.asarray(losses, np.float64)
    values = np.sort(values[np.isfinite(values)])
    if not values.size:
        raise fail("losses", "at least one finite number", "a list of none", "give runs")
    ax.grid(visible=False, axis="x")
    start = 0
    common = sorted(range(len(levels)), key=lambda i: -levels[i][2])[:_NAMED_LEVELS]
    rarer = len(levels) - len(common)
    for index, (loss, name, runs) in enumerate(levels):
        place = common.index(index) if index in common else None
        share = f"{100 * runs / len(values):.0f}%" if runs >= 0.01 * len(values) else "<1%"
        label = f"{loss:.4g} ({share}): {name}" if place is not None else None
        x = 100 * (start + np.arange(runs) + 0.5) / len(values)
        ax.axhline(loss, color="#cccccc", linewidth=0.7, zorder=1)
        ax.plot(
            x,
            values[start : start + runs],
            linestyle="none",
            marker="o" if place is None else MARKERS[place % len(MARKERS)],
            color=GUIDE if place is None else COLOURS[place % len(COLOURS)],
            markersize=3 if place is None else 5,
            zorder=3,
            label=label,
        )
        start += runs
    if rarer:
        label = f"{rarer} rarer level{'s' * (rarer > 1)}"
        ax.plot([], [], "o", color=GUIDE, markersize=3, label=label)
    high = max(float(values[-1]), np.finfo(float).tiny)
    ax.set(xlim=(-2, 102), ylim=(-0.03 * high, 1.1 * high))
    ax.set_xlabel("starts, sorted by loss (%)")
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(-0.15, -0.17),
        title="final loss (share of starts): geometry",
        title_fontsize=8,
        alignment="left",
    )
    ax.set_ylabel("final loss (squared feature units)")
    return ax


@styled
def geometry_shares(
    inverse_density: ArrayLike, shares: Sequence[Mapping[str, float]], ax: Axes
) -> Axes:
    """Share of the represented features in each named geometry against inverse density: bars.

    The six commonest names have a colour and a hatch; the others are one, as are irregular ones.

    Arguments:
        inverse_density: [instances], 1 / (1 - S), positive and rising.
        shares: of each instance, see `jaxsup.geometry.feature_shares`.
        ax: axis to draw on.

    Raises:
        ValueError: lengths that do not match, or values that do not rise.
    """
    places = np.asarray(inverse_density, np.float64)
    if len(places) != len(shares):
        raise fail("shares", f"{len(places)} instances", len(shares), "give one a density")
    edges = cell_edges("inverse_density", places)
    totals: dict[str, float] = {}
    for row in shares:
        for name, share in row.items():
            totals[name] = totals.get(name, 0.0) + share
    named = sorted((n for n in totals if n not in _REST), key=lambda n: -totals[n])
    shown = named[:_NAMED_SHAPES]
    free = [i for i in range(_NAMED_SHAPES) if i >= len(_USUAL) or _USUAL[i] not in shown]
    bottom = np.zeros(len(places))
    layers: list[tuple[str, np.ndarray, dict[str, Any]]] = []
    for name in shown:
        place = _USUAL.index(name) if name in _USUAL else free.pop()
        look = {"color": COLOURS[place % 5], "hatch": _HATCHES[place]}
        layers.append((name, _column(shares, (name,)), look))
    look = {"color": "#b9a9c9", "hatch": "++"}
    layers.append(("other named", _column(shares, tuple(named[_NAMED_SHAPES:])), look))
    layers.append(("unnamed scheme", _column(shares, ("unnamed scheme",)), {"color": "#c4c8cc"}))
    layers.append(("irregular", _column(shares, ("irregular",)), {"color": "#ececec"}))
    for name, heights, look in layers:
        if not heights.any():
            continue
        ax.bar(
            edges[:-1],
            100 * heights,
            np.diff(edges),
            100 * bottom,
            align="edge",
            label=name,
            edgecolor="white",
            linewidth=0.6,
            **look,
        )
        bottom = bottom + heights
    ax.set(xscale="log", xlim=(edges[0], edges[-1]), ylim=(0, 100))
    plain_log_axis(ax.xaxis, places)
    ax.grid(visible=False)
    ax.set_xlabel("1 / (1 − S), inverse density of a feature")
    ax.set_ylabel("share of represented features (%)")
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), title="geometry", title_fontsize=8)
    return ax


@styled
def phase_map(
    density: ArrayLike,
    importance: ArrayLike,
    values: ArrayLike,
    ax: Axes,
    *,
    bound: float,
    label: str,
) -> Axes:
    """A signed number over density and relative importance, with the boundaries of the phases.

    Arguments:
        density: [densities], rising, in (0, 1].
        importance: [importances], rising, positive.
        values: [importances, densities]; zero is white, what lies past the bound is cut.
        ax: axis to draw on.
        bound: > 0, the end of the colour scale on both sides.
        label: of the colour scale.

    Raises:
        ValueError: values out of range or not rising, or shapes that do not match.
    """
    s, r = cell_edges("density", density, 1.0), cell_edges("importance", importance)
    numbers = np.asarray(values, np.float64)
    if numbers.shape != (len(r) - 1, len(s) - 1):
        expected = f"a number for each of {len(r) - 1} importances x {len(s) - 1} densities"
        raise fail("values", expected, f"a shape {numbers.shape}", "check the order of the axes")
    ax.grid(visible=False)
    shades = ax.pcolormesh(s, r, numbers, cmap="PuOr", vmin=-bound, vmax=bound, rasterized=True)
    draw_two_feature_boundaries(density, importance, ax)
    figure = ax.get_figure()
    if figure is not None:
        figure.colorbar(shades, ax=ax, label=label, extend="both")
    return ax


def _column(shares: Sequence[Mapping[str, float]], names: tuple[str, ...]) -> np.ndarray:
    return np.array([sum(row.get(name, 0.0) for name in names) for row in shares])


@styled
def feature_directions(vectors: ArrayLike, ax: Axes, *, reach: float) -> Axes:
    """Features in the plane as rays from the origin, dark to light from the first to the last.

    Arguments:
        vectors: [2, features].
        ax: axis to draw on.
        reach: > 0, largest coordinate shown, so that panels side by side have one scale.

    Raises:
        ValueError: `vectors` are not in the plane, or the reach is not positive.
    """
    points = np.asarray(vectors, np.float64)
    if points.ndim != 2 or len(points) != 2 or not np.isfinite(points).all():
        expected, do = "finite vectors [2, features]", "draw feature_geometry instead"
        raise fail("vectors", expected, f"a shape {points.shape}", do)
    check_number("reach", reach, "give the largest coordinate", low=0, low_open=True)
    shades = colormaps["viridis"](np.linspace(0, 0.9, points.shape[1]))
    for index, (point, shade) in enumerate(zip(points.T, shades, strict=True)):
        ax.plot([0, point[0]], [0, point[1]], color=shade, linewidth=1.6)
        ax.plot(*point, "o", color=shade, markersize=5)
        if np.hypot(*point) < 0.15 * reach:
            continue  # not represented: its number would lie on the others'
        away = point * (1 + 0.16 * reach / max(float(np.hypot(*point)), 0.16 * reach))
        ax.annotate(f"{index + 1}", tuple(away.tolist()), ha="center", va="center", fontsize=7.5)
    ax.set(xlim=(-1.3 * reach, 1.3 * reach), ylim=(-1.3 * reach, 1.3 * reach))
    ax.set_aspect("equal")
    ax.set_xlabel("first latent dimension")
    return ax


@styled
def represented_counts(
    density: ArrayLike, counts: ArrayLike, ax: Axes, *, features: int, latent: int
) -> Axes:
    """How many features are represented against inverse density: every start, and the mean.

    Arguments:
        density: [densities], in (0, 1].
        counts: [starts, densities], whole numbers.
        ax: axis to draw on.
        features: N, drawn as a level; so is the latent dimension K.
        latent: K.

    Raises:
        ValueError: shapes that do not match.
    """
    x, values = 1 / np.asarray(density, np.float64), np.asarray(counts, np.float64)
    if values.ndim != 2 or values.shape[1] != len(x):
        expected = f"starts x {len(x)} densities"
        raise fail("counts", expected, f"a shape {values.shape}", "give one a density")
    for place, column in zip(x, values.T, strict=True):
        levels, times = np.unique(column, return_counts=True)
        sizes = 90 * times / len(values)
        ax.scatter(np.full(len(levels), place), levels, sizes, color=COLOURS[3], zorder=2)
    ax.plot(x, values.mean(axis=0), color=COLOURS[0], label="mean of starts", zorder=3)
    for level, words in ((latent, f"K = {latent}"), (features, f"N = {features}")):
        ax.axhline(level, color=GUIDE, linewidth=0.8, linestyle=(0, (4, 2)))
        ax.annotate(
            words,
            (0, level),
            xycoords=("axes fraction", "data"),
            xytext=(3, 3),
            textcoords="offset points",
            fontsize=7,
        )
    ax.set(xscale="log", ylim=(0, features + 0.6))
    plain_log_axis(ax.xaxis, x)
    ax.set_xlabel("inverse density of a feature")
    ax.set_ylabel("features (area: share of starts)")
    ax.legend(loc="lower right")
    return ax
