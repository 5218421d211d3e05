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
# # The spectra of a real checkpoint
#
# Weights that somebody else trained: which of their numbers say something, and which would any
# matrix of that shape show? Two small models come with packages on PyPI, so that nothing has to
# be downloaded from a hub:
#
# - `g2p-en` (Apache-2.0), two GRUs that spell English words out as phonemes, seven matrices;
# - `wordllama` (MIT), one matrix of 32,000 token embeddings in 256 dimensions: a small embedding
#   model that was trained on the token embeddings of several large language models with the
#   vocabulary of Llama 2.
#
# Only their files are read: `pip install g2p-en wordllama`. Nothing of them is imported or
# unpickled.
#
# *Takes half a minute on two cores, and 1.5 GiB of memory.*

# %%
# %matplotlib inline
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

import jaxsup


def package_folder(name):
    """Where an installed package lies."""
    return Path(find_spec(name).origin).parent


# %% [markdown]
# ## All matrices of a checkpoint
#
# The first look at a checkpoint is a table, a row a matrix. .npz, .safetensors, an index and a
# folder can be read, with memory for one matrix at a time. On a shell it is `jaxsup spectrum FILE
# --out table.png`.
#
# No file says which side of a matrix is made of features. Here it is known from the code that
# uses them: every row is what the network has of one letter, one phoneme or one gate, so the rows
# are features. Where nothing is said, the longer side is taken, and the row's `orientation` tells
# so.

# %%
from jaxsup.weights.files.shards import list_checkpoint
from jaxsup.weights.table import measure_checkpoint

stored = list_checkpoint(package_folder("g2p_en") / "checkpoint20.npz")
matrices = [tensor for tensor in stored if len(tensor.shape) == 2]
rows = list(measure_checkpoint(matrices, orientation="features-latent"))

columns = ["features", "latent", "rank", "saturation", "saturation_null", "effective_rank"]
table = pd.DataFrame([{"tensor": row.tensor, **row.summary.to_dict()} for row in rows])
table.set_index("tensor")[columns].round(3)

# %% [markdown]
# *Saturation* is the sum of all capacities over the rank: 1 where every feature keeps to one
# eigenspace of F = WWᵀ. Read it beside its null, that of a Gaussian matrix of the same shape. The
# 0.91 of 29 letters in 256 dimensions (`enc_emb`) sounds like much and is what chance gives; so
# nearly is that of the phonemes on their way in (`dec_emb`). The five others are not chance: all
# lie well *below* it, as their rows share strong directions. Their effective rank is the smaller
# part of the full one, too.
#
# The picture adds the exponent of the spectrum's tail. An empty marker is a tail that is no
# plausible power law, and an interval as wide as that of `dec_emb` says that there is no tail to
# speak of.

# %%
from jaxsup.plot.checkpoint import checkpoint_figure

checkpoint_figure(rows)

# %% [markdown]
# ## One matrix beside its nulls
#
# Now the 32,000 tokens. `weights.diagnose` computes all that `spectral` and `geometry` say of a
# matrix, and what random matrices would show: Gaussian entries, and this matrix with its norms
# kept and every direction redrawn. The second null is there because norms alone can make a
# spectrum look like something.

# %%
folder = package_folder("wordllama")
weights = jaxsup.weights.read_weights(folder / "weights/l2_supercat_256.safetensors")
print(f"{weights.tensor}: {weights.shape[0]:,} x {weights.shape[1]}, {weights.dtype}")
print(weights.describe_orientation())

diagnosis = jaxsup.weights.diagnose(weights)

# %%
for name, value in diagnosis.rows():
    print(f"{name:14} {value}")

# %% [markdown]
# A superposition ratio of 125, and a saturation that is high in itself and well below chance.
# Coherence, the largest cosine of two tokens, is a lower bound here, from some tokens against
# all, and says so.
#
# The measures beside both nulls:

# %%
print(diagnosis.measures)

# %% [markdown]
# Look for rows whose first number lies outside of both others, and mind how far:
#
# - The *spread* of eigenvalues that a token sees, as a share of their mean, is several times that
#   of either null, and the *slack*, what its capacity lacks, many times.
# - *Localization* and the largest projection are above chance, but small in themselves: no token
#   is on one eigenspace, or near it.
# - The *linear law* (capacity against squared norm, slope times eigenvalue near 1) is no evidence
#   of anything: random matrices follow it better.
#
# ## What the spectrum has that a random one has not

# %%
values = np.asarray(diagnosis.spectrum.raw_eigenvalues, float)
q = np.sqrt(diagnosis.spectrum.basis.shape[0] / len(diagnosis.spectrum.norms))
above = int(np.sum(values > values.mean() * (1 + q) ** 2))
below = int(np.sum(values < values.mean() * (1 - q) ** 2))
print(f"{above} eigenvalues above the range for independent features, {below} below")

figure, ax = jaxsup.plot.new_figure(width=6.4)
jaxsup.plot.eigenvalue_spectrum(diagnosis.spectrum, ax)
figure

# %% [markdown]
# Eigenvalues of independent features would stay within the gray band (Marchenko and Pastur).
# Those of this matrix fall steadily through it, and the first stands apart from all others.
#
# Are the leading directions a property of the model, or of the tokens that happen to be in the
# table? Split the tokens in two halves at random, take the span of the leading eigenvectors of
# each, and compare them: the cosine of the largest principal angle is 1 for equal spans. The same
# for the null with redrawn directions.

# %%
rng = np.random.default_rng(0)
W = weights.matrix.astype(np.float64)
redrawn = rng.normal(size=W.shape)
redrawn *= np.linalg.norm(W, axis=0) / np.linalg.norm(redrawn, axis=0)


def leading(W):
    """Eigenvectors of W W^T as columns, those of large eigenvalues first."""
    return np.linalg.eigh(W @ W.T)[1][:, ::-1]


halves = np.array_split(rng.permutation(W.shape[1]), 2)
print("span of the leading    1     2     3     5    10 eigenvectors")
for name, matrix in (("this matrix", W), ("redrawn", redrawn)):
    first, second = (leading(matrix[:, half]) for half in halves)
    angles = [
        np.linalg.svd(first[:, :k].T @ second[:, :k], compute_uv=False).min()
        for k in (1, 2, 3, 5, 10)
    ]
    print(f"{name:19}", "  ".join(f"{cosine:.2f}" for cosine in angles))

# %% [markdown]
# The first directions are nearly the same in both halves, and in the null they have nothing to do
# with each other. So it makes sense to ask what they are; of the tenth it would not.
#
# ## Features by name
#
# Labels are the names of features, from the tokenizer beside the weights; ▁ marks the beginning
# of a word. These are the tokens that point most along and most against each of the leading
# eigenvectors (whose sign is arbitrary).

# %%
from jaxsup.weights.features.labels import read_labels

labels = read_labels(folder / "tokenizers/l2_supercat_tokenizer_config.json", W.shape[1])
cosines = np.asarray(diagnosis.spectrum.basis).T @ (W / np.linalg.norm(W, axis=0))
for k in range(3):
    order = np.argsort(cosines[k])
    eigenvalue = float(diagnosis.spectrum.raw_eigenvalues[k])
    print(f"eigenvector {k}, eigenvalue {eigenvalue:,.0f}")
    for tokens in (order[:-11:-1], order[:10]):
        print("   ", "  ".join(labels.show(int(token)) for token in tokens))

# %% [markdown]
# The first direction has white space and punctuation at one end, and words of languages other
# than English at the other; the second, endings of Romance languages against code; the third,
# Romance and German words against bytes (`<0x41>`). The strongest structure of this matrix is
# between kinds of text and languages, not between meanings. Of the lists below, that of the most
# localized tokens says the same.
#
# `inspect_features` answers questions about features: the ends of every measure, the nearest
# neighbors of some, and the geometry of a neighborhood as if the others were not there.

# %%
from jaxsup.weights.features.inspection import Questions, inspect_features

king, monday = labels.find("▁king"), labels.find("▁Monday")
questions = Questions(listed=6, neighbors=[(king, 6)], neighborhoods=[(monday, 6)])
answers = inspect_features(diagnosis, questions, labels)
print(answers.describe(diagnosis))

# %% [markdown]
# Neighbors make sense, and their cosines fall fast. The lowest cosine is a fraction of the
# largest: this is no antipodal pair, as toy models have them. The neighborhood has no name: its
# features differ in their norms, and what is no scheme is called irregular.
#
# On a shell:
#
# ```
# jaxsup spectrum model.safetensors --out table.png                        # every matrix
# jaxsup spectrum model.safetensors --tensor wte.weight --labels vocab.txt --neighbors cat
# jaxsup spectrum early.safetensors late.safetensors --tensor wte.weight   # what two share
# ```
