"""Toy models of superposition as sweeps: ReLU autoencoders relu(W^T W x + c) in published settings.

Every preset is a function that returns a `Sweep`; all sizes are arguments, so that a laptop can
run a small version. The kept parameters of the last step hold the trained weights.

Features are active independently with probability p and then uniform on [0, 1]; the loss is the
importance-weighted squared error averaged over samples and features, (1/N) sum_i r^(i-1) e_i.

`width_scaling` alone has other data: frequencies that fall as a power law, values on [0, 2].

References: Elhage et al., "Toy Models of Superposition", arXiv 2209.10652, and its public notebook;
"Spectral Superposition: A Theory of Feature Geometry", arXiv 2602.02224, for the closed-form loss;
Liu, Liu, Gore, "Superposition yields robust neural scaling", arXiv 2505.10465, with its scripts.
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from jaxtyping import Float

from jaxsup._internal.validation import check_positive_integer, fail
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.features import OneActiveFeatures, PowerLawFeatures
from jaxsup.experiment.optimizers import Adam, AdamW, NormAdamW
from jaxsup.experiment.record import Record
from jaxsup.experiment.schedules import WarmupCosine
from jaxsup.experiment.students import Student
from jaxsup.experiment.teachers import DiagonalTeacher
from jaxsup.experiment.transformations import AbstractOptimizer
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
    """
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
        _sparse(features, float(densities[0])),
        DiagonalTeacher(0.0),
        Student(latent, "learned", core=False, embedding_scale=scale),
        optimizer,
        batch_size=batch_size,
        steps=steps,
        record=_last_kept(steps) if record is None else record,
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
        _sparse(2, float(densities[0])),
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


def one_active(
    *,
    sizes: Sequence[tuple[int, int]] = ((5, 2),),
    steps: int = 4000,
    learning_rate: float = 1e-2,
    seeds: int | Sequence[int] = 100,
    record: Record | None = None,
) -> Sweep:
    """Autoencoders on one active feature, by the exact gradient of the closed-form loss.

    The limit of sparse data, without any noise: runs end at the bottom of the basin in which they
    started, at one of a few discrete losses. The loss is (1/N) sum_ij T_ij, summed over outputs
    and averaged over the active feature (`jaxsup.theory.one_sparse_loss`): 0.01582563 for the
    regular pentagon.

    Arguments:
        sizes: pairs (N, K), on the joint axis ``"network"``.
        steps: updates of Adam, the rate falling to zero along a cosine.
        learning_rate: after a warm-up of a twentieth of the steps.
        seeds: starts; entries of W start as normals of standard deviation 1/2.
        record: what to record; default: 32 log-spaced steps, and the last parameters.

    Raises:
        ValueError: an argument is outside of its range.
    """
    if not len(sizes):
        raise fail("sizes", "at least one pair (N, K)", list(sizes), "give one")
    experiment = Experiment(
        OneActiveFeatures(sizes[0][0]),
        DiagonalTeacher(0.0),
        Student(sizes[0][1], "learned", core=False, embedding_scale=0.5),
        Adam(learning_rate, schedule=WarmupCosine(max(1, steps // 20))),
        steps=steps,
        gradient="exact",
        record=_last_kept(steps) if record is None else record,
        reduction="sum",
    )
    counts, latents = zip(*sizes, strict=True)
    network = {"features.count": list(counts), "student.latent": list(latents)}
    return Sweep(experiment, {"network": network}, seeds)


def width_scaling(
    *,
    features: int = 1000,
    latents: Sequence[int] = (10, 15, 25, 39, 63, 100),
    decays: Sequence[float] | None = None,
    exponents: Sequence[float] | None = None,
    steps: int = 20_000,
    batch_size: int = 2048,
    learning_rate: float = 1e-2,
    seeds: int | Sequence[int] = 1,
    record: Record | None = None,
) -> Sweep:
    """Loss against width, from weak to strong superposition by the sign of the decay.

    relu(W^T W x + c) with x_i = u_i v_i, v_i uniform on [0, 2], p_i ~ i^-a with sum 1; the loss is
    averaged over samples and features. W starts as normals of variance 1/K, the bias as standard
    normals; `NormAdamW`, whose rate rises over a tenth of the steps and falls to 5% along a cosine.

    Arguments:
        features: N.
        latents: widths K, on the joint axis ``"width"``.
        decays: weight decays on the axis ``"optimizer.weight_decay"``, positive ones for weak
            superposition, negative ones for strong; default: 10 from -1 to 1.
        exponents: a on the axis ``"features.exponent"``; default: 9 from 1 to 2.
        steps: updates.
        batch_size: samples an update.
        learning_rate: largest rate of the schedule.
        seeds: as `jaxsup.Sweep` takes them.
        record: what to record; default: 12 log-spaced steps, the loss from 65,536 samples, and the
            last parameters.

    Raises:
        ValueError: an argument is outside of its range.

    Reference: arXiv 2505.10465, experiment 10 of its scripts.
    """
    if not len(latents):
        raise fail("latents", "at least one width K", list(latents), "give one")
    decays = np.linspace(-1, 1, 10).tolist() if decays is None else list(decays)
    exponents = np.linspace(1, 2, 9).tolist() if exponents is None else list(exponents)
    default = Record(points=12, parameter_steps=(steps,), evaluation_samples=65_536)
    scales = [latent**-0.5 for latent in latents]
    schedule = WarmupCosine(max(1, steps // 10), final=0.05)
    experiment = Experiment(
        PowerLawFeatures(features, 1.0),
        DiagonalTeacher(0.0),
        Student(latents[0], "learned", core=False, bias_scale=1.0, embedding_scale=scales[0]),
        NormAdamW(learning_rate, weight_decay=0.0, schedule=schedule),
        batch_size=batch_size,
        steps=steps,
        record=default if record is None else record,
        reduction="mean",
    )
    axes = {
        "optimizer.weight_decay": decays,
        "features.exponent": exponents,
        "width": {"student.latent": list(latents), "student.embedding_scale": scales},
    }
    return Sweep(experiment, axes, seeds)


def _sparse(count: int, density: float) -> PowerLawFeatures:
    """Features that are active with the same probability, uniform on [0, 1]."""
    return PowerLawFeatures(count, 0.0, density=density, values="unit", normalize=False)


def _last_kept(steps: int) -> Record:
    return Record(points=32, parameter_steps=(steps,), evaluation_samples=4096)
