# %% [markdown]
# # How to extend
#
# An activation, a student, a feature law, a teacher, an optimizer, an observable, a figure: each is an
# abstract class with one to three methods.
#
# | class | a class of one's own gives |
# |---|---|
# | `jaxsup.AbstractActivation` | `__call__(z)` |
# | `jaxsup.AbstractFeatures` | `count`, `sample_batch(key, batch)`; `moments()` where they are known |
# | `jaxsup.AbstractTeacher` | `targets(x)`; `matrix_for(count)` where y = A x |
# | `jaxsup.AbstractStudent` | `latent`, `init_parameters(key, count)`, `outputs(parameters, x)` |
# | `jaxsup.AbstractOptimizer` | `transformation(steps)`, an optax transformation |
# | `jaxsup.Observable` | `name`, `dims`, `long_name`, `units`, `measure(network)` |
# | `jaxsup.reproduce.AbstractFigure` | `name`, `title`, `scales`, `configure(scale)`, `measure(dataset, sweep)` |
#
# What you write is trained by the dense update, which relies on these methods alone. It is stored,
# resumed, shown by `jaxsup info`, fitted and plotted like the rest. Faster updates take only what they
# were proven for.
#
# `jaxsup.Experiment` traces the methods, as a compiled program does, and says in one line what cannot
# be trained: another shape or dtype than asked for, a choice by `if` on a number, parameters or a state
# of an optimizer that are no arrays, updates of other shapes than the parameters, complex observables,
# a field that is NaN, a method that computes something else when it is called again (`np.random`, a
# state). `moments()` and `matrix_for(count)` say how losses are computed exactly: their numbers have to
# be finite, no variance negative, the matrix that of `targets`, and the moments those of a few thousand
# samples, where these can tell. A key that is drawn from twice is not seen (`jax_debug_key_reuse` is).
#
# The code of this page is `examples/own_classes.py`, which is run by the tests, and cells that were run
# when the page was built.
#
# ## Fields
#
# These classes are `equinox.Module`s: write fields as in a dataclass. A field with a number can be
# scanned by an axis in one program, also where the class makes other fields of it. Sizes and names are
# structure: mark them `eqx.field(static=True)`, and functions as well; arrays never.
#
# ## An activation
#
# ```python
# --8<-- "examples/own_classes.py:activation"
# ```
#
# The axis `"student.activation.threshold"` scans it. Training differentiates `__call__`; a slope that
# is not its derivative is written there, by `jax.custom_jvp`.
#
# ## A feature law
#
# ```python
# --8<-- "examples/own_classes.py:law"
# ```
#
# Randomness comes from `key` alone: `np.random` would be asked once, when the program is compiled, and
# give all updates the same batch. Samples that do not depend on the key are refused; from a fixed table,
# draw the rows (`jax.random.choice`).
#
# ## A student
#
# Its parameters are a module of their own, with arrays or None in its fields. Fields called
# `embedding`, `readout`, `core` and `bias` are taken for what they are in `jaxsup.Student`: the first
# two are [latent, features], the third [latent, latent]. Each array has a name of its own in a dataset.
#
# ```python
# --8<-- "examples/own_classes.py:student"
# ```
#
# ## A teacher and an optimizer

# %%
import jax.numpy as jnp
import numpy as np
import optax

import jaxsup


class SoftTeacher(jaxsup.AbstractTeacher):
    """y = tanh(gain x), entry by entry."""

    gain: float = 1.0

    def targets(self, x):
        return jnp.tanh(self.gain * x)


class Lion(jaxsup.AbstractOptimizer):
    """Lion of optax, with a rate that can be scanned."""

    learning_rate: float = 1e-3

    def transformation(self, steps):
        return optax.lion(self.learning_rate, weight_decay=0.0)


experiment = jaxsup.Experiment(
    jaxsup.SparseFeatures(np.full(24, 0.1)),
    SoftTeacher(),
    jaxsup.Student(12, embedding="learned", core=False),
    Lion(),
    batch_size=64,
    steps=300,
    record=jaxsup.Record(points=6, observables=("saturation",)),
)
axes = {"teacher.gain": [0.5, 2.0], "optimizer.learning_rate": [1e-3, 3e-3]}
dataset = jaxsup.run(jaxsup.Sweep(experiment, axes, seeds=3))
print(dataset["loss"].isel(step=-1).mean("seed").to_pandas())

# %% [markdown]
# Any transformation of optax is an optimizer as it is, `Experiment(..., optax.lion(1e-3))`. Its numbers
# are then part of the program: a class like the one above makes them axes. A scan over K holds the
# package's own networks in arrays of few sizes, padded by zeros, which an optimizer or an observable
# of yours would feel: with one of these each K is a program of its own.
#
# ## An observable
#
# It is asked at every recorded step, of one network. `network.array(NAME)` is an array of the student,
# None where it has none.
#
# ```python
# --8<-- "examples/own_classes.py:observable"
# ```
#
# ## A figure
#
# A figure is a sweep, a measurement and claims. `jaxsup.reproduce.reproduce` trains it into a folder,
# measures it, writes the picture, a table and JSON, and gives each claim its verdict.
#
# ```python
# --8<-- "examples/own_classes.py:figure"
#
# --8<-- "examples/own_classes.py:main"
# ```

# %% language="bash"
# python examples/own_classes.py runs/groups

# %% tags=["remove_input"]
from IPython.display import Image

Image("runs/groups/groups.png", width=760)

# %% [markdown]
# The "smoke" scale is to see that it works; it is too short to decide.
#
# ## In TOML
#
# A class of your own is named by its module: `kind = "own_classes:GroupedFeatures"`, with its fields
# beside it. The module has to be importable where the command runs (`PYTHONPATH=examples`). A dataset
# cannot name classes to import: only the file that you give can.
#
# ## Stores
#
# What a foreign class computes is part of a store's fingerprint, by what it traces to. A class that was
# edited does not go on in the same store, nor do an axis' objects in another order. What a
# `jax.pure_callback` computes outside of JAX cannot be seen: edit it, and give it a store of its own.
#
# In one process `jaxsup.simulate` compiles a class once: where its methods use a function or a number
# from outside of it that a notebook defines anew, run the cell of the class again as well.
# `jaxsup.run` sees such a change.
#
# ## In the package itself
#
# CONTRIBUTING.md says where things go, and what a change brings.
