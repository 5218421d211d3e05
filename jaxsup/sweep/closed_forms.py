"""The closed-form loss of every setting of a stored sweep, where there is one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from jaxsup.fit.tables.references import untold
from jaxsup.sweep.axes import replace_fields
from jaxsup.sweep.keys import pinned_stream, seed_keys
from jaxsup.sweep.tables import sweep_from_tables
from jaxsup.theory import loss_curve

if TYPE_CHECKING:
    import xarray as xr


@pinned_stream()
def theory_curves(dataset: xr.Dataset) -> xr.DataArray | None:
    """The closed-form loss of every setting, median over seeds; None if any setting has none.

    None too where the coordinates do not tell settings (`jaxsup.fit.tables.references.untold`).

    Each seed's own W and start enter, as `jaxsup.theory.loss_curve` takes them from its key.

    Arguments:
        dataset: result of `jaxsup.run`, or a selection from one.

    Returns:
        Loss over (axis names..., "step").
    """
    import xarray as xr

    if "initial" in dataset.attrs:  # the curves start from the key's own parameters
        return None
    try:
        sweep = sweep_from_tables(json.loads(dataset.attrs["configuration"]))
    except ValueError:  # classes from outside of the package, which a dataset does not import
        return None
    fields = [field for axis in sweep.axes for field in axis.fields]
    dims = [dim for dim in dataset["loss"].dims if dim not in ("seed", "step")]
    if untold(dataset, dims):
        return None
    steps, keys = dataset["step"].values, seed_keys(np.atleast_1d(dataset["seed"].values))
    curves = np.empty((*(dataset.sizes[dim] for dim in dims), len(steps)))
    for index in np.ndindex(curves.shape[:-1]):
        setting = dataset.isel(dict(zip(dims, index, strict=True)))
        changes = {field: setting[field].item() for field in fields}
        try:
            experiment = replace_fields(sweep.experiment, changes)
            losses = [loss_curve(experiment, steps, key=key) for key in keys]
        except ValueError:
            return None
        curves[index] = np.median(losses, axis=0)
    coords = {name: c for name, c in dataset.coords.items() if set(c.dims) <= {*dims, "step"}}
    return xr.DataArray(curves, dims=[*dims, "step"], coords=coords, name="theory")
