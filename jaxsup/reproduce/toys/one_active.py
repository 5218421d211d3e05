"""Autoencoders on one active feature, trained on the closed-form loss.

Reference: "Spectral Superposition: A Theory of Feature Geometry", arXiv 2602.02224.
"""

from collections.abc import Sequence

from jaxsup._internal.validation import fail
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.features import OneActiveFeatures
from jaxsup.experiment.optimizers import Adam
from jaxsup.experiment.record import Record
from jaxsup.experiment.schedules import WarmupCosine
from jaxsup.experiment.students import Student
from jaxsup.experiment.teachers import DiagonalTeacher
from jaxsup.reproduce.toys.data import last_kept
from jaxsup.sweep.grid import Sweep


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
        record=last_kept(steps) if record is None else record,
        reduction="sum",
    )
    counts, latents = zip(*sizes, strict=True)
    network = {"features.count": list(counts), "student.latent": list(latents)}
    return Sweep(experiment, {"network": network}, seeds)
