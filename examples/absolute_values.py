"""Computation in superposition: a hidden layer of ReLUs learns |x|, for more features than it has.

    python examples/absolute_values.py FIGURE.png

Six neurons are asked for the absolute values of twelve features. |x| = relu(x) + relu(-x) takes two
neurons, so that three features can be computed one by one, and that is what networks do whose
features are all active: the three most important ones, a neuron for each sign, and nothing of the
others. Where features are rarely active together, neurons are shared: several are computed in part,
and, rare enough, more than three for the most part.

Reference: Elhage et al., "Toy Models of Superposition", arXiv 2209.10652, "Computation in
Superposition"; with 100 features and 40 neurons there.
"""

from __future__ import annotations

import sys

import jax
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import jaxsup
from jaxsup import plot

COUNT, NEURONS = 12, 6


def absolute_value_sweep(densities: list[float], seeds: int = 8, steps: int = 2000) -> jaxsup.Sweep:
    """The experiment, over the probability of a feature to be active."""
    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(COUNT, 0.0, 1.0, "symmetric", normalize=False),
        jaxsup.ElementwiseTeacher("abs"),
        jaxsup.HiddenLayerStudent(NEURONS),
        jaxsup.Adam(1e-2, schedule=jaxsup.WarmupCosine(50)),
        batch_size=256,
        steps=steps,
        importance=0.8,
        reduction="sum",
        record=jaxsup.Record(
            points=4,
            observables=("feature_error",),
            parameter_steps=(steps,),
            evaluation_samples=4096,
        ),
    )
    return jaxsup.Sweep(experiment, {"features.density": densities}, seeds)


def unexplained(dataset: xr.Dataset) -> xr.DataArray:
    """Error of each feature relative to the variance of |x|, that of the best constant."""
    p = dataset["features.density"]
    return dataset["feature_error"].isel(step=-1, drop=True) / (p / 3 - (p / 2) ** 2)


def computed(dataset: xr.Dataset) -> xr.DataArray:
    """How many features are computed: those of which less than half is unexplained."""
    return (unexplained(dataset) < 0.5).sum("feature")


def best_seeds(dataset: xr.Dataset) -> xr.Dataset:
    """The network with the lowest loss at each density."""
    return dataset.isel(seed=dataset["loss"].isel(step=-1, drop=True).argmin("seed"))


def draw(dataset: xr.Dataset) -> Figure:
    """What each feature lacks, and how each neuron reads the features, of the best networks."""
    best = best_seeds(dataset)
    densities = best["features.density"].values
    figure, axes = plot.new_figure(1 + len(densities))
    for place, density in enumerate(densities):
        share = unexplained(best).isel({"features.density": place})
        axes[0].plot(np.arange(1, COUNT + 1), share, "o-", label=f"p = {density:g}")
        W = best["embedding"].isel({"features.density": place, "kept_step": -1}).values
        limit = np.abs(W).max()
        axes[1 + place].imshow(W, cmap="RdBu", vmin=-limit, vmax=limit)
        axes[1 + place].set(xlabel="feature", ylabel="neuron", title=f"W, p = {density:g}")
    axes[0].set(xlabel="feature", ylabel="unexplained share of |x|", ylim=(0, None))
    axes[0].legend()
    return figure


def main(figure: str) -> None:
    """Train, print how many features are computed, and draw the figure."""
    dataset = jaxsup.run(absolute_value_sweep([1.0, 0.1, 0.03]))
    for density, counts in zip(
        dataset["features.density"].values, computed(dataset).values, strict=True
    ):
        print(f"p = {density:g}: {counts.tolist()} features computed by {NEURONS} neurons")
    plot.save_figure(draw(dataset), figure)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("write: python examples/absolute_values.py FIGURE.png")
    jax.config.update("jax_num_cpu_devices", 2)
    main(sys.argv[1])
