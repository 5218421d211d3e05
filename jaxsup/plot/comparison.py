"""One figure of four panels for what `jaxsup.weights.pairs.comparison.compare` found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from jaxsup.plot.style import (
    COLOR_MAP,
    COLORS,
    DASHES,
    GUIDE,
    STYLE,
    add_legend,
    bare_figure,
    ink_on,
    plain_log_axis,
    say_instead,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from jaxsup.weights.pairs.comparison import Comparison, SharedEigenspaces, SubspaceAngles

_WRITTEN = 8  # eigenspaces on a side whose overlaps are written into their cells
_GUIDE_DASH = (0, (4, 2))


def comparison_figure(comparison: Comparison) -> Figure:
    """Eigenvalues of both matrices, principal angles, shared eigenspaces, and matched features.

    Arguments:
        comparison: result of `jaxsup.weights.pairs.comparison.compare`.
    """
    with mpl.rc_context(STYLE):
        figure = bare_figure(11, 7.6)
        axes = np.asarray(figure.subplots(2, 2)).ravel()
        figure.get_layout_engine().set(w_pad=0.09, h_pad=0.09)  # pyright: ignore
        _draw_eigenvalues(comparison, axes[0])
        _draw_angles(comparison, axes[1])
        _draw_eigenspaces(comparison, axes[2])
        _draw_matches(comparison, axes[3])
    return figure


def _draw_eigenvalues(comparison: Comparison, ax: Axes) -> None:
    """Relative to the mean of the eigenvalues that are not zero."""
    ax.set_title("Spectra of F = W Wᵀ, relative to their mean")
    drawn = []
    for place, (name, basis) in enumerate(zip("AB", comparison.bases or (), strict=False)):
        if not basis.rank:
            continue
        values = basis.values**2 / np.mean(basis.values**2)
        drawn.append(values)
        index = np.arange(1, basis.rank + 1)
        marker = "o" if basis.rank <= 24 else ""
        ax.plot(index, values, color=COLORS[2 * place], linestyle=DASHES[place], marker=marker)
        ax.plot(
            [],
            [],
            color=COLORS[2 * place],
            linestyle=DASHES[place],
            label=f"{name}, rank {basis.rank:,}",
        )
    if not drawn:
        say_instead(ax, "no spectrum")
        return
    ax.set_yscale("log")
    everything = np.concatenate(drawn)
    if np.ptp(np.log10(everything)) > 0.3:
        plain_log_axis(ax.yaxis, everything)
    ax.set_xlabel("eigenvalue, by falling size")
    ax.set_ylabel("relative eigenvalue")
    add_legend(ax)


def _draw_angles(comparison: Comparison, ax: Axes) -> None:
    ax.set_title("Principal angles")
    spaces: dict[str, SubspaceAngles | None] = {
        "column spaces, in latent space": comparison.latent_angles,
        "row spaces, in the space of features": comparison.feature_angles,
    }
    shown = False
    for place, (title, found) in enumerate(spaces.items()):
        if found is None or not found.angles.size:
            continue
        shown = True
        label = title + (" (one is all of it)" if found.forced else "")
        angles = np.degrees(found.angles)
        marker = "o" if angles.size <= 24 else ""
        color = COLORS[2 * place]
        ax.plot(
            np.arange(1, angles.size + 1),
            angles,
            color=color,
            linestyle=DASHES[place],
            marker=marker,
            label=label,
        )
        if not found.forced:
            level = np.degrees(np.arccos(np.sqrt(found.null)))
            text = f"root mean square of random ones ({level:.0f}°)"
            ax.axhline(level, color=color, linewidth=0.8, linestyle=_GUIDE_DASH, label=text)
    if not shown:
        say_instead(ax, "no subspaces to compare")
        return
    ax.set_ylim(-3, 93)
    ax.set_yticks([0, 15, 30, 45, 60, 75, 90])
    ax.set_xlabel("angle, by rising size")
    ax.set_ylabel("degrees")
    add_legend(ax)


def _draw_eigenspaces(comparison: Comparison, ax: Axes) -> None:
    found = comparison.eigenspaces
    if found is None:
        ax.set_title("Shared eigenspaces")
        (latent, _), (other, _) = comparison.shapes
        say_instead(
            ax, "no eigenspaces to compare" if latent == other else "no common latent space"
        )
    elif found.overlaps is None:
        ax.set_title("Spans of the leading eigenvectors")
        ax.plot(found.leading, found.leading_overlaps, color=COLORS[0], marker="o", label="A and B")
        ax.plot(
            found.leading,
            found.leading / found.latent,
            color=GUIDE,
            linewidth=0.9,
            linestyle=_GUIDE_DASH,
            label="random spans, k / K",
        )
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.set_ylim(-0.03, 1.03)
        ax.set_xlabel("dimension k")
        ax.set_ylabel("overlap tr(P Q) / k")
        add_legend(ax)
    else:
        _draw_overlaps(found, ax)


def _draw_overlaps(found: SharedEigenspaces, ax: Axes) -> None:
    ax.set_title("Overlap of eigenspaces, tr(P Q) / smaller dimension")
    table = np.asarray(found.overlaps)
    image = ax.imshow(table, cmap=COLOR_MAP, vmin=0, vmax=1, aspect="auto")
    ax.grid(visible=False)
    ticks = (ax.set_yticks, ax.set_xticks)
    for set_ticks, sizes in zip(ticks, found.sizes, strict=True):
        set_ticks(range(len(sizes)), [f"{i} ({size})" for i, size in enumerate(sizes)])
    ax.set_ylabel("eigenspace of A (dimension)")
    ax.set_xlabel("eigenspace of B (dimension)")
    if max(table.shape) <= _WRITTEN:
        for (row, column), value in np.ndenumerate(table):
            color = ink_on(image, value)
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", color=color)
    ax.figure.colorbar(image, ax=ax)


def _draw_matches(comparison: Comparison, ax: Axes) -> None:
    """Best cosines of A's features, beside those of random directions."""
    kind = "|cosine|" if comparison.absolute else "cosine"
    if comparison.matches is None:
        same = comparison.same
        ax.set_title("Features of the same index, after the best rotation")
        if same is None:
            say_instead(ax, "no features to compare")
            return
        samples = {"same index": (same.aligned, COLORS[0])}
        ax.axvline(same.null, color=GUIDE, linestyle=_GUIDE_DASH, label="mean of shuffled features")
        kind = "cosine"
    else:
        found = comparison.matches[0]
        ax.set_title("Best match in B of each feature of A")
        best = np.abs(found.cosines) if comparison.absolute else found.cosines
        samples = {
            "features of A": (best, COLORS[0]),
            "random directions": (found.null.best, COLORS[4]),
            "of A's mean and covariance": (found.null_of_moments.best, COLORS[2]),
        }
    for place, (label, (values, color)) in enumerate(samples.items()):
        ax.ecdf(values, complementary=True, color=color, linestyle=DASHES[place], label=label)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel(kind)
    ax.set_ylabel("share of features with a larger one")
    add_legend(ax)
