# %% [markdown]
# # How to choose
#
# What the defaults are, when to change them, and what it costs. Each number has the command that gives
# it. Outputs were made when the page was built, on the machine that built it.
#
# ## Size: what fits a machine and an evening
#
# `--dry-run` answers for your machine and your file. From Python it is
# `jaxsup.sweep.forecast.forecast`.

# %% language="bash"
# jaxsup sweep examples/exponents.toml --dry-run

# %% [markdown]
# To plan without a file, what one update of one network costs on two CPU cores
# (`python -m benchmarks`, [Speed](speed.md)):
#
# | experiment | a network-step | networks x steps in an hour |
# |---|---|---|
# | bottleneck, N = 64, K = 16, batch 64 | 6.1 µs | 590 million |
# | bottleneck, N = 256, K = 64, batch 64 | 141 µs | 26 million |
# | bottleneck, N = 1024, K = 256 | 5.7 ms | 630 thousand |
# | scaling sweep, N = 1000, batch 2048 | 3.7 ms | 970 thousand |
# | one-active loss, N = 256, K = 32, float64 | 156 µs | 23 million |
#
# The real size of the transition, 390 networks of 1,024 features for 30,000 steps, takes seven minutes of
# one H100 and is too much for two cores (`jaxsup reproduce transition --scale paper`). At its quick scale
# it takes minutes on two cores.
#
# - Compilation is a few seconds a program. Many networks of one structure are cheaper than few of
#   many: prefer axes that are numbers. `--dry-run` says how many programs there are.
# - More seeds cost as much as more settings. Exponents of several seeds have intervals by Student's t:
#   two seeds say little (t = 12.7), three some (4.3). Train five or more, or fit one curve at a time
#   ([Power-law fits](methods/power_law_fits.md)).
# - More networks than memory holds are trained in parts, one after the other. Nothing is lost but time.
#
# ## Sampling and updates
#
# You do not choose an update: `jaxsup.training.updates.choose_update` takes the fastest that is exact
# for the experiment, and says why not another.

# %%
import jaxsup
from jaxsup.training.updates import choose_update, explain_update

experiment = jaxsup.Experiment(
    jaxsup.PowerLawFeatures(256, 1.5),
    jaxsup.DiagonalTeacher(0.0),
    jaxsup.Student(64),
    jaxsup.SGD(0.5),
)
print("chosen:", choose_update(experiment).describe())
for update, reason in explain_update(experiment).items():
    print(f"{update:>10}: {reason or 'can train it'}")

# %% [markdown]
# | update | what it is for | what it needs |
# |---|---|---|
# | tied | ReLU autoencoders on one active feature, exact gradient | `gradient="exact"`, `OneActiveFeatures` |
# | population | linear students, and other closed forms, exact gradient | `gradient="exact"`, known moments |
# | finite-set | training sets | `training_set=T` |
# | gathered | large students on sparse samples | 128 features or more, a diagonal teacher, an activation with a gate |
# | listed | sparse samples | few active features, a diagonal or matrix teacher |
# | dense | everything, classes of your own among it | `gradient="sampled"` |
#
# - `gradient="exact"` has no noise and no batch. Take it where a closed form exists, to compare with
#   theory; the loss is then exact too.
# - `sampling="auto"` draws lists of active features where that pays, and feature by feature elsewhere.
#   Set `"dense"` to compare with a run that was drawn so: one law, different numbers.
# - [Samplers](methods/samplers.md) says what is exact about the lists.
#
# ## Optimizer
#
# | optimizer | take it |
# |---|---|
# | `SGD` | for training exponents: theory is about gradient flow, and start-up and "theory" columns are known for it alone |
# | `Adam`, `AdamW` | for toy models of superposition, as their sources do; `weight_decay` of `AdamW` has no default, because the field's tools disagree (optax 1e-4, PyTorch 1e-2) |
# | `NormAdamW` | for scaling with width: its decay sets the norms of features |
# | any of `optax` | for all else; to scan its numbers, write a class ([How to extend](extending.md)) |
#
# The step size matters at K = N: with W = I a ReLU output that is pushed below zero at a large step
# stays dead. At the step size of `jaxsup reproduce acceleration` half of them died. As a reference
# without superposition take the linear student, or a small step.
# Which rates train, fall silent or diverge: `jaxsup reproduce trainability`.
#
# Over which optimizers, data and channels an exponent is about 1 is measured by
# `jaxsup reproduce universality`: its screen has eleven factors, and 11% of its 1,024 settings have a
# last power law within 0.8..1.2 (64 features).
#
# ## Precision
#
# `precision="float32"` (the default) is right everywhere. `"fast"` lets an accelerator round the factors
# of products that train, to 10 or 7 bits of mantissa; what is recorded stays exact. Use it to scan, not
# to measure small differences. On a CPU it changes nothing. `--x64` is for losses that come near
# rounding, for stability borders, and for closed forms at the last digits; the trainability map is
# published in float64. More: [Accelerators and precision](accelerators.md).
#
# ## Records
#
# - `points=64` log-spaced steps suit fits. A single curve of 80 log-spaced points does not tell noise
#   that is correlated over 100 records from structure; record more often, or train several seeds
#   ([Power-law fits](methods/power_law_fits.md), Coverage).
# - `evaluation_samples` is by default what 15% of the run's time pays for
#   (`python -m benchmarks --only looking`).
# - Observables of the geometry decompose a K x K matrix for every network, at recorded steps only.
#
# ## Window of a fit
#
# Leave it open first. The window is chosen where the local slope is steady, and the start-up that
# learning rate and spectrum imply is left out. Then look at the local exponent: is there one law at all?

# %%
sweep = jaxsup.Sweep(
    jaxsup.Experiment(
        jaxsup.GaussianFeatures(256, exponent=1.5),
        jaxsup.DiagonalTeacher(exponent=0.5),
        jaxsup.Student(256, "identity", core_scale=0, activation="identity", bias=False),
        jaxsup.SGD(1.0),
        steps=5000,
        gradient="exact",
    )
)
dataset = jaxsup.run(sweep)
for window in (None, (10, 200), (200, 5000)):
    table = jaxsup.measure_exponents(dataset, window=window)
    print(f"window {window or 'chosen'}")
    print(jaxsup.fit.format_exponents(table), end="\n\n")

# %% [markdown]
# One linear student, and its slope is another in every window: it passes the limit where the finite
# number of features ends the law. A window without one steady law is refused; the slope in brackets is
# what a blind fit would have given. "theory" follows, as it is computed through the same window. So:
#
# - Compare exponents over the same window, or each with its "theory".
# - Curves in superposition have several stretches: use `--regimes` before you fix a window, and say
#   which stretch a number is of ([Local exponents and regimes](methods/exponents.md)).
# - `--floor` where the loss ends at one, or where the tail of a finite sum is missing.
#
# ## Tolerances of spectra
#
# Eigenvalues closer than `cluster_tolerance` are one eigenspace: 1e-4 suits weights that have
# converged, gradient noise wants 1e-2 to 1e-1. Names forgive noise up to `tolerance`: 1e-3 for
# converged weights, 1e-2 to 5e-2 for noisy ones. Where the answer follows the tolerance, trust what
# needs none: spread, slack, saturation ([How spectra are measured](methods/spectra.md)).
