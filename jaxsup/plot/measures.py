"""Pictures of spectral measures beside random matrices: the linear law, slack, spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, Int

from jaxsup._internal.places import even_places
from jaxsup.plot.spectra import single_spectrum
from jaxsup.plot.style import COLOR_MAP, COLORS, NEW, plain_log_axis, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jaxsup.spectral import FrameSpectrum
    from jaxsup.weights.measures import Measures

_NAMED = 5  # eigenspaces that have a color and a line in the legend
_DOTS = 20_000  # features that are drawn
_FLOOR = 1e-6  # below it stands what rounding leaves of zero
_NULLS = {"gaussian": "Gaussian", "directions": "norms kept, directions redrawn"}
_WORDS = {
    "slack": "slack 1 − D / leverage",
    "eigenvalue_spreads": "spread of λ over a feature, sd / mean",
}


@styled
def linear_law(spectrum: FrameSpectrum, ax: Axes = NEW) -> Axes:
    """Capacity D_i against |w_i|^2, colored by home eigenspace, with lines |w|^2 / lambda.

    A localized feature is on the line of its eigenspace. Of more than five
    eigenspaces, colors are a scale of lambda, and lines are those of the largest, the median and
    the smallest eigenvalue. Of more than 20,000 features, evenly spaced ones are drawn.

    Arguments:
        spectrum: result of `jaxsup.spectral.decompose`, padded or not.
        ax: axis to draw on; default: a new one.

    Raises:
        ValueError: the spectrum is that of a batch.
    """
    spectrum = single_spectrum(spectrum)
    homes = np.asarray(spectrum.homes)
    chosen = np.flatnonzero(np.asarray(spectrum.represented))
    values = np.asarray(spectrum.eigenvalues, np.float64)
    counts = np.bincount(homes[chosen], minlength=len(values))
    chosen = chosen[even_places(len(chosen), _DOTS)]
    x = np.asarray(spectrum.norms, np.float64)[chosen] ** 2
    y = np.asarray(spectrum.capacities, np.float64)[chosen]
    ax.set_xlabel("|w|² (units of W²)")
    ax.set_ylabel("capacity D (dimensions)")
    if not len(chosen):
        return ax
    ends = np.asarray([x.min() / 1.15, x.max() * 1.15])
    if len(values) <= _NAMED:
        for k, value in enumerate(values):
            inside = homes[chosen] == k
            label = f"λ = {value:.4g} ({counts[k]:,} features)"
            ax.plot(x[inside], y[inside], "o", color=COLORS[k], markersize=3.5, label=label)
            ax.plot(ends, ends / value, color=COLORS[k], linewidth=0.8)
        ax.plot([], [], color="black", linewidth=0.8, label="D = |w|² / λ")
    else:
        _color_by_eigenvalue(ax, (x, y), homes[chosen], values)
    spread = x.max() / x.min() > 30
    if spread:
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_ylim(y.min() / 1.5, 2.5 * y.max())
    else:
        ax.set_ylim(0.9 * y.min(), y.max() + 0.5 * (y.max() - 0.9 * y.min()))
    ax.set_xlim(*ends)
    ax.legend(loc="upper left")
    return ax


def _color_by_eigenvalue(
    ax: Axes,
    points: tuple[Float[np.ndarray, " drawn"], Float[np.ndarray, " drawn"]],
    homes: Int[np.ndarray, " drawn"],
    values: Float[np.ndarray, " eigenspaces"],
) -> None:
    from matplotlib.colors import LogNorm, Normalize

    wide = values[0] > 20 * values[-1]
    scale = (LogNorm if wide else Normalize)(values[-1], values[0])
    options = {"cmap": COLOR_MAP, "norm": scale, "s": 5 if len(homes) < 3000 else 2}
    dots = ax.scatter(*points, c=values[homes], linewidths=0, rasterized=True, **options)
    x = points[0]
    ends = np.asarray([x.min() / 1.15, x.max() * 1.15])
    middle = float(np.median(values))
    colors = mpl.colormaps[COLOR_MAP]
    for value, name in ((values[0], "largest"), (middle, "median"), (values[-1], "smallest")):
        line = {"color": colors(scale(value)), "linewidth": 1.0}
        ax.plot(ends, ends / value, label=f"|w|² / λ, {name} λ = {value:.4g}", **line)
    ax.figure.colorbar(dots, ax=ax, label="λ of home eigenspace (units of W²)")


@styled
def histogram_beside_nulls(
    measures: Measures, represented: Int[np.ndarray, " kept"], ax: Axes = NEW, *, name: str
) -> Axes:
    """Histogram of a quantity over features, with those of random matrices as outlines.

    Both nulls are means over their samples. Values below 1e-6 stand in the first bin: there,
    rounding is not told from zero.

    Arguments:
        measures: of `jaxsup.weights.diagnose`.
        represented: indices of the represented features.
        ax: axis to draw on; default: a new one.
        name: "slack" or "eigenvalue_spreads".
    """
    values = np.asarray(measures.per_feature[name], np.float64)[represented]
    drawn = {
        kind: np.asarray(each[name], np.float64)[np.isfinite(each[name])]
        for kind, each in measures.redrawn.items()
    }
    everything = np.concatenate([values, *drawn.values()])
    ax.set_xlabel(f"{_WORDS[name]} (0: localized)")
    ax.set_ylabel("features")
    if not everything.size:
        return ax
    top = max(float(everything.max()), 10 * _FLOOR)
    low = float(np.clip(everything.min(), _FLOOR, top / 3))
    edges = np.geomspace(low, top * 1.02, 41)
    ax.hist(values.clip(low), bins=edges.tolist(), color=COLORS[3], label="this matrix")
    for place, (kind, null) in enumerate(drawn.items()):
        heights = np.histogram(null.clip(low), bins=edges)[0] / max(measures.count, 1)
        style = {"linestyle": ("-", "--")[place], "linewidth": 1.2, "color": COLORS[(2, 0)[place]]}
        ax.stairs(heights, edges, label=_NULLS[kind], **style)
    ax.set_xscale("log")
    plain_log_axis(ax.xaxis, edges)
    return ax
