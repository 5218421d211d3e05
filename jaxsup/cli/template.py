"""The file that `jaxsup init` writes."""

TEMPLATE = """\
# A small sweep: sixteen networks with fewer latent dimensions than features, over four learning
# rates. It takes seconds.
#
#   jaxsup sweep {file} --out {out}
#   jaxsup fit {out}
#   jaxsup plot {out} --out curves.png
#
# Every key is an argument of the class of the same name in the Python package. Keys that are
# commented out with their default may be left out. `jaxsup list` tells what else there is, and
# `jaxsup sweep {file} --out {out} --set batch_size=64` changes a key for one run.

seeds = 4               # seeds 0..3, or a list like [3, 7]: start, data and evaluation samples
steps = 400             # updates
batch_size = 32         # fresh samples an update
# training_set = 1000   # train on as many samples, drawn once a seed; without: fresh ones
# gradient = "sampled"  # of fresh batches; "exact": of the expected loss, where it is known
# sampling = "auto"     # how samples are drawn: "sparse", "dense", or what pays
# reduction = "half_sum"  # loss over features: "half_sum", "sum" or "mean"
# importance = 1.0      # weight r^(i-1) of feature i in the loss, or all weights: a list or a file
# precision = "float32"  # of products that train; "fast": the accelerator's own

[features]              # what is seen: x_i = u_i v_i, u_i ~ Bernoulli(p_i); jaxsup list features
kind = "power-law"      # p_i ~ i^-a
count = 32              # N
exponent = 1.5          # a
density = 1.0           # expected number of active features a sample
values = "uniform"      # v_i: uniform on [0, 2]; "unit": [0, 1]; "symmetric": [-1, 1]; "sign"
# normalize = true      # whether p_i is divided by its sum; false: density is p_1

[teacher]               # what is asked: y_i = i^-b x_i; jaxsup list teachers
kind = "diagonal"
exponent = 0.0          # b; 0: y = x

[student]               # what is trained: relu(W^T B W x + c); jaxsup list students
# kind = "student"      # "hidden-layer": an activation of its own inside
latent = 8              # K; N/K is the superposition ratio
embedding = "random"    # W: "random" and "identity" are frozen, "learned" and "untied" learned
# core = true           # whether there is a learned K x K core B
core_scale = 0.001      # standard deviation of B's start
activation = "relu"     # jaxsup list activations
bias = true             # whether there is a learned bias c
# bias_scale = 0.0      # standard deviation of c's start
# bias_mean = 0.0       # mean of c's start
# hidden_noise = 0.1    # standard deviation of noise in the hidden layer
# embedding_scale = 0.3  # standard deviation of W's entries at the start; without: unit columns
# randomness = 0.5      # instead: columns as orthogonal as K allows (0) to independent (1)

[optimizer]             # how it is trained; jaxsup list optimizers
kind = "sgd"
learning_rate = 0.3     # scanned below
# momentum = 0.0        # in [0, 1)
# bias_learning_rate = 0.1  # of c; without: as the others
# schedule = {{warmup = 50, final = 0.1}}  # linear rise, then a cosine; jaxsup list schedules

[record]                # what is recorded, and when
points = 32             # recorded steps
# spacing = "log"       # or "linear"
# steps = [1, 10, 100]  # these steps instead
observables = ["core_norm"]  # beside the loss; jaxsup list observables
parameter_steps = [400]  # steps at which the parameters are kept
evaluation_samples = 1024  # of an estimated loss; without: as many as suit the time of training
# cluster_tolerance = 1e-4  # eigenvalues closer than this share are one eigenspace

# An axis named after a field, or by its alias (jaxsup list aliases), scans it: values, or a rule:
#   {{linspace = [start, stop, count]}}, {{geomspace = [start, stop, count]}},
#   {{logspace = [start exponent, stop exponent, count]}}, and for integers
#   {{range = [start, stop, step]}}, stop left out.
# Wherever a list of numbers stands, a file may: {{file = "weights.csv"}}, or .npy, .tsv, .txt.
# A table with a name of its own is an axis of fields that change together:
#   [axes.width]
#   "student.latent" = [8, 16]
#   "student.core_scale" = [0.001, 0.002]

[axes]
"optimizer.learning_rate" = {{logspace = [-1.5, 0, 4]}}  # 0.03 to 1
"""
"""TOML with the places ``{file}`` and ``{out}``; braces of its own are doubled."""
