# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A toy model and its geometry
#
# The toy model of superposition (Elhage et al., arXiv 2209.10652) is an autoencoder relu(WᵀWx +
# c) with more features than dimensions. The columns of W, one a feature, settle in regular
# figures. This notebook trains many such networks at once, takes the best, and asks what its
# weight matrix holds: the spectrum of F = WWᵀ, the spectral measure and the capacity of each
# feature (arXiv 2602.02224), the name of the geometry, and the noise that this verdict survives.
#
# *Takes half a minute on two cores, and 1 GiB of memory.*

# %%
# %matplotlib inline
from collections import Counter

import numpy as np
from scipy.optimize import minimize

import jaxsup

# %% [markdown]
# ## Many autoencoders
#
# Exactly one feature is active in a sample, the limit of sparse data. There the expected loss has
# a closed form, and `gradient="exact"` descends that: nothing is random but the start, so the
# seed is the only axis. Kept are some numbers about the geometry at every recorded step, and the
# weights of the last one.

# %%
STEPS = 3000
DECAYING = jaxsup.Adam(1e-2, schedule=jaxsup.WarmupCosine(150))


def autoencoders(features, latent, *, gradient="exact", optimizer=DECAYING, seeds=256):
    """Networks from so many starts, trained."""
    experiment = jaxsup.Experiment(
        jaxsup.OneActiveFeatures(features),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(latent, embedding="learned", core=False, embedding_scale=0.5),
        optimizer,
        gradient=gradient,
        batch_size=64,
        steps=STEPS,
        reduction="sum",
        record=jaxsup.Record(observables=("saturation", "eigenvalues"), parameter_steps=(STEPS,)),
    )
    return jaxsup.run(jaxsup.Sweep(experiment, seeds=seeds))


def last_weights(dataset):
    """W of every seed at the end, [seeds, latent, features]."""
    return dataset["embedding"].isel(kept_step=-1).transpose("seed", "latent", "feature").values


plane = autoencoders(features=5, latent=2)
print(f"{plane.sizes['seed']} networks, {int((plane['status'] == 1).sum())} diverged")

# %% [markdown]
# ## Where the starts end
#
# Each network runs to the bottom of its basin, and basins are few: final losses are levels, each
# with an arrangement of its own. `geometry.classify` names it from W alone, it sees no loss. The
# odd network that is not quite at the bottom yet is called irregular, and not what it would
# become.

# %%
from jaxsup.geometry.census import composition


def print_levels(dataset):
    """Final losses, how many networks have each, and what they are made of."""
    names = [composition(jaxsup.geometry.classify(W)) for W in last_weights(dataset)]
    loss = dataset["loss"].isel(step=-1).values.round(6).tolist()
    print("    loss  networks  geometry")
    for (level, name), count in sorted(Counter(zip(loss, names, strict=True)).items()):
        print(f"{level:.6f}  {count:8}  {name}")


print_levels(plane)

# %% [markdown]
# ## The best one
#
# Is the lowest level right? The closed form of the loss is `theory.one_sparse_loss`, for any
# weights. So minimize it over regular pentagons, which have but two numbers, a radius and a bias:
# training, which has 15, should end at the same loss, and with features of that length.

# %%
best = int(plane["loss"].isel(step=-1).argmin("seed"))
W = last_weights(plane)[best]
angles = 2 * np.pi * np.arange(5) / 5
pentagon = np.stack([np.cos(angles), np.sin(angles)])


def pentagon_loss(numbers):
    radius, bias = numbers
    return float(jaxsup.theory.one_sparse_loss(radius * pentagon, np.full(5, bias)))


regular = minimize(pentagon_loss, [1.0, -0.2], method="Nelder-Mead")
print(f"best of {plane.sizes['seed']} networks    {float(plane['loss'][best, -1]):.6f}")
print("best regular pentagon   {:.6f}, radius {:.3f}, bias {:.3f}".format(regular.fun, *regular.x))
print(f"norms of the network's features  {np.linalg.norm(W, axis=0).round(3)}")

# %%
geometry = jaxsup.geometry.classify(W)
print(geometry)

figure, ax = jaxsup.plot.new_figure(width=5.6)
jaxsup.plot.feature_geometry(W, ax)
figure

# %% [markdown]
# Every pair of features is an edge, colored by w_i · w_j. There are two values, so that a feature
# sees four others in only two ways: an association scheme, and the name is looked up in a
# catalogue of schemes. A figure that is no scheme is called irregular, never by the nearest name.
# The capacity 2/5 is exact: five features share two dimensions alike.
#
# ## Spectral measures
#
# The pentagon is a tight frame: F = WWᵀ is a multiple of the identity, one eigenspace, and all of
# every feature lies on it. Eight features in three dimensions are more telling.

# %%
space = autoencoders(features=8, latent=3)
print_levels(space)
W8 = last_weights(space)[int(space["loss"].isel(step=-1).argmin("seed"))]

# %%
from jaxsup.plot.geometry import feature_geometry_3d

print(jaxsup.geometry.classify(W8))
figure, ax = jaxsup.plot.new_figure(projection="3d", width=6.4, height=4.2)
feature_geometry_3d(W8, ax)
figure

# %% [markdown]
# A square antiprism: two squares, one turned against the other. It has a direction of its own,
# through both squares, so F has two eigenspaces. The spectral measure of feature i says which
# share of |w_i|² lies on each of them, and its mean eigenvalue κ_i gives the capacity D_i =
# |w_i|² / κ_i.

# %%
from jaxsup.plot.spectra import spectral_measures

spectrum = jaxsup.spectral.decompose(W8)
print("eigenvalues         ", np.asarray(spectrum.raw_eigenvalues, float).round(3))
print("measure of feature 0", np.asarray(spectrum.trim().measures[0], float).round(3))
print("capacities          ", np.asarray(spectrum.capacities, float).round(4))
print(f"saturation           {spectrum.saturation:.4f} = sum of capacities / rank")

figure, (left, right) = jaxsup.plot.new_figure(2, width=4.8)
jaxsup.plot.eigenvalue_spectrum(spectrum, left)
spectral_measures(spectrum.trim(), right)
figure

# %% [markdown]
# The eigenvalues differ, and each feature lies on both eigenspaces: it is not localized, so that
# capacities stay below 3/8 and their sum below the rank. In the paper's words capacity is not
# saturated. Saturation 1 needs every feature on a single eigenspace, as in the pentagon.
#
# ## What noise the verdict survives
#
# `tolerance` is the noise to forgive: a feature may be off by that share of its norm. `margin` is
# the noise that the verdict at hand still survives *for certain*. Test it: move every feature of
# the pentagon by a random vector of a given relative length, fifty times, and count how often the
# name stays. Dotted lines are the margins.

# %%
tolerances = [1e-3, 1e-2, 5e-2]
noises = np.geomspace(3e-4, 0.15, 10)
rng = np.random.default_rng(0)
regular_pentagon = regular.x[0] * pentagon


def moved(W, noise):
    """Every column moved by a vector of `noise` times its length."""
    shift = rng.normal(size=W.shape)
    return W + noise * np.linalg.norm(W, axis=0) * shift / np.linalg.norm(shift, axis=0)


def is_pentagon(W, tolerance):
    return jaxsup.geometry.classify(W, tolerance=tolerance).names == {"pentagon": 1}


figure, ax = jaxsup.plot.new_figure(width=5.6)
for tolerance, color in zip(tolerances, ["#1b2a49", "#c8553d", "#3a8fa3"], strict=True):
    kept = [
        np.mean([is_pentagon(moved(regular_pentagon, noise), tolerance) for _ in range(50)])
        for noise in noises
    ]
    margin = jaxsup.geometry.classify(regular_pentagon, tolerance=tolerance).margin
    ax.plot(noises, kept, "o-", color=color, label=f"tolerance {tolerance:g}")
    ax.axvline(margin, color=color, linestyle=":", linewidth=1)
ax.set(xscale="log", xlabel="noise |e| / |w|", ylabel="share still called a pentagon")
ax.legend(frameon=False, bbox_to_anchor=(1.0, 1.0))
figure

# %% [markdown]
# Left of its dotted line every curve is at 1: the margin is a guarantee. Beyond it the name is
# soon lost.
#
# The other mistake would be to find figures where there are none. So the same question to
# matrices of independent normal numbers:

# %%
random_matrices = [rng.normal(size=(2, 5)) for _ in range(300)]
for tolerance in tolerances:
    found = sum(is_pentagon(W, tolerance) for W in random_matrices)
    print(f"tolerance {tolerance:g}: {found} of 300 random matrices called a pentagon")

# %% [markdown]
# ## Weights that carry gradient noise
#
# Trained on samples, at a constant rate, weights do not come to rest. With the default tolerance,
# which suits weights that have converged, nothing has a name; the right tolerance is above the
# noise that is there. A component's `spread` tells it: the width of the widest class of cosines.

# %%
CONSTANT = jaxsup.Adam(3e-3)
sampled = autoencoders(features=5, latent=2, gradient="sampled", optimizer=CONSTANT, seeds=64)
noisy = last_weights(sampled)
for tolerance in tolerances:
    named = [W for W in noisy if is_pentagon(W, tolerance)]
    print(f"tolerance {tolerance:g}: {len(named)} of {len(noisy)} networks called a pentagon")
spreads = [jaxsup.geometry.classify(W, tolerance=5e-2).components[0].spread for W in named]
print(f"spread of cosines in those: median {np.median(spreads):.4f}, largest {max(spreads):.4f}")

# %% [markdown]
# Five times the tolerance changes nothing any more: the names are not an accident of the
# threshold.
#
# ## Geometry recorded beside the loss
#
# Back to the noise-free networks. The record holds saturation and eigenvalues at every recorded
# step, so that one sees when the geometry forms. Here: the networks that ended at the pentagon's
# level beside those that dropped a feature and ended as two digons. Lines are medians, bands hold
# the middle 80%.

# %%
final = plane["loss"].isel(step=-1)
groups = {
    "pentagon": final < 1.001 * final.min(),
    "two digons": final > 2 * final.min(),
}
figure, (left, middle, right) = jaxsup.plot.new_figure(3, width=4.2)
for (name, chosen), color in zip(groups.items(), ["#1b2a49", "#c8553d"], strict=True):
    group = plane.isel(seed=np.flatnonzero(chosen), step=slice(1, None))
    for ax, variable in ((left, "loss"), (middle, "saturation")):
        low, median, high = group[variable].quantile([0.1, 0.5, 0.9], "seed")
        ax.plot(group["step"], median, color=color, label=f"{name} ({group.sizes['seed']})")
        ax.fill_between(group["step"], low, high, color=color, alpha=0.15, linewidth=0)
values = plane["eigenvalues"].isel(seed=best, step=slice(1, None))
right.plot(plane["step"][1:], values.transpose("step", "eigenvalue"), color="#1b2a49")
left.set(yscale="log", ylabel="loss")
middle.set(ylabel="saturation, sum of capacities / rank")
right.set(ylabel="both eigenvalues of F, best network", ylim=(0, None))
for ax in (left, middle, right):
    ax.set(xscale="log", xlabel="steps t")
left.legend(frameon=False, loc="lower left")
figure

# %% [markdown]
# Saturation is at 1 while the loss still falls: first the features spread evenly, then they grow,
# and the eigenvalues, by then nearly equal, rise together. Saturation does not tell the two
# outcomes apart, as digons are tight frames too: it is a statement about the dimensions in use,
# not about how many features are held in them.
#
# More: `jaxsup reproduce energy-levels` does this for larger networks and holds the levels to
# what was published, `jaxsup.reproduce.toys` has the published settings as sweeps, and `jaxsup
# spectrum FILE` asks the same of any matrix.
