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
# # The superposition transition, end to end
#
# A network that holds N features in K < N dimensions has to put them in superposition.
# *Superposition unifies power-law training dynamics* (arXiv 2602.01045) says that this changes
# how fast it learns. Without superposition the loss falls as t^-α with α = (a + 2b - 1)/a, which
# depends on the data (feature i is active with a probability ~ i^-a) and on what is asked
# (channel i is scaled by i^-b). With superposition, α is about 1 whatever they are.
#
# This notebook goes from one network to that statement, at a size that a laptop trains while you
# read, and then asks what this size can show and what it cannot.
#
# *Takes about a minute on two cores, and 1 GiB of memory.*

# %%
# %matplotlib inline
import json
from pathlib import Path

import numpy as np

import jaxsup

# %% [markdown]
# ## One experiment
#
# An `Experiment` says what a network sees, what it is asked, what it is, and how it is trained.
# Here: 128 features that are active independently, one of them in a sample on average, and a
# student relu(WᵀBWx + c). W is frozen, with random columns of unit norm; the K × K core B and the
# bias c are learned by plain SGD on fresh samples.

# %%
features = 128

experiment = jaxsup.Experiment(
    jaxsup.PowerLawFeatures(features, exponent=1.5),
    jaxsup.DiagonalTeacher(exponent=0.0),
    jaxsup.Student(latent=64),
    jaxsup.SGD(1.0),
    batch_size=64,
    steps=6000,
    record=jaxsup.Record(points=80),
)

# %% [markdown]
# ## A sweep over the superposition ratio
#
# A `Sweep` makes axes of the experiment's fields. `features.exponent` is one of them. The other
# axis has a name of its own, `width`, because two fields change along it together: where
# directions are crowded, N/K > 4, a step of 1 would diverge. It begins at K = N, with columns
# that overlap but no bottleneck.
#
# Every setting is trained from three seeds. Settings share the seeds, and with them the samples,
# so that they are compared in pairs.

# %%
ratios = [1, 2, 4, 8]
sweep = jaxsup.Sweep(
    experiment,
    {
        "features.exponent": [1.1, 1.5, 2.0],
        "width": {
            "student.latent": [features // ratio for ratio in ratios],
            "optimizer.learning_rate": [min(1.0, 4 / ratio) for ratio in ratios],
        },
    },
    seeds=3,
)
dataset = jaxsup.run(sweep)
dataset

# %% [markdown]
# The result is an `xarray.Dataset`: the loss over both axes, the seed and the step; coordinates
# with units; and in the attributes all that it was made with. Look first whether all networks
# arrived: `status` is 0 where training ended, 1 where a network left the finite numbers.

# %%
print(f"{dataset['status'].size} networks, {int((dataset['status'] == 1).sum())} diverged")

# %% [markdown]
# ## Loss curves and their regimes
#
# A loss curve in superposition is not one power law. `fit.measure_regimes` cuts every curve into
# stretches. A power law has to be straight in log-log to within the noise that the curve itself
# shows; what bends is a crossover; an end that stays level is a plateau. The first steps are left
# out, as no law in t holds before the first features are learned.
#
# Thin bands are the range of the three seeds; broad ones mark power laws, with their exponents; a
# dash at the right is the floor that a curve is heading for. Look at where the power laws lie:
# the fast stretch is in the middle of training, and then the curves bend away, at a loss that is
# the higher the more crowded the network is.

# %%
regimes = jaxsup.fit.measure_regimes(dataset)

figure, axes = jaxsup.plot.new_figure(3, width=4.6)
for ax, a in zip(axes, [1.1, 1.5, 2.0], strict=True):
    one = {"features.exponent": a}
    jaxsup.plot.loss_curves(dataset.sel(one), ax, regimes=regimes.sel(one))
    ax.set_title(f"a = {a:g}")
figure

# %% [markdown]
# The same for a = 1.5 in numbers, with 95% intervals. "limit" is (a + 2b - 1)/a; "theory" is what
# the linear student of the next section does over the same steps. A crossover has a mean slope,
# but no exponent, and so no interval.

# %%
from jaxsup.fit.tables.regime_tables import format_regimes

print(format_regimes(regimes.sel({"features.exponent": 1.5})))

# %% [markdown]
# ## Along training, beside the linear control
#
# The local exponent α(t) = -d log L / d log t needs no decision about where a law begins. Bands
# are 95% intervals for each point, from the scatter of the seeds.
#
# The dashed line is the control without which none of this means anything: the *linear* student
# with W = I, which has no superposition, sees the same data at the same step size (half of it for
# N/K = 8), and has a closed form. Its law for infinitely many features is the dotted level. With
# 128 features it leaves that level early and steepens without end, because a finite sum of
# exponentials is learned to its end. **A steep curve alone is no sign of superposition.**

# %%
local = jaxsup.fit.measure_local_exponents(dataset)

figure, axes = jaxsup.plot.new_figure(3, width=4.6)
for ax, a in zip(axes, [1.1, 1.5, 2.0], strict=True):
    jaxsup.plot.local_exponents(local.sel({"features.exponent": a}), ax)
    ax.set(title=f"a = {a:g}", ylim=(0, 1.8))
figure

# %% [markdown]
# ## Exponents against N/K
#
# One number a curve: the local exponent where the curve is steepest, from ηt = 100 on, which is
# later than any start-up. "Steepest" is where the lower end of the interval is highest, so that
# it is not noise that is chosen.


# %%
def steepest(local, learning_rate):
    """Where each curve is steepest: step, exponent, its interval, and the linear control there."""
    late = local.where(local["step"] * learning_rate >= 100)
    return late.isel(step=late["interval_low"].fillna(-np.inf).argmax("step"))


peaks = steepest(local, dataset["optimizer.learning_rate"])

# %% [markdown]
# Beside it belongs the same number at a size that takes an accelerator: N = 1,024, 30,000 steps,
# 5 seeds. The file `docs/data/transition-paper.json` is what `jaxsup reproduce transition --scale
# paper` wrote in seven minutes on one H100. This cell finds it in a checkout. The linear control
# has a closed form at that size too, and is computed here.

# %%
here = Path.cwd()
data = next(p for p in (here, *here.parents) if (p / "docs/data/transition-paper.json").exists())
published = json.loads((data / "docs/data/transition-paper.json").read_text())["rows"]
published = [row for row in published if row["kind"] == "random" and row["b"] == 0]


def linear_control(features, exponent, learning_rate, step):
    """The local exponent of the linear student with W = I, from its closed form."""
    linear = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(features, exponent),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(features, "identity", core_scale=0.0, activation="identity"),
        jaxsup.SGD(learning_rate),
    )
    steps = np.geomspace(step / 10, step * 10, 65)
    loss = np.asarray(jaxsup.theory.loss_curve(linear, steps))
    found = jaxsup.fit.local_exponent(steps, loss)
    return float(np.interp(np.log(step), np.log(found.steps), found.exponent))


# %%
def draw(ax, x, peak, interval, control, color, label):
    """Steepest exponents with their intervals, and crosses for the linear control."""
    low, high = interval
    error = [np.subtract(peak, low), np.subtract(high, peak)]
    ax.errorbar(x, peak, error, color=color, marker="o", capsize=2, label=label)
    ax.plot(x, control, "x", color=color)


figure, (small, large) = jaxsup.plot.new_figure(2, width=4.6)
for color, a in zip(["#1b2a49", "#c8553d", "#3a8fa3"], [1.1, 1.5, 2.0], strict=True):
    one = peaks.sel({"features.exponent": a})
    interval = one["interval_low"], one["interval_high"]
    draw(small, ratios, one["exponent"], interval, one["theory"], color, f"a = {a:g}")

    rows = [row for row in published if row["a"] == a]
    found = [row["steepest"] for row in rows]
    rates = [row["learning_rate"] for row in rows]
    control = [
        linear_control(1024, a, rate, there["time"] / rate)
        for rate, there in zip(rates, found, strict=True)
    ]
    interval = [there["low"] for there in found], [there["high"] for there in found]
    exponents = [there["exponent"] for there in found]
    draw(large, [row["ratio"] for row in rows], exponents, interval, control, color, f"a = {a:g}")
for ax, title in ((small, "N = 128, 6,000 steps"), (large, "N = 1,024, 30,000 steps (one H100)")):
    ax.plot([], [], "x", color="gray", label="linear student, same steps")
    ax.axhline(1, color="gray", linewidth=0.8, linestyle=":")
    ax.set(xscale="log", ylim=(0, 2), xlabel="superposition ratio N/K", title=title)
    ax.set_xticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
    ax.minorticks_off()
    ax.set_ylabel("steepest local exponent")
    ax.legend(frameon=False)
small.set_xlim(0.9, 9)
steeper = int((peaks["theory"] > peaks["exponent"]).sum())
print(f"N = 128: the linear student is steeper in {steeper} of {peaks['exponent'].size} settings")
figure

# %% [markdown]
# Three things to see.
#
# - At N = 128 no network reaches 1, and the exponent falls with N/K at every a. At N = 1,024
#   those with N/K = 2 come within 0.15 of 1 (for a = 2 they still steepen when training ends),
#   and crowded ones stay below.
# - Where a is 1.1 or 1.5, the steepest networks of both sizes are those with K = N: columns that
#   overlap are enough, no bottleneck is needed.
# - At N = 128 crosses lie above dots: the linear student is steeper, and the exponent by itself
#   says nothing about superposition. At N = 1,024 that order has turned where N/K is 2, 4 or 8.
#
# ## What finite N does
#
# So look at what changes with N: N/K = 2 and a = 1.5, with half and with twice as many features.
# The axis `size` changes both numbers.

# %%
sizes = [64, 256]
size_sweep = jaxsup.Sweep(
    experiment,
    {"size": {"features.count": sizes, "student.latent": [size // 2 for size in sizes]}},
    seeds=3,
)
others = steepest(jaxsup.fit.measure_local_exponents(jaxsup.run(size_sweep)), 1.0)

# %%
names = ["step", "exponent", "interval_low", "interval_high", "theory"]
middle = peaks.sel({"features.exponent": 1.5}).isel(width=ratios.index(2))
found = {64: others.isel(size=0), 128: middle, 256: others.isel(size=1)}
table = {size: [float(row[name]) for name in names] for size, row in found.items()}

(row,) = (row for row in published if row["a"] == 1.5 and row["ratio"] == 2)
there = row["steepest"]
table[1024] = [there[name] for name in ("time", "exponent", "low", "high")]
table[1024] += [linear_control(1024, 1.5, 1.0, there["time"])]

print("   N  step  in superposition     linear student")
for size, (step, exponent, low, high, linear) in table.items():
    print(f"{size:4}  {step:4.0f}  {exponent:.2f} ({low:.2f} to {high:.2f})  {linear:.2f}")

# %%
_, exponent, low, high, linear = np.transpose(list(table.values()))
figure, ax = jaxsup.plot.new_figure(width=5.6)
label = "ReLU student in superposition, N/K = 2"
draw(ax, list(table), exponent, (low, high), linear, "#c8553d", label)
ax.plot(list(table), linear, "--", color="#c8553d", label="linear student, W = I, same steps")
ax.axhline(1 / 3, color="gray", linestyle=":", linewidth=1, label="its limit, N → ∞: (a - 1)/a")
ax.set(xscale="log", ylim=(0, 1.6), xlabel="features N   (1,024: the run on an H100)")
ax.set_xticks(list(table), [f"{size:,}" for size in table])
ax.minorticks_off()
ax.set_ylabel("steepest local exponent, a = 1.5, b = 0")
ax.legend(frameon=False)
figure

# %% [markdown]
# The lines cross. In superposition the exponent rises with N; the linear student's at the same
# steps does not, and its law for infinitely many features is far below. That is what a small size
# cannot show, and what a claim about superposition has to rest on: not one exponent at one size,
# but two lines against N.
#
# What this leaves open is whether 1 is where the rising line ends. For a = 1.1 it has passed 1 at
# N = 1,024, as the panel above shows. `jaxsup reproduce transition` has the whole protocol: more
# controls (a rotation, columns between a rotation and random ones), teachers with b > 0, and a
# verdict on each claim.
