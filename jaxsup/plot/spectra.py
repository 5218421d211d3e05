"""Pictures of a frame's spectrum: eigenvalues, spectral measures, localization."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from jaxsup._internal.places import even_places
from jaxsup._internal.validation import fail, feature_indices
from jaxsup.plot.style import COLOR_MAP, COLORS, GUIDE, NEW, add_legend, styled
from jaxsup.spectral.arrays import check_single

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import MaxNLocator

    from jaxsup.spectral import FrameSpectrum

_NAMED_COLUMNS = 8  # eigenspaces whose eigenvalues all have room on the axis
_NAMED_ROWS = 24


@styled
def eigenvalue_spectrum(spectrum: FrameSpectrum, ax: Axes = NEW) -> Axes:
    """Eigenvalues of F = W W^T by falling size, each eigenspace of more than one dimension a bar.

    Dashed: |W|^2 / min(K, N), the level of a tight frame. Shaded: where the eigenvalues of
    independent random features of the same |W|^2 lie (Marchenko & Pastur 1967), from
    (1 - q)^2 to (1 + q)^2 times that level, q^2 = min(K, N) / max(K, N).

    Arguments:
        spectrum: result of `jaxsup.spectral.decompose`, padded or not.
        ax: axis to draw on; default: a new one.

    Raises:
        ValueError: the spectrum is that of a batch.
    """
    spectrum = single_spectrum(spectrum)
    values = np.asarray(spectrum.raw_eigenvalues, np.float64)
    sizes = np.asarray(spectrum.multiplicities)
    rank = int(spectrum.rank)
    index = np.arange(1, len(values) + 1)
    level = float(values.sum()) / len(values)
    if level:
        shape = (spectrum.basis.shape[0], len(spectrum.norms))
        q = sqrt(min(shape) / max(shape))
        low, high = level * (1 - q) ** 2, level * (1 + q) ** 2
        ax.axhspan(
            low, high, color="#dcdcdc", zorder=0, label="range for independent random features"
        )
        ax.axhline(
            level,
            color=GUIDE,
            linewidth=0.9,
            linestyle=(0, (4, 2)),
            label=f"tight frame, |W|²/{len(values)} = {level:.3g}",
        )
    ends = np.cumsum(sizes)
    several = [(end - size, end) for end, size in zip(ends, sizes, strict=True) if size > 1]
    for which, (start, end) in enumerate(several):
        ax.plot(
            index[start:end],
            values[start:end],
            color=COLORS[4],
            linewidth=5,
            alpha=0.7,
            solid_capstyle="round",
            label=None if which else "one eigenspace of several dimensions",
        )
    size = 4.5 if len(values) <= 60 else 2
    label = f"eigenvalue ({len(sizes):,} eigenspace{'s' * (len(sizes) != 1)})"
    ax.plot(index[:rank], values[:rank], "o", color=COLORS[0], markersize=size, label=label)
    if rank and values[0] > 50 * values[rank - 1]:
        ax.set_yscale("log")
    else:
        ax.set_ylim(0, max(1.12 * float(values[0]), np.finfo(float).tiny) if rank else 1)
    ax.set_xlim(0.5 - 0.02 * len(values), len(values) + 0.5 + 0.02 * len(values))
    ax.xaxis.set_major_locator(_whole_numbers())
    ax.set_xlabel(f"index of eigenvalue (rank {rank:,} of {len(values):,})")
    ax.set_ylabel("eigenvalue λ of F (units of W²)")
    add_legend(ax)
    return ax


@styled
def spectral_measures(
    spectrum: FrameSpectrum, ax: Axes = NEW, *, features: Sequence[int] | None = None
) -> Axes:
    """Heat map of mu_ik = |P_k w_i|^2 / |w_i|^2, features against eigenspaces.

    Arguments:
        spectrum: result of `jaxsup.spectral.decompose`, padded or not.
        ax: axis to draw on; default: a new one.
        features: which features, by index; default: all.

    Raises:
        ValueError: a feature is not there, the matrix has no eigenspace, or the spectrum is that of
            a batch.
    """
    spectrum = single_spectrum(spectrum)
    measures = np.asarray(spectrum.measures, np.float64)
    chosen = range(len(measures)) if features is None else features
    rows = feature_indices("features", chosen, len(measures)).tolist()
    if not measures.shape[1]:
        text, do = "a zero matrix", "draw another matrix"
        raise fail("spectrum", "an eigenspace", text, do, described=True)
    mesh = ax.imshow(
        measures[rows],
        aspect="auto",
        cmap=COLOR_MAP,
        vmin=0,
        vmax=_top(measures[rows]),
        interpolation="nearest",
    )
    ax.grid(visible=False)
    values, sizes = np.asarray(spectrum.eigenvalues), np.asarray(spectrum.multiplicities)
    wide = bool(len(values)) and max(len(_number(float(value))) for value in values) > 5
    columns = even_places(len(values), _NAMED_COLUMNS // 2 if wide else _NAMED_COLUMNS).tolist()
    several = len(values) <= _NAMED_COLUMNS
    words = [
        _number(float(values[k])) + (f"\n({sizes[k]} dim.)" if several and sizes[k] > 1 else "")
        for k in columns
    ]
    ax.set_xticks(columns, words)
    most = _NAMED_ROWS if len(rows) <= _NAMED_ROWS else 9
    ticks = even_places(len(rows), most).tolist()
    alive = np.asarray(spectrum.represented)[rows]
    ax.set_yticks(ticks, [f"{rows[k]}" if alive[k] else f"zero {rows[k]}" for k in ticks])
    ax.set_xlabel(f"eigenvalue λ of eigenspace (units of W²), {len(values):,} in all")
    ax.set_ylabel("feature")
    ax.figure.colorbar(mesh, ax=ax, label="spectral measure μ (share of |w|²)")
    return ax


@styled
def localization_histogram(spectrum: FrameSpectrum, ax: Axes = NEW) -> Axes:
    """Histogram of sum_k mu_ik^2 over represented features: 1 is a feature on one eigenspace.

    1 / value is the effective number of eigenspaces that a feature spreads over, at most `count`.

    Arguments:
        spectrum: result of `jaxsup.spectral.decompose`, padded or not.
        ax: axis to draw on; default: a new one.

    Raises:
        ValueError: the spectrum is that of a batch.
    """
    spectrum = single_spectrum(spectrum)
    represented = np.asarray(spectrum.represented)
    values = np.asarray(spectrum.localization, np.float64)[represented].clip(max=1.0)
    count = max(int(spectrum.count), 1)
    many = count > 12
    edges = np.geomspace(1 / count, 1, 41) if many else np.linspace(0, 1, 41)
    # Rounding may leave a value a little below the least possible one.
    ax.hist(values.clip(edges[0]), bins=edges.tolist(), color=COLORS[3])
    if many:
        ax.set_xscale("log")
    if count > 1:
        label = f"1/{count}: evenly on all eigenspaces"
        ax.axvline(1 / count, color=GUIDE, linewidth=0.9, linestyle=(0, (4, 2)), label=label)
    ax.axvline(1, color="black", linewidth=0.9, label="1: on one eigenspace")
    ax.set_xlabel("localization Σ μ² (1 / effective number of eigenspaces)")
    ax.set_ylabel(f"features (of {int(represented.sum()):,} represented)")
    ax.yaxis.set_major_locator(_whole_numbers())
    low, high = ax.get_ylim()
    ax.set_ylim(low, 1.3 * high if represented.any() else 1)
    ax.legend(loc="upper center")
    return ax


def single_spectrum(spectrum: FrameSpectrum) -> FrameSpectrum:
    """Without the padding of `jit`, `vmap` and batches, whose eigenspaces are none.

    Raises:
        ValueError: it is the spectra of a batch.
    """
    check_single(spectrum)
    return spectrum.trim()


def _top(shares: Float[np.ndarray, "features eigenspaces"]) -> float:
    """End of the color scale: 1 unless all shares are small."""
    largest = float(shares.max(initial=0.0))
    return largest if 0 < largest < 0.5 else 1.0


def _number(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= value < 1e6 else f"{value:.3g}"


def _whole_numbers() -> MaxNLocator:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=7, integer=True)
