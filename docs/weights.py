# %% [markdown]
# # Weights of your own
#
# `jaxsup spectrum` says what weights of your own hold, from .npy, .npz, .safetensors, the index of a
# model in several files, or its folder. Nothing is unpickled. Outputs on this page were made when the
# page was built.
#
# ```bash
# jaxsup spectrum model.safetensors --out table.png  # every matrix; --tensor 'encoder.*': some
# jaxsup spectrum model.safetensors --tensor wte.weight --labels vocab.txt --neighbors cat
# jaxsup spectrum decoder.npy --features 0:1000 --cluster-cosine 0.8  # subsets and clusters
# jaxsup spectrum early.safetensors late.safetensors --tensor wte.weight  # what both share
# ```
#
# ## One matrix
#
# It gives the spectrum, measures with their nulls, named geometries, and what you ask about features
# by name. For this page: fourteen features in eight dimensions, in a rotated frame. There is a
# pentagon among them, a tetrahedron, a triangle and a digon.

# %%
import numpy as np


def polygon(corners):
    angles = 2 * np.pi * np.arange(corners) / corners
    return np.stack([np.cos(angles), np.sin(angles)])


tetrahedron = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / np.sqrt(3)
W = np.zeros((8, 14))  # [latent, features]
W[0:2, 0:5] = 1.2 * polygon(5)
W[2:5, 5:9] = tetrahedron
W[5, 9:11] = 0.9, -0.9
W[6:8, 11:14] = 0.7 * polygon(3)
rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0]
np.save("decoder.npy", (rotation @ W).astype(np.float32))

# %% language="bash"
# jaxsup spectrum decoder.npy --out decoder.png

# %% tags=["remove_input"]
from IPython.display import Image

Image("decoder.png", width=760)

# %% [markdown]
# Beside each number stands what a random matrix shows of it: with Gaussian entries, and with W's
# norms kept and its directions redrawn. A saturation of 0.985 is what a random 768 x 50,257 matrix has.
# [How spectra are measured](methods/spectra.md) says what each number means and needs,
# [Names of geometries](methods/geometries.md) how a name is found.
#
# ## A checkpoint
#
# A file with several matrices gives a table with a row for each: rank, saturation beside that of a
# random matrix, localization, effective rank, the exponent of the spectrum's tail, coherence. `--list`
# only lists them. `--tensor` picks one, or several by a pattern.

# %%
from safetensors.numpy import save_file

rng = np.random.default_rng(1)
low_rank = rng.normal(size=(256, 8)) @ rng.normal(size=(8, 64))
save_file(
    {
        "embedding.weight": rng.normal(size=(256, 64)).astype(np.float32),
        "layer.0.weight": (low_rank / 8 + 0.1 * rng.normal(size=(256, 64))).astype(np.float32),
    },
    "model.safetensors",
)

# %% language="bash"
# jaxsup spectrum model.safetensors --list
# echo
# jaxsup spectrum model.safetensors

# %% [markdown]
# The 41 matrices of all-MiniLM-L6-v2 take six seconds on two cores
# (`jaxsup spectrum model.safetensors` in its folder).
#
# ## Features by name
#
# `--labels` reads names from a vocabulary: one a line, a tokenizer.json, or a JSON list. Then
# `--neighbors NAME` lists the features nearest by cosine, `--neighborhood NAME` names the geometry of
# a feature with those that overlap most with it, `--features` that of a subset, `--cluster-cosine` the
# groups that large cosines connect, `--top` the most and least localized, largest, smallest and most
# crowded ones.
#
# In the word embedding of all-MiniLM-L6-v2, 993 of the 994 `[unusedN]` tokens are in one cluster
# (`--cluster-cosine 0.8`), which holds 1,729 of the 30,522 tokens, and among the 1,729 most crowded
# (`--top 1729`); none of this shows in a saturation of 0.53, which for a random matrix of the shape
# would be 0.99.
#
# ## Two files
#
# Two files give what their matrices share: principal angles between their spans and between
# eigenspaces, and the matched features.

# %%
noisy = rotation @ W + 0.01 * rng.normal(size=W.shape)
np.save("later.npy", noisy.astype(np.float32))

# %% language="bash"
# jaxsup spectrum decoder.npy later.npy

# %% [markdown]
# ## In Python

# %%
import jaxsup

weights = jaxsup.weights.read_weights("decoder.npy")
report = jaxsup.weights.diagnose(weights)
print(report.geometry)
spectrum = jaxsup.spectral.decompose(np.load("decoder.npy"))
print(spectrum.eigenvalues, spectrum.multiplicities)
print(np.asarray(spectrum.capacities).round(3))
