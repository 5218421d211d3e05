"""What becomes of networks over two learning rates: they learn, fall silent or diverge."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.patches import Patch

from jaxsup.plot.style import COLOR_MAP, cell_edges, plain_log_axis, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from jaxsup.sweep.grid import Sweep

LEARNS, SILENT, DIVERGES = range(3)
OUTCOMES = ("learns", "falls silent", "diverges")
"""What becomes of a network, by code."""
BOUND = 1e12
"""A network whose recorded loss leaves it counts as diverged."""
_SILENT, _DIVERGES = "#d4d4d4", "#c8553d"


class Maps(NamedTuple):
    """What became of the networks.

    Attributes:
        outcomes: `LEARNS` if the final loss is below that of a silent network by half a feature
            or more, `SILENT` if it is not, `DIVERGES`.
        losses: final loss over that of a silent network; NaN where diverged.
        norms: the larger of the final norms of W and of the bias; NaN where diverged.
    """

    outcomes: Int[np.ndarray, "seeds rates bias_rates"]
    losses: Float[np.ndarray, "seeds rates bias_rates"]
    norms: Float[np.ndarray, "seeds rates bias_rates"]


def read_outcomes(dataset: xr.Dataset, sweep: Sweep) -> Maps:
    """Read the outcomes from what was recorded.

    Arguments:
        dataset: with ``"loss"``, ``"embedding_norm"`` and ``"bias_norm"`` along training.
        sweep: over the rates of W and of the bias, of networks on one active feature of value 1.
    """
    order = ("seed", *(axis.name for axis in sweep.axes))
    losses = dataset["loss"].transpose(*order, "step").values
    norms = [
        dataset[name].isel(step=-1).transpose(*order).values
        for name in ("embedding_norm", "bias_norm")
    ]
    diverged = dataset["status"].transpose(*order).values != 0
    with np.errstate(invalid="ignore"):
        diverged |= ~(np.abs(losses) <= BOUND).all(axis=-1)
    silence = float(sweep.experiment.features.count)  # each feature's 1 is missed
    final = np.where(diverged, np.nan, losses[..., -1])
    outcomes = np.where(final <= silence - 0.5, LEARNS, SILENT)
    largest = np.where(diverged, np.nan, np.fmax(*norms))
    return Maps(np.where(diverged, DIVERGES, outcomes), final / silence, largest)


@styled
def draw_map(
    rates: Float[np.ndarray, " rates"],
    bias_rates: Float[np.ndarray, " bias_rates"],
    outcomes: Int[np.ndarray, "rates bias_rates"],
    losses: Float[np.ndarray, "rates bias_rates"],
    ax: Axes,
) -> Axes:
    """What becomes of networks over two learning rates: the final loss of those that learn.

    Gray are networks that fell silent, red those that diverged.

    Arguments:
        rates: of W, positive and rising: the vertical axis.
        bias_rates: likewise: the horizontal axis.
        outcomes: codes of `OUTCOMES`.
        losses: final loss as a share of that of a silent network; used, and positive, where the
            network learns.
        ax: axis to draw on.
    """
    y, x = cell_edges("rates", rates), cell_edges("bias_rates", bias_rates)
    ax.grid(visible=False)
    rest = np.ma.masked_where(outcomes == LEARNS, outcomes)
    shades = ListedColormap([_SILENT, _DIVERGES])
    ax.pcolormesh(x, y, rest, cmap=shades, vmin=1, vmax=2, rasterized=True)
    if (outcomes == LEARNS).any():
        learning = np.ma.masked_where(outcomes != LEARNS, losses)
        norm = LogNorm(float(learning.min()), 1.0)
        mesh = ax.pcolormesh(x, y, learning, cmap=COLOR_MAP, norm=norm, rasterized=True)
        label = "final loss of those that learn / loss of silence"
        ax.figure.colorbar(mesh, ax=ax, label=label)
    ax.set(xscale="log", yscale="log", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    plain_log_axis(ax.xaxis, bias_rates)
    plain_log_axis(ax.yaxis, rates)
    ax.set_xlabel("learning rate of the bias")
    ax.set_ylabel("learning rate of W")
    patches = [
        Patch(facecolor=color, label=f"{OUTCOMES[code]} ({100 * (outcomes == code).mean():.0f}%)")
        for code, color in ((DIVERGES, _DIVERGES), (SILENT, _SILENT))
    ]
    ax.legend(handles=patches, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return ax
