"""Loss against width on power-law data, from weak to strong superposition.

Reference: Liu, Liu, Gore, "Superposition yields robust neural scaling", arXiv 2505.10465.
"""

from collections.abc import Sequence

import numpy as np

from jaxsup._internal.validation import check_positive_integer, fail
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.features import PowerLawFeatures
from jaxsup.experiment.optimizers import NormAdamW
from jaxsup.experiment.record import Record
from jaxsup.experiment.schedules import WarmupCosine
from jaxsup.experiment.students import Student
from jaxsup.experiment.teachers import DiagonalTeacher
from jaxsup.sweep.grid import Sweep


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
    for latent in latents:
        check_positive_integer("latents", latent, "give widths K")
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
