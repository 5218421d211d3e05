# %% [markdown]
# # Configurations
#
# A sweep in TOML: one experiment, the axes to scan, the seeds. Every key is an argument of the class
# of the same name in Python; a misspelled key is refused, and the nearest right one named. Outputs on
# this page were made when the page was built.
#
# ## A file to begin with

# %% language="bash"
# jaxsup init first.toml

# %% [markdown]
# [Getting started](start.md) shows it with all its keys. Examples explain theirs:
#
# === "exponents.toml"
#
#     ```toml
#     --8<-- "examples/exponents.toml"
#     ```
#
# === "transition.toml"
#
#     ```toml
#     --8<-- "examples/transition.toml"
#     ```
#
# === "autoencoder.toml"
#
#     ```toml
#     --8<-- "examples/autoencoder.toml"
#     ```
#
# === "pairs.toml"
#
#     ```toml
#     --8<-- "examples/pairs.toml"
#     ```
#
# ## What can be named
#
# `jaxsup list` says what there is, `jaxsup list SECTION` what can be set of it, with types and
# defaults.

# %% language="bash"
# jaxsup list
# echo
# jaxsup list students

# %% [markdown]
# Classes of your own are named by `kind = "module:Class"`, see [How to extend](extending.md).
#
# ## Axes
#
# An axis named after a field scans that field:
#
# ```toml
# [axes]
# "features.exponent" = [1.1, 1.5, 2.0]
# "student.latent" = [8, 16, 32]
# ```
#
# Instead of a list, a rule:
#
# | rule | values |
# |---|---|
# | `{linspace = [0, 1, 11]}` | 11 numbers from 0 to 1, both among them |
# | `{geomspace = [0.01, 1, 5]}` | 5 numbers of constant ratio |
# | `{logspace = [-2, 0, 5]}` | the same by exponents of 10 |
# | `{range = [8, 40, 8]}` | 8, 16, 24, 32: integers, the end left out |
#
# Fields that are often scanned have a short name, an alias, say `K` for `student.latent`: it names an
# axis as the field does. `jaxsup list aliases` has them all.
#
# An axis with a name of its own is a table of fields that change together:
#
# ```toml
# [axes.setting]
# "features.exponent" = [1.1, 1.5, 2.0]
# "teacher.exponent" = [0.0, 0.5, 1.0]
# ```
#
# Numbers (exponents, rates, scales) are arguments of one compiled program. Sizes and names (batch,
# steps, activation) are structure, and take a program each. Scans of `student.latent` are padded to a
# few widths (`--widths`), so that they take few programs.
#
# ## Other values for one run
#
# `--set KEY=VALUE` changes a key without editing the file. It is checked like the file, may be given
# again and again, and the last one counts. `--seeds` is the number of seeds.

# %% language="bash"
# jaxsup sweep first.toml --out runs/short --set batch_size=16 --set student.latent=16 \
#     --set 'axes."optimizer.learning_rate"=[0.1, 0.3]' --seeds 2
# jaxsup sweep first.toml --out runs/wrong --set step=100 || echo "exit status $?"

# %% [markdown]
# ## What it will take
#
# `--dry-run` trains and writes nothing. It tells how many programs will be compiled, the memory of a
# network and how many fit at once, the size of the dataset, and the time, from a few timed updates.
# [Getting started](start.md) and [How to choose](choosing.md) show what it prints.
#
# ## In Python
#
# `jaxsup.sweep.tables.read_sweep` reads such a file; `jaxsup.sweep.tables.sweep_to_tables` gives the
# tables of a sweep, as stores keep them.

# %%
from jaxsup.sweep.tables import read_sweep

sweep = read_sweep("first.toml")
print(sweep.shape, sweep.seeds)
print(sweep.axis_table())
print(sweep.experiment.student)
