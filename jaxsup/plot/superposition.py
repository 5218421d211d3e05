"""Pictures of superposition: capacities, the plateau of D*, the phases of two features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from jaxsup._internal.validation import fail
from jaxsup.plot.style import COLOURS, GUIDE, plain_log_axis, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Capacity D = dimension / features of the geometries that trained toy models show (Elhage et al.).
# The last two lie close together: one name stands above its line, the other below.
_GUIDES = (
    (3 / 4, "3/4 tetrahedron", "center"),
    (2 / 3, "2/3 triangle", "center"),
    (1 / 2, "1/2 digon", "center"),
    (2 / 5, "2/5 pentagon", "bottom"),
    (3 / 8, "3/8 square antiprism", "top"),
)
PHASES = ("extra feature dropped", "dimension given to extra feature", "antipodal pair")
"""Outcomes of two features in one dimension: the codes 0, 1 and 2 of `two_feature_phases`."""

# Light, middle and dark, so that the three are told apart in grey and without red or green.
_PHASE_COLOURS = ("#f3dfb5", "#7fb7c4", "#3b4f7d")


@styled
def capacity_scatter(
    capacities: ArrayLike, ax: Axes, *, against: ArrayLike | None = None, name: str = "feature"
) -> Axes:
    """Capacity D_i of every feature, with lines at the values of the known geometries.

    Arguments:
        capacities: [features], or [instances, features] for several networks; see
            `jaxsup.spectral.capacities`. Features that are not represented have D = 0.
        ax: axis to draw on.
        against: the horizontal value of each instance (or of each feature of a single one), say
            1 / (1 - sparsity), the inverse density: then drawn on a logarithmic axis if positive
            and spanning more than a decade. Default: the index of the feature.
        name: label of the horizontal axis.

    Raises:
        ValueError: capacities outside of [0, 1], or `against` of another length.
    """
    values = _finite("capacities", capacities, (1, 2))
    if (values < 0).any() or (values > 1 + 1e-3).any():
        got = f"a range {values.min():g}..{values.max():g}"
        raise fail("capacities", "numbers in [0, 1]", got, "give spectral.capacities(W)")
    places = np.arange(values.shape[-1]) if against is None else _finite("against", against, (1,))
    if against is not None and len(places) != len(values):
        raise fail("against", f"{len(values)} values", len(places), "give one an instance")
    spread = places[:, None] if against is not None and values.ndim == 2 else places
    x = np.broadcast_to(spread, values.shape).ravel()
    if against is not None:
        _log_if_wide(ax, places)
    left, right = _margins(ax, places)
    for level, word, side in _GUIDES:
        ax.axhline(level, color=GUIDE, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
        _mark(ax, level, word, side)
    ax.grid(visible=False, axis="y")
    crowd = float(np.clip(60 / np.sqrt(max(values.size, 1)), 2, 6))
    ax.plot(
        x,
        values.ravel(),
        "o",
        color=COLOURS[2],
        markersize=crowd,
        alpha=0.45,
        zorder=2,
        markeredgewidth=0,
    )
    ax.set(xlim=(left, right), ylim=(-0.03, 1.05))
    ax.set_xlabel(name)
    ax.set_ylabel("capacity D (dimensions of a feature)")
    return ax


@styled
def dimension_plateau(
    sparsity: ArrayLike, dimensions: ArrayLike, ax: Axes, *, inverse_density: bool = True
) -> Axes:
    """Dimensions per feature D* = K / |W|_F^2 against sparsity S, with the plateau at 1/2.

    At D* = 1/2 two features share a dimension, as antipodal pairs (digons) do (arXiv 2209.10652).

    Arguments:
        sparsity: [instances], S = 1 - density, in [0, 1).
        dimensions: [instances], or [seeds, instances]: median and range over seeds are drawn. See
            `jaxsup.spectral.dimensions_per_feature`.
        ax: axis to draw on.
        inverse_density: draw against 1 / (1 - S) on a logarithmic axis; else against S.

    Raises:
        ValueError: sparsity outside of [0, 1), or shapes that do not match.
    """
    places = _finite("sparsity", sparsity, (1,))
    values = np.atleast_2d(_finite("dimensions", dimensions, (1, 2)))
    if (places < 0).any() or (places >= 1).any():
        raise fail(
            "sparsity",
            "numbers in [0, 1)",
            f"a range {places.min():g}..{places.max():g}",
            "give 1 - density",
        )
    if values.shape[1] != len(places):
        got = f"a shape {values.shape}"
        raise fail("dimensions", f"{len(places)} instances", got, "give one a sparsity")
    order = np.argsort(places)
    x = 1 / (1 - places[order]) if inverse_density else places[order]
    seeds = len(values)
    values = values[:, order]
    ax.axhline(0.5, color=GUIDE, linewidth=0.9, linestyle=(0, (4, 2)))
    _mark(ax, 0.5, "1/2 digon")
    line = COLOURS[0]
    if seeds > 1:
        ax.fill_between(
            x,
            values.min(0),
            values.max(0),
            color=line,
            alpha=0.15,
            linewidth=0,
            label=f"range of {seeds} seeds",
        )
    ax.plot(x, np.median(values, 0), "o-", color=line, label="median" if seeds > 1 else None)
    if inverse_density:
        ax.set_xscale("log")
        plain_log_axis(ax.xaxis, x)
        ax.set_xlabel("1 / (1 − S), inverse density of a feature")
    else:
        ax.set_xlabel("sparsity S (probability that a feature is off)")
    ax.set_ylabel("dimensions per feature D* = K / |W|²")
    ax.set_ylim(0, max(1.05, 1.05 * float(values.max())))
    if seeds > 1:
        ax.legend(loc="best")
    return ax


@styled
def two_feature_phases(
    density: ArrayLike, importance: ArrayLike, outcomes: ArrayLike, ax: Axes
) -> Axes:
    """What two features in one dimension become, over density s and relative importance r.

    Overlaid: where the exact losses of the three arrangements cross (inputs uniform on [0, 1] with
    probability s, squared error, importance r of the extra feature). Dropping it costs
    r (s/3 - s^2/4), giving it the dimension s/3 - s^2/4, the antipodal pair (1 + r) s^2 / 6: the
    pair wins between r = 2s / (4 - 5s) and r = (4 - 5s) / (2s), which meet at s = 4/7, r = 1. At
    higher density the dimension is the more important feature's. Setting: arXiv 2209.10652; the
    three arrangements: the public analysis wattenberg/superposition.

    Arguments:
        density: [densities], rising, in (0, 1].
        importance: [importances], rising, positive.
        outcomes: [importances, densities] codes of `PHASES`: 0 the extra feature is dropped, 1 the
            dimension is its own, 2 antipodal pair. Other numbers and NaN stay white.
        ax: axis to draw on.

    Raises:
        ValueError: values out of range or not rising, or shapes that do not match.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    s = _rising("density", density, 1.0)
    r = _rising("importance", importance, np.inf)
    codes = np.asarray(outcomes, np.float64)
    if codes.shape != (len(r), len(s)):
        expected = f"a code for each of {len(r)} importances x {len(s)} densities"
        raise fail("outcomes", expected, f"a shape {codes.shape}", "check the order of the axes")
    known = np.ma.masked_where(~np.isin(codes, (0, 1, 2)), codes)
    ax.grid(visible=False)
    ax.pcolormesh(
        _edges(s),
        _edges(r),
        known,
        cmap=ListedColormap(_PHASE_COLOURS),
        vmin=-0.5,
        vmax=2.5,
        rasterized=True,
    )
    draw_two_feature_boundaries(s, r, ax)
    present = [
        Patch(color=colour, label=name)
        for code, (colour, name) in enumerate(zip(_PHASE_COLOURS, PHASES, strict=True))
        if (codes == code).any()
    ]
    if np.ma.is_masked(known):
        present.append(Patch(facecolor="white", edgecolor=GUIDE, label="none of these"))
    ax.legend(handles=[*present, ax.get_lines()[0]], loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return ax


def draw_two_feature_boundaries(density: ArrayLike, importance: ArrayLike, ax: Axes) -> None:
    """Where the exact losses of two arrangements cross, and the axes over which they do."""
    from matplotlib.patheffects import withStroke

    s, r = np.asarray(density, np.float64), np.asarray(importance, np.float64)
    pair = np.geomspace(min(s[0], 4 / 7), 4 / 7, 200)
    theory: Any = {"color": "black", "linewidth": 1.6}
    theory["path_effects"] = [withStroke(linewidth=3.6, foreground="white")]
    ax.plot(pair, 2 * pair / (4 - 5 * pair), label="boundary by exact losses", **theory)
    ax.plot(pair, (4 - 5 * pair) / (2 * pair), **theory)
    ax.plot([4 / 7, 1], [1, 1], **theory)
    edges_s, edges_r = _edges(s), _edges(r)
    ax.set(
        xscale="log", yscale="log", xlim=(edges_s[-1], edges_s[0]), ylim=(edges_r[0], edges_r[-1])
    )
    plain_log_axis(ax.xaxis, s)
    plain_log_axis(ax.yaxis, r)
    ax.set_xlabel("feature density s (probability that a feature is on)")
    ax.set_ylabel("relative importance r of the extra feature")


def cell_edges(name: str, centres: ArrayLike, high: float = np.inf) -> np.ndarray:
    """Borders of cells around rising positive values on a logarithmic axis, one more than those.

    Raises:
        ValueError: the values do not rise, or leave (0, high].
    """
    return _edges(_rising(name, centres, high))


def _finite(name: str, values: ArrayLike, ranks: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.ndim not in ranks or not array.size or not np.isfinite(array).all():
        expected = f"finite numbers with {' or '.join(map(str, ranks))} axes"
        raise fail(name, expected, f"a shape {array.shape}", "leave out what diverged")
    return array


def _rising(name: str, values: ArrayLike, high: float) -> np.ndarray:
    array = _finite(name, values, (1,))
    if len(array) < 2 or array[0] <= 0 or array[-1] > high or (np.diff(array) <= 0).any():
        bound = " up to 1" if high == 1.0 else ""
        raise fail(name, f"two or more rising positive numbers{bound}", array.tolist(), "sort them")
    return array


def _edges(centres: np.ndarray) -> np.ndarray:
    """Borders of cells around values that are seen on a logarithmic axis."""
    logs = np.log(centres)
    middle = (logs[1:] + logs[:-1]) / 2
    ends = [2 * logs[0] - middle[0], *middle, 2 * logs[-1] - middle[-1]]
    return np.exp(ends)


def _mark(ax: Axes, level: float, word: str, side: str = "center") -> None:
    """Name a level to the right of the axis."""
    ax.annotate(
        word,
        (1, level),
        xycoords=("axes fraction", "data"),
        xytext=(4, {"bottom": 1, "top": -1}.get(side, 0)),
        textcoords="offset points",
        va=side,
        fontsize=8,
    )


def _log_if_wide(ax: Axes, places: np.ndarray) -> None:
    if places.min() > 0 and places.max() > 10 * places.min():
        ax.set_xscale("log")
        plain_log_axis(ax.xaxis, places)


def _margins(ax: Axes, places: np.ndarray) -> tuple[float, float]:
    low, high = float(places.min()), float(places.max())
    if ax.get_xscale() == "log":
        room = (high / low) ** 0.04
        return low / room, high * room
    room = 0.04 * (high - low) or 0.5
    return low - room, high + room
