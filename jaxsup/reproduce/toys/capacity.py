"""The sweeps of "Spectral Superposition": autoencoders over width and sparsity.

h = W x, x' = relu(W^T h + c); W starts as normals of variance 2 / (N + K) (Xavier), c at -0.1; the
loss is the plain squared error, averaged over samples and features. A feature is 0 with probability
S, its sparsity, and else uniform on [0, 1]. Adam at 1e-3, constant, without decay; fresh batches.

Reference: arXiv 2602.02224 and its public repository.
"""

from collections.abc import Iterable, Sequence
from math import sqrt

import numpy as np

from jaxsup._internal.validation import check_positive_integer, fail
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.features import AbstractFeatures, SparseFeatures
from jaxsup.experiment.optimizers import Adam
from jaxsup.experiment.record import Record
from jaxsup.experiment.students import Student
from jaxsup.experiment.teachers import DiagonalTeacher
from jaxsup.reproduce.toys.data import sparse_features
from jaxsup.sweep.grid import Sweep

PUBLISHED_STEPS = 25_000
OBSERVABLES = (
    "rank",
    "saturation",
    "slack",
    "eigenvalue_spread",
    "largest_projection",
    "localization",
    "eigenspaces",
    "entropy",
    "binned_entropy",
    "linear_law",
)
"""What is recorded along training."""


def capacity_sweep(
    *,
    features: int = 1024,
    latents: Sequence[int] | None = None,
    sparsities: Sequence[float] | None = None,
    steps: int = PUBLISHED_STEPS,
    batch_size: int = 1024,
    learning_rate: float = 1e-3,
    seeds: int | Sequence[int] = 2,
    record: Record | None = None,
) -> Sweep:
    """All features equally sparse: 32 widths x 50 sparsities x 2 seeds, 3,200 networks.

    Arguments:
        features: N.
        latents: widths K, on the joint axis ``"width"``; default: 32 of them from N/64 to N/2,
            fewer where N is below 64.
        sparsities: S in [0, 1), as densities 1 - S on the axis ``"features.density"``; default: 50
            from 0 to 0.99.
        steps: updates.
        batch_size: samples an update.
        learning_rate: of Adam.
        seeds: as `jaxsup.Sweep` takes them.
        record: what to record; default: the published 56 steps, or as many shares of `steps`, with
            `OBSERVABLES` and the last parameters.

    Raises:
        ValueError: an argument is outside of its range.
    """
    check_positive_integer("features", features, "give the number of features N")
    # Of evenly spaced shares of N the whole part is taken, as published.
    even = np.linspace(features / 64, features / 2, 32).astype(int)
    widths = np.unique(even[even > 0]).tolist() if latents is None else list(latents)
    if not widths:
        raise fail("latents", "at least one width K", widths, "give one")
    densities = _densities(np.linspace(0.0, 0.99, 50) if sparsities is None else sparsities)
    law = sparse_features(features, densities[0])
    experiment = _experiment(widths[0], law, steps, batch_size, learning_rate, record)
    scales = [_xavier(features, width) for width in widths]
    axes = {
        "width": {"student.latent": widths, "student.embedding_scale": scales},
        "features.density": densities,
    }
    return Sweep(experiment, axes, seeds)


def graded_sparsity_sweep(
    *,
    features: int = 1024,
    latent: int = 256,
    steps: int = PUBLISHED_STEPS,
    batch_size: int = 1024,
    learning_rate: float = 1e-3,
    seeds: int | Sequence[int] = 512,
    record: Record | None = None,
) -> Sweep:
    """Every feature has a sparsity of its own, S_i = i / N for i = 0..N-1: 512 starts.

    Arguments:
        features, latent: N and K.
        steps, batch_size, learning_rate, seeds, record: as `capacity_sweep` takes them.

    Raises:
        ValueError: an argument is outside of its range.
    """
    check_positive_integer("features", features, "give the number of features N")
    law = SparseFeatures(1.0 - np.arange(features) / features)
    experiment = _experiment(latent, law, steps, batch_size, learning_rate, record)
    return Sweep(experiment, {}, seeds)


def binned_sparsity_sweep(
    *,
    features: int = 1024,
    latent: int = 256,
    bins: Sequence[int] = (5, 6, 7, 8, 9),
    steps: int = PUBLISHED_STEPS,
    batch_size: int = 1024,
    learning_rate: float = 1e-3,
    seeds: int | Sequence[int] = 2,
    record: Record | None = None,
) -> Sweep:
    """Features in bins of one sparsity each, evenly from 0.1 to 0.9.

    Arguments:
        features, latent: N and K.
        bins: numbers of bins, at least 2 each, on the axis ``"features.probabilities"`` as 1 - S of
            all features; bins are as equal in size as N allows.
        steps, batch_size, learning_rate, seeds, record: as `capacity_sweep` takes them.

    Raises:
        ValueError: an argument is outside of its range.
    """
    check_positive_integer("features", features, "give the number of features N")
    if not len(bins):
        raise fail("bins", "at least one number of bins", list(bins), "give one")
    for count in bins:
        check_positive_integer("bins", count, "give numbers of bins", most=features)
        if count < 2:
            raise fail("bins", "at least 2 bins", count, "use capacity_sweep for one sparsity")
    places = np.arange(features)
    active = [1.0 - np.linspace(0.1, 0.9, n)[places * n // features] for n in bins]
    law = SparseFeatures(active[0])
    experiment = _experiment(latent, law, steps, batch_size, learning_rate, record)
    return Sweep(experiment, {"features.probabilities": active}, seeds)


def published_record(steps: int) -> Record:
    """The 56 published steps as shares of `steps`, `OBSERVABLES`, and the last parameters.

    Of 25,000 updates: every 200 to 4,800, every 500 to 14,500, every 1,000 to the end.
    """
    published = [*range(0, 5000, 200), *range(5000, 15_000, 500), *range(15_000, 25_001, 1000)]
    shares = np.rint(np.asarray(published) * (steps / PUBLISHED_STEPS)).astype(int)
    return Record(
        steps=np.unique(shares).tolist(),
        observables=OBSERVABLES,
        parameter_steps=(steps,),
        evaluation_samples=4096,
    )


def _experiment(
    latent: int,
    law: AbstractFeatures,
    steps: int,
    batch_size: int,
    learning_rate: float,
    record: Record | None,
) -> Experiment:
    check_positive_integer("latent", latent, "give the width K")
    check_positive_integer("steps", steps, "give the number of updates")
    scale = _xavier(law.count, latent)
    return Experiment(
        law,
        DiagonalTeacher(0.0),
        Student(latent, "learned", core=False, embedding_scale=scale, bias_mean=-0.1),
        Adam(learning_rate),
        batch_size=batch_size,
        steps=steps,
        record=published_record(steps) if record is None else record,
        reduction="mean",
    )


def _xavier(features: int, latent: int) -> float:
    return sqrt(2.0 / (features + latent))


def _densities(sparsities: Iterable[float]) -> list[float]:
    shares = [float(sparsity) for sparsity in sparsities]
    if not shares or min(shares) < 0 or max(shares) >= 1:
        raise fail("sparsities", "numbers in [0, 1)", shares, "give such numbers")
    return [1.0 - share for share in shares]
