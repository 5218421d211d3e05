"""Pairs of features: the correlated become orthogonal, the anticorrelated antipodal.

    python examples/pairs.py [SEEDS]

Four features in two dimensions (`pairs.toml`). Two of them share a line, in opposite directions,
and the other two the line across: then each output's ReLU cuts off what its opposite adds, unless
both are active. So features that are never active together are best opposite each other: that
costs nothing. Features that come together are best across, where they do not disturb each other,
and opposite to features that they rarely meet. When the pairs are frequent, these are no longer
rare: a correlated pair then gets one direction for both of its features, and only its sum is kept.
Independent features take any partner: one pair in three is antipodal by chance.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import jaxsup
from jaxsup.sweep.tables import read_sweep

# Cosine of the two directions of a pair, from and to.
ANGLES = {"antipodal": (-1.01, -0.9), "orthogonal": (-0.1, 0.1), "together": (0.9, 1.01)}
# A shorter column of W stands for no feature.
_SHORTEST = 0.5


def train(seeds: int | None = None) -> xr.Dataset:
    """The networks of `pairs.toml`, with another number of seeds if asked."""
    sweep = read_sweep(Path(__file__).with_suffix(".toml"))
    return jaxsup.run(jaxsup.Sweep(sweep.experiment, sweep.axis_table(), seeds or sweep.seeds))


def cosines(dataset: xr.Dataset) -> xr.DataArray:
    """The cosine of the directions of each pair; NaN where one of them is not represented."""
    W = dataset["embedding"].isel(kept_step=-1)
    lengths = np.sqrt((W**2).sum("latent"))
    directions = (W / lengths).where(lengths > _SHORTEST)
    first, second = (directions.isel(feature=slice(k, None, 2)) for k in (0, 1))
    return (first * second).sum("latent", skipna=False).rename(feature="pair")


def shares(dataset: xr.Dataset) -> pd.DataFrame:
    """Of the pairs whose features are both represented, how many are at which angle, and the loss.

    A row a relation and probability; the columns are those of `ANGLES`, ``pairs`` and ``loss``.
    """
    cosine = cosines(dataset)
    there = cosine.notnull()
    inside = {name: (cosine > low) & (cosine < high) for name, (low, high) in ANGLES.items()}
    columns = {name: (some & there).sum(["seed", "pair"]) for name, some in inside.items()}
    pairs = there.sum(["seed", "pair"])
    table = xr.Dataset({name: count / pairs for name, count in columns.items()})
    loss = dataset["loss"].isel(step=-1).median("seed")
    table = table.assign(pairs=pairs, loss=loss)
    return table.reset_coords(drop=True).to_dataframe()


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:2]]
    print(shares(train(*numbers)).to_string(float_format="{:.3g}".format))
