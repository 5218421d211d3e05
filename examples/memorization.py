"""Memorization and double descent: an autoencoder that sees the same few samples again and again.

    python examples/memorization.py FIGURE.png

Two latent dimensions, 100 sparse features, and training sets of T samples (`training_set`, drawn
once a seed; a smaller set is the beginning of a larger one). With few samples the network gives
each of them a direction of its own and learns nothing of the features: the loss on the set
vanishes, that on the law does not. With many samples a few features get directions. Between, the
loss on the law is higher than on either side: it is worse than that of no network at all.

Reference: Henighan et al., "Superposition, Memorization, and Double Descent" (2023), whose samples
have unit norm and 10,000 features; here values are uniform on [0, 1], some three active a sample.
"""

from __future__ import annotations

import sys

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.figure import Figure

import jaxsup
from jaxsup import plot
from jaxsup.experiment.experiment import TRAINING_SET_STREAM
from jaxsup.training.updates.finite import draw_set

FEATURES = jaxsup.PowerLawFeatures(100, 0.0, 0.03, "unit", normalize=False)
NO_NETWORK = 100 * 0.03 / 3
"""Loss of an output that is always 0: E |x|^2."""


def memorization_sweep(samples: list[int], seeds: int = 8, steps: int = 1500) -> jaxsup.Sweep:
    """The experiment, over the sizes of the training set: every update takes all of it."""
    experiment = jaxsup.Experiment(
        FEATURES,
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(2, "learned", core=False, embedding_scale=0.1),
        jaxsup.AdamW(1e-2, weight_decay=1e-2, schedule=jaxsup.WarmupCosine(steps // 20)),
        batch_size=max(samples),
        steps=steps,
        reduction="sum",
        training_set=max(samples),
        record=jaxsup.Record(points=4, parameter_steps=(steps,), evaluation_samples=4096),
    )
    return jaxsup.Sweep(experiment, {"training_set": samples}, seeds)


def dimensionalities(
    vectors: Float[np.ndarray, "latent vectors"],
) -> Float[np.ndarray, " vectors"]:
    """The share of the hidden space that each vector has, |v|^4 / sum_j (v . v_j)^2."""
    gram = vectors.T @ vectors
    return np.diag(gram) ** 2 / np.maximum((gram**2).sum(axis=1), 1e-30)


def hidden_vectors(dataset: xr.Dataset, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """W, whose columns are features, and W x of each sample that the network was trained on."""
    W = dataset["embedding"].sel(training_set=samples, seed=seed).isel(kept_step=-1).values
    key = jax.random.fold_in(jax.random.key(seed), TRAINING_SET_STREAM)
    return W, W @ np.asarray(draw_set(FEATURES, key, samples)).T


def measure(dataset: xr.Dataset) -> xr.Dataset:
    """By size of the set: both losses, and the largest share of a feature and of a sample."""
    sizes, seeds = dataset["training_set"].values.tolist(), dataset["seed"].values.tolist()
    shares = np.array(
        [
            [[dimensionalities(v).max() for v in hidden_vectors(dataset, t, s)] for s in seeds]
            for t in sizes
        ]
    )
    last = dataset[["loss", "training_loss"]].isel(step=-1)
    dims = ("training_set", "seed")
    return last.assign(feature_share=(dims, shares[..., 0]), sample_share=(dims, shares[..., 1]))


def draw(dataset: xr.Dataset, table: xr.Dataset) -> Figure:
    """Both losses over T, and the directions at the smallest and the largest set."""
    figure, axes = plot.new_figure(3)
    sizes = table["training_set"].values
    for name, label in (("loss", "law (test)"), ("training_loss", "training set")):
        axes[0].plot(sizes, table[name].mean("seed"), "o-", label=label)
    axes[0].axhline(NO_NETWORK, color="0.6", linestyle=":", label="no network")
    axes[0].set(xscale="log", xlabel="samples T", ylabel="loss, mean over seeds")
    axes[0].legend()
    for ax, samples in zip(axes[1:], (sizes.min(), sizes.max()), strict=True):
        W, hidden = hidden_vectors(dataset, int(samples), int(dataset["seed"][0]))
        ax.plot(*hidden, ".", color="0.7", zorder=1)
        ax.quiver(
            *np.zeros_like(W), *W, angles="xy", scale_units="xy", scale=1, width=4e-3, zorder=2
        )
        ax.set(title=f"features (arrows), samples (dots): T = {samples}", aspect="equal")
    return figure


def main(figure: str) -> None:
    """Train, print the table, and draw the figure."""
    dataset = jaxsup.run(memorization_sweep([4, 8, 16, 32, 64, 128, 512, 2048]))
    table = measure(dataset)
    print(table.mean("seed").to_dataframe().drop(columns=["step", "superposition_ratio"]).round(3))
    plot.save_figure(draw(dataset, table), figure)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("write: python examples/memorization.py FIGURE.png")
    jax.config.update("jax_num_cpu_devices", 2)
    main(sys.argv[1])
