# %% [markdown]
# # Getting started
#
# Install, train a first sweep, fit its exponents, draw a figure: from the shell, then from Python.
# Every output on this page was made when the page was built. Times are those of that machine.
#
# ## Install
#
# Python 3.11 or newer. In a checkout:
#
# ```bash
# pip install .            # on a CPU
# pip install ".[cuda]"    # with an NVIDIA card
# pip install ".[tpu]"     # on a TPU
# ```
#
# `bash scripts/quickstart.sh` makes an environment of its own, trains the networks of the transition at
# a small scale, and measures and draws how their exponents change with superposition: about a minute on
# two cores after the installation. Below the steps are taken one by one, with a smaller sweep.

# %% language="bash"
# jaxsup --version

# %% [markdown]
# ## From the shell
#
# A sweep is described by a TOML file. `jaxsup init` writes one to begin with.

# %% language="bash"
# jaxsup init first.toml
# cat first.toml

# %% [markdown]
# It trains sixteen networks: four learning rates with four seeds each. `--dry-run` trains and
# writes nothing. It says what the sweep will take, from a few timed updates.

# %% language="bash"
# jaxsup sweep first.toml --dry-run

# %% [markdown]
# The sweep itself. The result is a folder in Zarr format, which xarray opens.

# %% language="bash"
# jaxsup sweep first.toml --out runs/first

# %% [markdown]
# Fit a power law L ~ t^-alpha to the mean curve of each setting:

# %% language="bash"
# jaxsup fit runs/first

# %% [markdown]
# "exponent" is alpha with its standard error. "window" holds the steps that were fitted. "theory" is
# the slope of the linear student without superposition at this number of features and over this
# window, "limit" the law for infinitely many features, (a + 2b - 1)/a. A setting whose curve is no
# power law, or too short a one, says so; the slope in brackets is no exponent.
#
# Draw it:

# %% language="bash"
# jaxsup plot runs/first --out first.png

# %% tags=["remove_input"]
from IPython.display import Image

Image("first.png", width=700)

# %% [markdown]
# `jaxsup info runs/first` tells how complete the folder is, where it was trained, how its updates
# were computed, and the whole configuration. All commands and their options are in
# [The command](commands.md).
#
# ## From Python
#
# An experiment has four parts: what is seen (features), asked (teacher), trained (student), and how
# (optimizer). A sweep scans any of their fields. Here the student is linear and has no
# superposition, so that theory is exact.

# %%
import jaxsup

features, teacher = jaxsup.GaussianFeatures(400, exponent=2.0), jaxsup.DiagonalTeacher(exponent=0.5)
student = jaxsup.Student(400, "identity", core_scale=0, activation="identity", bias=False)
experiment = jaxsup.Experiment(
    features, teacher, student, jaxsup.SGD(1.0), steps=2000, gradient="exact"
)
sweep = jaxsup.Sweep(experiment, {"teacher.exponent": [0.0, 0.5, 1.0]})
dataset = jaxsup.run(sweep)  # an xarray.Dataset, from one compiled program
print(jaxsup.fit.format_exponents(jaxsup.measure_exponents(dataset)))

# %% [markdown]
# The loss is an array with an axis for each scanned field, one for the seeds and one for the
# recorded steps. `status` is 0 where training reached its end, 1 where it diverged.

# %%
print(dataset["loss"].sizes)
print(dataset["status"].values.ravel())

# %% [markdown]
# Functions of `jaxsup.plot` draw on an axis and return it:

# %%
figure, ax = jaxsup.plot.new_figure()
jaxsup.plot.loss_curves(dataset, ax)
figure

# %% [markdown]
# ### With superposition
#
# Fewer latent dimensions than features, a ReLU at the output, and samples instead of the exact
# gradient: the setting of the [transition](gallery/index.md#the-transition), small. A curve
# with superposition is rarely one power law: `jaxsup.fit.measure_regimes` cuts it into stretches,
# and marks the first and the last power law.

# %%
from jaxsup.fit.tables.regime_tables import format_regimes
from jaxsup.training.updates import choose_update

experiment = jaxsup.Experiment(
    jaxsup.PowerLawFeatures(64, exponent=1.5),
    jaxsup.DiagonalTeacher(exponent=0.0),
    jaxsup.Student(32),
    jaxsup.SGD(0.5),
    batch_size=64,
    steps=3000,
)
sweep = jaxsup.Sweep(experiment, seeds=5)
print(choose_update(experiment).describe())
dataset = jaxsup.run(sweep)
regimes = jaxsup.fit.measure_regimes(dataset)
print(format_regimes(regimes))

# %% [markdown]
# ### One network
#
# `jaxsup.simulate` is one training run: a pure function of an experiment and a key, which can be
# jitted and vmapped.

# %%
import jax

run = jaxsup.simulate(experiment, jax.random.key(0))
print(f"loss {run.loss[0]:.3f} at step {run.steps[0]}, {run.loss[-1]:.4f} at step {run.steps[-1]}")
W = run.params.embedding  # [latent, features]
spectrum = jaxsup.spectral.decompose(W)
print(f"rank {spectrum.rank}, saturation {spectrum.saturation:.3f}")

# %% [markdown]
# ## Where to go on
#
# | you want to | page |
# |---|---|
# | describe a sweep of your own | [Configurations](configurations.md) |
# | choose optimizer, sampling, precision, sizes | [How to choose](choosing.md) |
# | train for hours, on many machines | [Sweeps that last a night](sweeps.md) |
# | fit losses that you have already | [Your own curves](curves.md) |
# | look into weights that you have already | [Weights of your own](weights.md) |
# | write a student, a law, a figure | [How to extend](extending.md) |
# | repeat a published figure | [The gallery](gallery/index.md) |
