"""Pictures of feature directions: arrows with their Gram graph, Gram matrices, cosines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from jaxsup._internal.validation import fail
from jaxsup.geometry.colors import color_pairs
from jaxsup.plot.style import COLORS, NEW, line_style, styled, styled_in_space
from jaxsup.spectral.arrays import check_unmasked
from jaxsup.spectral.overlap import welch_bound

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Matrix = Float[np.ndarray, "latent features"]
Points = Float[np.ndarray, "dimensions features"]
Classes = list[tuple[str, list[tuple[int, int]]]]
# Light and below the edges: those of antipodal pairs run along the arrows.
_ARROW = "#b0b0b0"
_NUMBER: Any = {
    "fontsize": 8,
    "zorder": 10,
    "path_effects": [withStroke(linewidth=2, foreground="white")],
}
_CLASSES = 6  # Gram values that colors and dashes can tell apart
_MARKED = 24  # features that still have room for their number


@styled
def feature_geometry(
    vectors: ArrayLike, ax: Axes = NEW, *, labels: ArrayLike | None = None, tolerance: float = 1e-2
) -> Axes:
    """Features as arrows in the plane, an edge for each pair, colored by its Gram value w_i . w_j.

    Arguments:
        vectors: [latent, features]; more than two latent dimensions are projected onto the two
            principal axes, and the axes then say which share of |W|^2 = sum_i |w_i|^2 they show.
        ax: axis to draw on; default: a new one.
        labels: numbers of the features; default: 0, 1, ...
        tolerance: width of a class of Gram values, relative to the largest |w_i|^2. Values that
            form no classes, or more than six, give no edges; the picture says so.

    Raises:
        ValueError: `vectors` is no finite matrix, or `labels` are not one for each feature.
    """
    matrix = _checked(vectors)
    points, names = _project(matrix, 2)
    reach = 1.25 * max(float(np.abs(points).max()), np.finfo(float).tiny)
    classes, note = _gram_classes(matrix, tolerance)
    _draw_edges(points, classes, ax, zorder=2)
    ax.quiver(
        *np.zeros_like(points),
        *points,
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.006,
        color=_ARROW,
        zorder=1,
    )
    ax.plot(*points, "o", color="black", markersize=4, zorder=3)
    for place, number in _numbers(points, labels, beyond=0.11):
        side = (
            "left" if place[0] > 0.3 * reach else "right" if place[0] < -0.3 * reach else "center"
        )
        ax.annotate(number, tuple(place.tolist()), ha=side, va="center", **_NUMBER)
    ax.update_datalim([(-reach, -reach), (reach, reach)])
    ax.margins(0)
    ax.autoscale_view()
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    _explain(ax, note)
    return ax


@styled_in_space
def feature_geometry_3d(
    vectors: ArrayLike, ax: Axes = NEW, *, labels: ArrayLike | None = None, tolerance: float = 1e-2
) -> Axes:
    """`feature_geometry` in space: three coordinates, or the three principal axes.

    Arguments:
        vectors: [latent, features].
        ax: 3-D axis, as ``new_figure(projection="3d")`` makes it; default: a new one.
        labels: numbers of the features; default: 0, 1, ...
        tolerance: as in `feature_geometry`.

    Raises:
        ValueError: as in `feature_geometry`, or the axis is flat.
    """
    space: Any = ax
    if getattr(ax, "name", "") != "3d":
        do = 'make it with new_figure(projection="3d")'
        kind = f"a {getattr(ax, 'name', 'flat')} one"
        raise fail("ax", "a 3-D axis", kind, do, described=True)
    matrix = _checked(vectors)
    points, names = _project(matrix, 3)
    classes, note = _gram_classes(matrix, tolerance)
    _draw_edges(points, classes, ax)
    for point in points.T:
        space.plot(*np.stack([np.zeros(3), point], axis=1), color=_ARROW, linewidth=0.9)
    space.scatter(*points, color="black", s=16, depthshade=False)
    for place, number in _numbers(points, labels, beyond=0.0):
        space.text(*place, f" {number}", ha="left", va="bottom", **_NUMBER)
    reach = max(float(np.abs(points).max()), np.finfo(float).tiny)
    space.set(xlim=(-reach, reach), ylim=(-reach, reach), zlim=(-reach, reach))
    space.set_box_aspect((1, 1, 1), zoom=0.88)
    space.view_init(elev=20, azim=-52)
    space.set_anchor("W")
    for axis, name in zip((space.xaxis, space.yaxis, space.zaxis), names, strict=True):
        axis.set_label_text(name, fontsize=7.5)
        axis.set_tick_params(labelsize=7, pad=-2)
        axis.set_pane_color("#fafafa")
        axis.set_major_locator(MaxNLocator(3, prune="both"))
        axis.labelpad = -3
    _explain(ax, note)
    return ax


@styled
def gram_matrix(
    vectors: ArrayLike, ax: Axes = NEW, *, labels: ArrayLike | None = None, title: str | None = None
) -> Axes:
    """Heat map of the Gram matrix M_ij = w_i . w_j: blue negative, red positive, white orthogonal.

    Arguments:
        vectors: columns w_i, [latent, features].
        ax: axis to draw on; default: a new one.
        labels: numbers of the features; default: 0, 1, ...
        title: of the axis.

    Raises:
        ValueError: as in `feature_geometry`.
    """
    matrix = _checked(vectors)
    count = matrix.shape[1]
    numbers = _labels(labels, count)
    gram = matrix.T @ matrix
    peak = float(np.abs(gram).max()) or 1.0
    image = ax.imshow(gram, cmap="RdBu_r", vmin=-peak, vmax=peak, interpolation="nearest")
    ax.grid(visible=False)
    ticks = range(0, count, -(-count // 16))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(ticks, [str(numbers[tick]) for tick in ticks])
    ax.set(xlabel="feature j", ylabel="feature i", title=title or "")
    ax.figure.colorbar(image, ax=ax, label=r"Gram value $w_i \cdot w_j$ (units of $W^2$)")
    return ax


@styled
def cosine_histogram(vectors: ArrayLike, ax: Axes = NEW, *, most: int = 1024) -> Axes:
    """Cosines of all pairs of features, beside the Welch bound.

    Dashed lines at +-sqrt((n - K) / (K (n - 1))): no n vectors in K dimensions have smaller
    coherence, and their root mean square cosine is at least as large.

    Arguments:
        vectors: [latent, features].
        ax: axis to draw on; default: a new one.
        most: of more features, so many evenly spaced ones are drawn, and the x label says so.

    Raises:
        ValueError: as in `feature_geometry`, or fewer than two columns are not zero.

    Reference: Welch, IEEE Trans. Inf. Theory 20 (1974).
    """
    matrix = _checked(vectors)
    latent, count = matrix.shape
    columns = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
    norms = np.linalg.norm(matrix[:, columns], axis=0)
    nonzero = int(np.sum(norms > 0))
    if nonzero < 2:
        raise fail("vectors", "two features that are not zero", nonzero, "draw the norms instead")
    unit = matrix[:, columns][:, norms > 0] / norms[norms > 0]
    cosines = (unit.T @ unit).clip(-1, 1)[np.triu_indices(unit.shape[1], 1)]
    ax.hist(cosines, bins=np.linspace(-1, 1, 101).tolist(), color=COLORS[3])
    bound = welch_bound(count, latent)
    for side in (-bound, bound):
        label = f"Welch bound ±{bound:.3g}" if side > 0 else None
        ax.axvline(side, color="black", linewidth=0.9, linestyle=(0, (4, 2)), label=label)
    ax.set_yscale("log")
    part = f" ({len(columns):,} of {count:,} features)" if len(columns) < count else ""
    ax.set_xlabel(f"cosine of two features{part}")
    ax.set_ylabel("pairs of features")
    ax.set_xlim(-1, 1)
    if bound:
        ax.set_ylim(top=6 * ax.get_ylim()[1])
        ax.legend(loc="upper right")
    return ax


def _checked(vectors: ArrayLike) -> Matrix:
    check_unmasked("vectors", vectors)
    matrix = np.asarray(vectors, np.float64)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        expected = "a finite, non-empty [latent, features] matrix"
        shape = f"a shape {matrix.shape}"
        raise fail("vectors", expected, shape, "give the columns to draw", described=True)
    return matrix


def _labels(labels: ArrayLike | None, count: int) -> list[int]:
    numbers = np.arange(count) if labels is None else np.asarray(labels)
    if numbers.shape != (count,):
        expected = f"shape ({count},), one a feature"
        shape = f"a shape {numbers.shape}"
        raise fail("labels", expected, shape, "give one for each column", described=True)
    return numbers.tolist()


def _project(matrix: Matrix, dimensions: int) -> tuple[Points, list[str]]:
    """Coordinates to draw and the names of their axes."""
    latent = matrix.shape[0]
    if latent <= dimensions:
        points = np.vstack([matrix, np.zeros((dimensions - latent, matrix.shape[1]))])
        return points, [f"latent dimension {axis + 1}" for axis in range(dimensions)]
    values, axes = np.linalg.eigh(matrix @ matrix.T)
    axes = axes[:, ::-1][:, :dimensions]
    # A sign of its own for each axis: the largest coordinate is positive.
    points = axes.T @ matrix
    largest = np.take_along_axis(points, np.abs(points).argmax(axis=1)[:, None], axis=1)
    points = points * np.where(largest < 0, -1.0, 1.0)
    shares = np.maximum(values[::-1][:dimensions], 0) / (values.sum() or 1.0)
    names = [f"axis {axis + 1} ({share:.0%} of |W|²)" for axis, share in enumerate(shares)]
    return points, names


def _gram_classes(matrix: Matrix, tolerance: float) -> tuple[Classes, str]:
    """Legend and pairs of each class of Gram values, or why there are none."""
    count = matrix.shape[1]
    if count > 10 * _MARKED:
        return [], f"{count:,} features:\nno edges drawn"
    gram = matrix.T @ matrix
    largest = float(gram.diagonal().max()) or 1.0
    colors = color_pairs((gram + gram.T) / (2 * largest), tolerance)
    count = int(colors.matrix.max())
    if count > _CLASSES or not colors.separated:
        return [], "Gram values form no\nclasses: no edges drawn"
    classes: Classes = []
    for color in range(1, count + 1):
        first, second = np.nonzero(np.triu(colors.matrix == color))
        value = float(gram[first, second].mean())
        value = 0.0 if abs(value) < 5e-4 * largest else value
        text = f"{value:.3g}".replace("-", "−")
        number = f"{len(first)} pair{'s' * (len(first) != 1)}"
        label = f"{text} ({number})"
        classes.append((label, list(zip(first.tolist(), second.tolist(), strict=True))))
    return classes, ""


def _draw_edges(points: Points, classes: Classes, ax: Axes, **options: float) -> None:
    """An edge for each pair, alike within a class."""
    for position, (label, pairs) in enumerate(classes):
        style = {**line_style(position), **options}
        for which, (first, second) in enumerate(pairs):
            ax.plot(*points[:, [first, second]], label=None if which else label, **style)


def _numbers(
    points: Points, labels: ArrayLike | None, *, beyond: float
) -> list[tuple[np.ndarray, str]]:
    """Where the numbers of features stand; features at one place share it."""
    numbers = _labels(labels, points.shape[1])
    if len(numbers) > _MARKED:
        return []
    lengths = np.linalg.norm(points, axis=0)
    longest = float(lengths.max()) or 1.0
    places = points * (1 + beyond * longest / np.where(lengths > 0, lengths, 1.0))
    shared: list[tuple[np.ndarray, list[str]]] = []
    for place, number in zip(places.T, numbers, strict=True):
        for other, texts in shared:
            if np.linalg.norm(place - other) < 0.12 * longest:
                texts.append(str(number))
                break
        else:
            shared.append((place, [str(number)]))
    return [(place, ", ".join(texts)) for place, texts in shared]


def _explain(ax: Axes, note: str) -> None:
    handles, texts = ax.get_legend_handles_labels()
    if handles or note:
        legend = ax.legend(
            handles,
            texts,
            title=note or r"Gram value $w_i \cdot w_j$",
            title_fontsize=8,
            loc="upper left",
            bbox_to_anchor=(1.02, 1.0),
        )
        legend.set_alignment("left")
