# %% [markdown]
# # Your own curves
#
# `jaxsup fit` takes a sweep, and just as well a file of losses that you have already. Outputs on this
# page were made when the page was built.
#
# ## A file
#
# For this page three curves are made: t^-0.3, then t^-1, which meet near step 600, with 3% noise.

# %%
import numpy as np

rng = np.random.default_rng(0)
steps = np.unique(np.round(np.geomspace(1, 50_000, 90))).astype(int)
law = (steps / 600) ** -0.3 * (1 + (steps / 600) ** 5) ** (-0.7 / 5)
losses = law * np.exp(0.03 * rng.normal(size=(3, steps.size)))  # [seeds, steps]

np.savetxt(
    "losses.csv",
    np.column_stack([steps, losses.T]),
    delimiter=",",
    header="step,loss_0,loss_1,loss_2",
    comments="",
    fmt=["%d"] + ["%.5g"] * 3,
)
with open("train.log", "w") as log:
    log.writelines(f"step {t}: train loss {x:.5g}\n" for t, x in zip(steps, losses[0], strict=True))

# %% language="bash"
# head -n 3 losses.csv train.log

# %% [markdown]
# `--regimes` cuts the curve into stretches of one power law each. `--seeds` says that the columns are
# seeds of one setting: their mean is fitted, and their scatter gives the intervals.

# %% language="bash"
# jaxsup fit losses.csv --seeds --regimes --out losses.png

# %% tags=["remove_input"]
from IPython.display import Image

Image("losses.png", width=760)

# %% [markdown]
# Both laws are found, with their intervals and the steps they span; what lies between is a crossover.
#
# Without `--regimes` one power law is fitted. Its window is chosen where the local slope is steady;
# `--window` fixes it. A law for a curve that holds two is a statement about that window alone.

# %% language="bash"
# jaxsup fit losses.csv --seeds
# jaxsup fit losses.csv --seeds --window 1 400

# %% [markdown]
# `--local` prints the exponent -d log L / d log t along the curve. "-" reads standard input:

# %% language="bash"
# cat train.log | jaxsup fit - --local | sed -n "1,6p"

# %% [markdown]
# ## Formats
#
# | file | what is read |
# |---|---|
# | `.csv`, `.tsv`, `.parquet` | a header, a column of steps ("step", or the first), a column for each curve; an empty cell is a step that was not recorded, and a curve that ends in nan diverged |
# | `.npz` | the columns as arrays, or losses [runs, steps] |
# | `.npy` | a structured array, rows with the steps first, or losses alone |
# | `.json` | a dictionary of lists, a list of dictionaries, or a `trainer_state.json` |
# | `.log`, `.txt`, `.jsonl`, `-` | lines with a step and a loss: JSON, printed dictionaries, "step 250: train loss 2.04", "step=250 loss=2.04" |
#
# - `--step NAME` and `--loss NAME` pick columns; `--loss` may be given again.
# - Where names contain "loss", the other columns are left out, and you are told.
# - `--by NAME` is for files in which runs stand below each other: the column tells them apart.
# - `--seeds`: runs, or columns without `--by`, are seeds of one setting.
# - `--floor` fits L = c + A t^-alpha, `--json` prints every field, `--out` draws.
#
# ## In Python
#
# The functions take arrays: steps, and losses as [steps] or [seeds, steps].

# %%
import jaxsup

fit = jaxsup.fit_power_law(steps, losses, window=(1000, 50_000))
print(fit.exponent, fit.interval, fit.window)
print(fit.correlation_open, fit.widest)  # whether the record leaves it open
found = jaxsup.fit.regimes(steps, losses)
for stretch in found.stretches:
    print(stretch.kind, stretch.window, stretch.exponent)
local = jaxsup.fit.local_exponent(steps, losses)
print(local.exponent[-1], local.interval[-1])

# %% [markdown]
# What is fitted, how a window is chosen, when a fit is refused, and how often the intervals hold:
# [Power-law fits](methods/power_law_fits.md), [Local exponents and regimes](methods/exponents.md).
#
# ## Losses over sizes and data
#
# `jaxsup.fit.fit_scaling` fits L(N) = E + A / N^alpha, L(D) = E + B / D^beta, or both together in
# Chinchilla's form, by a robust loss, with intervals from a bootstrap. Here on 48 made-up points with
# the parameters of the published refit (arXiv 2404.10102) and 0.3% noise:

# %%
size, data = (
    grid.ravel() for grid in np.meshgrid(np.geomspace(5e7, 1e10, 8), np.geomspace(1e9, 3e11, 6))
)
loss = 1.817 + 482.0 / size**0.348 + 2085.0 / data**0.366
loss = loss * np.exp(0.003 * rng.normal(size=loss.size))
print(jaxsup.fit.fit_scaling(loss, size=size, data=data, resamples=200))
