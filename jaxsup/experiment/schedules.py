"""How a learning rate changes along a run."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import optax

from jaxsup._internal.validation import Scalar, check_number, check_positive_integer, fail
from jaxsup.experiment.configuration import Configuration


class WarmupCosine(Configuration):
    """Learning-rate factor: linear from 0 to 1 in `warmup` steps, then a cosine to `final`.

    Arguments:
        warmup: number of steps >= 1 of the linear rise.
        final: factor >= 0 at the last step.

    Raises:
        ValueError: an argument is outside of its range.

    Reference: optax.schedules.warmup_cosine_decay_schedule.
    """

    section: ClassVar[str] = "optimizer.schedule"
    kind: ClassVar[str] = "warmup-cosine"
    warmup: int = eqx.field(static=True)
    final: Scalar = 0.0

    def __check_init__(self) -> None:
        check_positive_integer("optimizer.schedule.warmup", self.warmup, "give a number of steps")
        check_number("optimizer.schedule.final", self.final, "give the last factor", low=0)

    def learning_rate(self, peak: Scalar, steps: int) -> optax.Schedule:
        """The learning rate as a function of the number of updates made."""
        factor = optax.schedules.warmup_cosine_decay_schedule(
            init_value=0.0,
            peak_value=1.0,
            warmup_steps=self.warmup,
            decay_steps=steps,
            end_value=self.final,  # pyright: ignore[reportArgumentType]
        )
        dtype = jnp.result_type(float)
        return lambda count: peak * factor(jnp.asarray(count, dtype))  # pyright: ignore[reportReturnType]


def check_schedule(schedule: object) -> None:
    """Check that `schedule` is one, or None.

    Raises:
        ValueError: it is something else.
    """
    if schedule is not None and not isinstance(schedule, WarmupCosine):
        advice = "write jaxsup.WarmupCosine(warmup=100)"
        raise fail("optimizer.schedule", "a WarmupCosine", schedule, advice)
