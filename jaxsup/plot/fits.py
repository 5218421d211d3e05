"""One figure of two panels for curves and what was fitted to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

from jaxsup._internal.validation import fail
from jaxsup.plot.curves import loss_curves
from jaxsup.plot.exponents import local_exponents
from jaxsup.plot.style import STYLE, add_legend, new_figure, say_instead

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_LINES = 6


def fit_figure(dataset: xr.Dataset, table: xr.Dataset, local: xr.Dataset) -> Figure:
    """Loss curves with the windows or regimes of their fits, and their local exponents.

    Of more than six settings, six are drawn, evenly from the first to the last.

    Arguments:
        dataset: a sweep with at most one axis beside "seed" and "step".
        table: `jaxsup.measure_exponents` or `jaxsup.fit.measure_regimes` of the dataset; of other
            tables nothing is marked.
        local: `jaxsup.fit.measure_local_exponents` of the dataset.

    Raises:
        ValueError: the dataset has more axes, or no curve to draw.
    """
    dims = [dim for dim in dataset["loss"].dims if dim not in ("seed", "step")]
    if len(dims) > 1:
        text, do = ", ".join(map(str, dims)), "select one position of the others by .isel or .sel"
        raise fail("dataset", "at most one axis beside seed and step", text, do, described=True)
    count = dataset.sizes[dims[0]] if dims else 1
    if count > _LINES:
        drawn = np.unique(np.linspace(0, count - 1, _LINES).astype(int))
        dataset, table, local = (each.isel({dims[0]: drawn}) for each in (dataset, table, local))
    marks: Any = {}
    if "kind" in table:
        marks = {"regimes": table} if (table["kind"] != "").any() else {}
    elif "found" in table:
        marks = {"fits": table}
    figure, (left, right) = new_figure(2)
    figure.get_layout_engine().set(w_pad=0.09)  # pyright: ignore
    loss_curves(dataset, left, **marks)
    with mpl.rc_context(STYLE):
        if count > _LINES:
            left.set_title(f"{_LINES} of {count} curves")
        if np.isfinite(local["exponent"]).any():
            local_exponents(local, right, legend=False)
            # What the settings are is told on the left.
            add_legend(right, only=slice(min(count, _LINES) if dims else 0, None))
        else:
            reasons = sorted({*np.ravel(local["problem"].values).tolist()} - {""})
            say_instead(right, f"no local exponents: {', '.join(reasons)}")
    return figure
