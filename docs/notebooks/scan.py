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
# # A scan of 20,000 networks
#
# The smallest toy model of superposition has two features and one dimension. It can drop one
# feature, drop the other, or hold both as an antipodal pair, and which of these it does depends
# on how dense the features are and how much the second one matters (Elhage et al., arXiv
# 2209.10652). A map of that is a grid of 100 × 50 settings with four starts each: 20,000
# networks.
#
# This notebook trains them on a laptop the way one would on a cluster: described in a file,
# forecast before it is run, kept in a store, interrupted and resumed, shared between processes.
# Then it draws the map, beside the closed form.
#
# *Takes a minute on two cores, 1 GiB of memory and 5 MB of disk.*

# %%
# %matplotlib inline
import os
import signal
import tempfile

import numpy as np

import jaxsup

os.chdir(tempfile.mkdtemp())  # where this notebook writes

# %% [markdown]
# ## The scan as a file
#
# A sweep can be written in Python, as `jaxsup.Sweep`, or in TOML. The file is what moves to a
# cluster unchanged, so here is the file. Every key is an argument of the class of the same name,
# and is checked like it; `jaxsup list features` (or students, optimizers, observables) tells what
# can be set, `jaxsup init NAME` writes a commented one to begin with.

# %%
TEXT = """\
steps = 600
batch_size = 64
seeds = 4                       # four starts of every setting
reduction = "mean"

[features]                      # active with probability `density`, then uniform on [0, 1]
kind = "power-law"
count = 2
exponent = 0.0
normalize = false
density = 1.0                   # scanned
values = "unit"

[teacher]
kind = "diagonal"
exponent = 0.0

[student]                       # relu(W^T W x + c) in one dimension
latent = 1
embedding = "learned"
core = false
embedding_scale = 1.0

[optimizer]
kind = "adam"
learning_rate = 0.03
schedule = { warmup = 1 }       # then along a cosine to 0

[record]
points = 8
evaluation_samples = 256
parameter_steps = [600]         # keep W and c of the last step

[axes]
importance = { geomspace = [0.1, 10, 50] }              # of the second feature
"features.density" = { geomspace = [0.01, 1, 100] }
"""
with open("scan.toml", "w") as file:
    file.write(TEXT)

# %% [markdown]
# ## What it will take
#
# `--dry-run` trains and writes nothing: it compiles, times a few updates and tells how many
# programs, how much memory and disk, and how long. A number in an axis costs nothing at compile
# time: all 5,000 settings are one program.

# %% language="bash"
# jaxsup sweep scan.toml --dry-run

# %% [markdown]
# ## Run, interrupted
#
# `run` takes the same sweep in Python; with a second argument it fills a store on disk, in Zarr
# format, tile by tile. Half-way through, this cell presses Ctrl-C.

# %%
from jaxsup.sweep.tables import read_sweep

sweep = read_sweep("scan.toml")


def press_ctrl_c(progress):
    """Interrupt once half of the updates are made."""
    if progress.network_steps_done > progress.network_steps / 2:
        signal.raise_signal(signal.SIGINT)


try:
    jaxsup.run(sweep, "scan", progress=press_ctrl_c)
except KeyboardInterrupt:
    print("interrupted")

# %% [markdown]
# What was whole is stored, and the part at hand has a checkpoint. An unfinished store opens like
# any other, with a line that says so; networks that are missing are NaN, and `complete` says
# which.

# %%
print(int(jaxsup.open_store("scan")["complete"].sum()), "of", sweep.replicas, "networks are stored")

# %% language="bash"
# jaxsup info scan | head -n 9

# %% [markdown]
# ## Resumed
#
# The same call with `resume=True` trains what is missing, and no more. (On a shell: `jaxsup sweep
# scan.toml --out scan --resume`.) Another configuration than the store's would be refused, with
# the fields that differ.

# %%
dataset = jaxsup.run(sweep, "scan", resume=True)
print(int(dataset["complete"].sum()), "of", sweep.replicas, "networks are stored")
print(int((dataset["status"] == 1).sum()), "diverged")

# %% [markdown]
# ## Shared between processes
#
# On a cluster the same file is trained by many processes that need not know each other: each
# takes its fixed share of the work and writes into the same folder. A job array is enough:
#
# ```
# #SBATCH --array=1-8
# jaxsup sweep scan.toml --out /scratch/scan --shard ${SLURM_ARRAY_TASK_ID}/8
# ```
#
# A job that dies costs its own unfinished part; submit it again. Under `srun`, `--distributed`
# shares out what is missing instead.
#
# Here, two processes share the first and the last row of the map. `--set` changes a key of the
# file, checked like the file itself; `--chunk` makes the parts smaller, so that there is
# something to share.

# %% language="bash"
# rows='axes.importance=[0.1, 10.0]'
# jaxsup sweep scan.toml --set "$rows" --chunk 200 --out shared --shard 1/2 2> first.log &
# jaxsup sweep scan.toml --set "$rows" --chunk 200 --out shared --shard 2/2 2> second.log
# wait
# jaxsup info shared | head -n 9

# %% [markdown]
# What a network becomes depends on its setting and its seed, and, to float rounding, on nothing
# else: not on the interruption, the process, the size of a part or its neighbors in it. So these
# 800 networks must be those of the scan.

# %%
shared = jaxsup.open_store("shared")
rows = dataset.sel(importance=[0.1, 10.0], method="nearest")
for name in ("loss", "embedding", "bias"):
    difference = np.abs(shared[name].values - rows[name].values).max()
    print(f"{name}: largest difference {difference:.1e}")

# %% [markdown]
# ## The store in xarray
#
# A store is a Zarr folder with labeled axes, units and provenance: `xarray.open_zarr` opens it
# without jaxsup, and reads what is used.

# %%
import xarray as xr

xr.open_zarr("scan", consolidated=False)

# %% [markdown]
# ## The map
#
# A single start may be caught in the wrong arrangement, so take the best of the four at each
# setting. Best by the exact expected loss of the trained W and c, not by the recorded estimate
# from 256 samples: with two features that is a closed form and one integral.
#
# Each network's phase is read from its weights: the nearest of three directions of (w_1, w_2), or
# none if it is not near. The black lines owe nothing to training: there the exact losses of the
# three ideal arrangements cross.

# %%
from jaxsup.reproduce.analysis.phases import draw_excess, draw_phases
from jaxsup.reproduce.figures.toy_phase_diagram import find_phases, outcomes

phases = find_phases(dataset)
density, importance = dataset["features.density"].values, dataset["importance"].values

figure, (left, right) = jaxsup.plot.new_figure(2, width=5.6, height=3.8)
draw_phases(density, importance, phases.trained, left)
left.set_title(f"what the best of four networks became, {phases.trained.size:,} settings")
draw_excess(density, importance, phases.ratio, right)
right.set_title("its loss beside that of the best ideal arrangement")
figure

# %%
agrees = phases.trained == phases.exact
print(f"in the phase of lowest exact loss: {agrees.mean():.1%} of all settings,")
print(f"    {agrees[phases.clear].mean():.1%} of those where the losses differ by 5% or more")

weights = dataset["embedding"].isel(kept_step=-1, latent=0)
single = outcomes(weights.transpose("importance", "features.density", "seed", "feature").values)
print(
    f"a single start is in that phase in {(single == phases.exact[..., None]).mean():.1%} of cases"
)

# %% [markdown]
# The map is the closed form's, but for a rim. Near the boundary a trained pair does better than
# the ideal one (brown on the right), as its two norms need not be equal, so that pairs reach a
# little further than the lines. Where features are rare 600 steps are few, and losses stay a
# percent or two above; the stripes there are settings of one density, which see the same samples.
# The last line is why there are four starts: with a single one the map would be speckled.
#
# ## Larger
#
# `jaxsup reproduce toy-phase-diagram --scale paper` is this scan with 1,000 × 100 settings, eight
# starts and 6,000 steps. What to change when a scan grows:
#
# | | |
# |---|---|
# | `--set seeds=8` | a key of the file with another value |
# | `--memory 4GiB` | what a part may take; without it, what the device has |
# | `--checkpoint 300` | seconds between checkpoints of the part at hand |
# | `jaxsup info DIR` | how complete, where trained, what diverged, what is damaged |
# | `jaxsup fit DIR`, `jaxsup plot DIR` | exponents and figures, also of an unfinished store |
