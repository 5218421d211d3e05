"""The toy models of Elhage et al.: the introduction, the geometry, two features in one dimension.

Reference: "Toy Models of Superposition", arXiv 2209.10652, and its public notebook.
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from jaxtyping import Float

from jaxsup._internal.validation import check_positive_integer, fail
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.optimizers import Adam, AdamW
from jaxsup.experiment.record import Record
from jaxsup.experiment.schedules import WarmupCosine
from jaxsup.experiment.students import Student
from jaxsup.experiment.teachers import DiagonalTeacher
from jaxsup.experiment.transformations import AbstractOptimizer
from jaxsup.reproduce.toys.data import last_kept, sparse_features
from jaxsup.sweep.grid import Sweep

PUBLISHED_OPTIMIZER = AdamW(1e-3, weight_decay=1e-2)
"""Constant rate; PyTorch's default decay, which acts on W and c."""


def instance_densities(instances: int) -> Float[np.ndarray, " instances"]:
    """p = 20^-u for u evenly from 0 to 1: from dense (1) to sparse (1/20).

    Arguments:
        instances: number of densities, at least 1.

    Raises:
        ValueError: fewer than one instance.

    >>> instance_densities(3).round(4).tolist()
    [1.0, 0.2236, 0.05]
    """
    check_positive_integer("instances", instances, "give the number of densities")
    return 20.0 ** -np.linspace(0.0, 1.0, instances)


def notebook_scale(features: int, latent: int, instances: int) -> float:
    """Standard deviation of the notebook's start, sqrt(2 / (K (N + instances))).

    Its Xavier initialization takes the fans over all instances that are trained side by side.

    Arguments:
        features, latent, instances: N, K and the number of densities.

    Raises:
        ValueError: one is no positive integer.
    """
    check_positive_integer("features", features, "give the number of features N")
    check_positive_integer("latent", latent, "give the width K")
    check_positive_integer("instances", instances, "give the number of densities")
    return sqrt(2.0 / (latent * (features + instances)))


def elhage_introduction(
    *,
    features: int = 5,
    latent: int = 2,
    instances: int = 10,
    importance: float = 0.9,
    optimizer: AbstractOptimizer = PUBLISHED_OPTIMIZER,
    steps: int = 10_000,
    batch_size: int = 1024,
    seeds: int | Sequence[int] = 1,
    record: Record | None = None,
) -> Sweep:
    """The notebook's introduction: five features of falling importance in the plane.

    AdamW at 1e-3 with decay 1e-2, batches of 1,024, 10,000 steps, zero bias start,
    importance 0.9^(i-1), density p on the axis ``"features.density"``: see `instance_densities`.

    Arguments:
        features: N.
        latent: K.
        instances: number of densities.
        importance: importance of a feature relative to the one before it.
        optimizer: default: the published one.
        steps: updates.
        batch_size: samples an update.
        seeds: as `jaxsup.Sweep` takes them.
        record: what to record; default: 32 log-spaced steps, and the last parameters.

    Raises:
        ValueError: an argument is outside of its range.
    """
    densities = instance_densities(instances)
    scale = notebook_scale(features, latent, instances)
    experiment = Experiment(
        sparse_features(features, float(densities[0])),
        DiagonalTeacher(0.0),
        Student(latent, "learned", core=False, embedding_scale=scale),
        optimizer,
        batch_size=batch_size,
        steps=steps,
        record=last_kept(steps) if record is None else record,
        reduction="mean",
        importance=importance,
    )
    return Sweep(experiment, {"features.density": densities.tolist()}, seeds)


def elhage_geometry(
    *,
    features: int = 200,
    latent: int = 20,
    instances: int = 20,
    optimizer: AbstractOptimizer = PUBLISHED_OPTIMIZER,
    steps: int = 10_000,
    batch_size: int = 1024,
    seeds: int | Sequence[int] = 1,
    record: Record | None = None,
) -> Sweep:
    """The notebook's geometry section: 200 features of equal importance in 20 dimensions.

    The paper's own figure used 400 features and 30 dimensions.

    Arguments:
        features, latent, instances: N, K and the number of densities.
        optimizer, steps, batch_size, seeds, record: as `elhage_introduction` takes them.

    Raises:
        ValueError: an argument is outside of its range.
    """
    return elhage_introduction(
        features=features,
        latent=latent,
        instances=instances,
        importance=1.0,
        optimizer=optimizer,
        steps=steps,
        batch_size=batch_size,
        seeds=seeds,
        record=record,
    )


def two_feature_phases(
    *,
    densities: Sequence[float],
    importances: Sequence[float],
    steps: int = 6000,
    batch_size: int = 64,
    learning_rate: float = 1e-2,
    seeds: int | Sequence[int] = 4,
    record: Record | None = None,
) -> Sweep:
    """Two features in one dimension, over relative importance r and density p (both axes).

    Adam without decay, the rate falling to zero along a cosine; entries of W start as standard
    normals, so that the signs of the two features differ in half of the seeds.

    Arguments:
        densities: p, in (0, 1].
        importances: r > 0 of the second feature; the first has 1.
        steps: updates.
        batch_size: samples an update.
        learning_rate: of the first step.
        seeds: starts; a single one may be caught in the wrong arrangement, so take the best.
        record: what to record; default: 8 log-spaced steps with a rough estimate of the loss, and
            the last parameters, whose exact loss is `theory.two_features.two_feature_errors`.

    Raises:
        ValueError: an argument is outside of its range.
    """
    if not len(densities) or max(densities) > 1:
        raise fail("densities", "probabilities in (0, 1]", list(densities), "give such numbers")
    rough = Record(points=8, parameter_steps=(steps,), evaluation_samples=256)
    experiment = Experiment(
        sparse_features(2, float(densities[0])),
        DiagonalTeacher(0.0),
        Student(1, "learned", core=False, embedding_scale=1.0),
        Adam(learning_rate, schedule=WarmupCosine(1)),
        batch_size=batch_size,
        steps=steps,
        record=rough if record is None else record,
        reduction="mean",
    )
    axes = {"importance": list(importances), "features.density": list(densities)}
    return Sweep(experiment, axes, seeds)
