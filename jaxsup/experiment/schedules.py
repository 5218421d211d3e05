"""How learning rates change along a run: factors on the rates of an optimizer.

A run makes updates t = 0, 1, ..., T - 1. Those of the package begin with a warm-up, which rises
linearly from 0 to 1 in `warmup` updates, and are functions of what comes after it. Their numbers
may be traced: an axis ``"optimizer.schedule.warmup"`` scans them in one program.
"""

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from jaxsup._internal.validation import Scalar, check_number, fail, is_traced
from jaxsup.experiment.configuration import Configuration

_Count = Float[Array, ""]


class AbstractSchedule(Configuration):
    """A factor on learning rates. A class of one's own gives `factor`.

    Attributes:
        kind: name in a TOML file; needed by the package's own schedules only.
    """

    section: ClassVar[str] = "optimizer.schedule"
    kind: ClassVar[str]

    @abc.abstractmethod
    def factor(self, count: _Count, steps: int) -> Float[Array, ""]:
        """The factor on the rates of an update.

        Arguments:
            count: updates made before it, t.
            steps: updates of the run, T.
        """

    def learning_rate(self, peak: Scalar, steps: int) -> optax.Schedule:
        """The learning rate, `peak` times the factor, as a function of the updates made."""
        dtype = jnp.result_type(float)
        return lambda count: peak * self.factor(jnp.asarray(count, dtype), steps)  # pyright: ignore[reportReturnType]

    def check_steps(self, steps: int) -> None:
        """Check that a run of `steps` updates is long enough.

        Raises:
            ValueError: it is too short.
        """
        del steps


class AbstractWarmupSchedule(AbstractSchedule):
    """min(1, t / w) during the warm-up, then a factor of the updates since.

    Attributes:
        warmup: w >= 0.
    """

    warmup: eqx.AbstractVar[Scalar]

    @abc.abstractmethod
    def decay(self, count: _Count, steps: Float[Array, ""]) -> Float[Array, ""]:
        """The factor `count` updates after the warm-up, `steps` before the end of the run."""

    def factor(self, count: _Count, steps: int) -> Float[Array, ""]:
        """The factor on the rates after `count` updates of `steps`."""
        warmup = jnp.asarray(self.warmup, count.dtype)
        rising = count < warmup
        rise = count / jnp.where(rising, warmup, 1)
        return jnp.where(rising, rise, self.decay(jnp.maximum(count - warmup, 0), steps - warmup))

    def check_steps(self, steps: int) -> None:
        """Check that the warm-up ends before the run.

        Raises:
            ValueError: it does not.
        """
        if not is_traced(self.warmup) and np.max(self.warmup) >= steps:
            name, expected = "optimizer.schedule.warmup", f"less than steps = {steps}"
            raise fail(name, expected, self.warmup, "shorten the warm-up or train for longer")

    def __check_init__(self) -> None:
        name, advice = "optimizer.schedule.warmup", "give a number of steps"
        check_number(name, self.warmup, advice, low=0)


class ConstantSchedule(AbstractWarmupSchedule):
    """Learning-rate factor: linear from 0 to 1 in `warmup` steps, then 1.

    Arguments:
        warmup: number of steps >= 0 of the linear rise.

    Raises:
        ValueError: an argument is outside of its range.

    Reference: optax.schedules.linear_schedule.
    """

    kind: ClassVar[str] = "constant"
    warmup: Scalar = eqx.field(default=0.0, kw_only=True)

    def decay(self, count: _Count, steps: Float[Array, ""]) -> Float[Array, ""]:
        """1."""
        del steps
        return jnp.ones_like(count)


class StepSchedule(AbstractWarmupSchedule):
    """Learning-rate factor: linear rise, then times `ratio` after every `every` steps.

    `ratio` ^ floor((t - warmup) / every).

    Arguments:
        every: steps > 0 between two changes.
        ratio: factor >= 0 of each change.
        warmup: number of steps >= 0 of the linear rise.

    Raises:
        ValueError: an argument is outside of its range.

    Reference: optax.schedules.exponential_decay with staircase=True.
    """

    kind: ClassVar[str] = "step"
    every: Scalar
    ratio: Scalar = 0.1
    warmup: Scalar = eqx.field(default=0.0, kw_only=True)

    def __check_init__(self) -> None:
        # equinox runs the checks of every class above as well.
        name, advice = "optimizer.schedule.every", "give a number of steps"
        check_number(name, self.every, advice, low=0, low_open=True)
        check_number("optimizer.schedule.ratio", self.ratio, "give a factor", low=0)

    def decay(self, count: _Count, steps: Float[Array, ""]) -> Float[Array, ""]:
        """The ratio to the power of the changes so far."""
        del steps
        every, ratio = (jnp.asarray(x, count.dtype) for x in (self.every, self.ratio))
        # Half a step later: a quotient of whole numbers is never rounded below its floor.
        return ratio ** jnp.floor((count + 0.5) / every)


class LinearSchedule(AbstractWarmupSchedule):
    """Learning-rate factor: linear from 0 to 1 in `warmup` steps, then linear to `final`.

    Arguments:
        final: factor >= 0 that the rate falls to: that of an update T, one after the last.
        warmup: number of steps >= 0 of the linear rise.

    Raises:
        ValueError: an argument is outside of its range.

    Reference: optax.schedules.warmup_constant_schedule and linear_schedule, joined.
    """

    kind: ClassVar[str] = "linear"
    final: Scalar = 0.0
    warmup: Scalar = eqx.field(default=0.0, kw_only=True)

    def __check_init__(self) -> None:
        # equinox runs the checks of every class above as well.
        check_number("optimizer.schedule.final", self.final, "give the last factor", low=0)

    def decay(self, count: _Count, steps: Float[Array, ""]) -> Float[Array, ""]:
        """1 + (final - 1) s, s the share of the steps after the warm-up that are over."""
        final = jnp.asarray(self.final, count.dtype)
        return 1 + (final - 1) * jnp.minimum(count / steps, 1)


class WarmupCosine(AbstractWarmupSchedule):
    """Learning-rate factor: linear from 0 to 1 in `warmup` steps, then a cosine to `final`.

    Arguments:
        warmup: number of steps >= 0 of the linear rise.
        final: factor >= 0 that the rate falls to: that of an update T, one after the last.

    Raises:
        ValueError: an argument is outside of its range.

    Reference: optax.schedules.warmup_cosine_decay_schedule.
    """

    kind: ClassVar[str] = "warmup-cosine"
    warmup: Scalar
    final: Scalar = 0.0

    def __check_init__(self) -> None:
        # equinox runs the checks of every class above as well.
        check_number("optimizer.schedule.final", self.final, "give the last factor", low=0)

    def decay(self, count: _Count, steps: Float[Array, ""]) -> Float[Array, ""]:
        """final + (1 - final) (1 + cos(pi s)) / 2, s the share of those after the warm-up."""
        final = jnp.asarray(self.final, count.dtype)
        return final + (1 - final) * 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(count / steps, 1)))


class InverseRootSchedule(AbstractWarmupSchedule):
    """Learning-rate factor: linear rise, then (1 + (t - warmup) / timescale)^(-1/2).

    With a timescale equal to the warm-up w it is that of the transformer, min(t / w, (w / t)^1/2).

    Arguments:
        timescale: steps > 0 after which the rate has fallen to 0.707.
        warmup: number of steps >= 0 of the linear rise.

    Raises:
        ValueError: an argument is outside of its range.

    Reference: Vaswani et al., arXiv 1706.03762, eq. 3; Zhai et al., arXiv 2106.04560 (timescale).
    """

    kind: ClassVar[str] = "inverse-root"
    timescale: Scalar
    warmup: Scalar = eqx.field(default=0.0, kw_only=True)

    def __check_init__(self) -> None:
        # equinox runs the checks of every class above as well.
        name, advice = "optimizer.schedule.timescale", "give a number of steps"
        check_number(name, self.timescale, advice, low=0, low_open=True)

    def decay(self, count: _Count, steps: Float[Array, ""]) -> Float[Array, ""]:
        """One over the square root of 1 + count / timescale."""
        del steps
        return jax.lax.rsqrt(1 + count / jnp.asarray(self.timescale, count.dtype))


class OptaxSchedule(AbstractSchedule):
    """Any schedule of optax, or function of the updates made, as it is.

    ``SGD(1.0, schedule=optax.cosine_decay_schedule(0.1, 100))``: what it gives is a factor on the
    learning rate, so that a schedule of rates goes with a learning rate of 1. Its numbers are part
    of the program: they cannot be scanned.

    Arguments:
        function: from the updates made, a whole number, to a number. It is traced by JAX.

    Raises:
        ValueError: it gives something else.
    """

    kind: ClassVar[str] = "optax"
    function: Callable[[Any], Any] = eqx.field(static=True)

    def __check_init__(self) -> None:
        advice = "pass a function of a whole number that jax can trace, which gives one number"
        expected, name = "a function from the updates made to a factor", self.section
        try:
            shape = jax.eval_shape(self._call, jax.ShapeDtypeStruct((), jnp.int32))
        except Exception as error:  # whatever a foreign function raises
            reason = " ".join(str(error).split())
            raise fail(name, expected, f"one with {reason}", advice, described=True) from None
        if getattr(shape, "shape", None) != () or not jnp.issubdtype(shape.dtype, jnp.number):
            raise fail(name, expected, f"one that gives {shape}", advice, described=True)

    def factor(self, count: _Count, steps: int) -> Float[Array, ""]:
        """What the function gives."""
        del steps
        return jnp.asarray(self._call(count.astype(jnp.int32)), count.dtype)

    def _call(self, count: Any) -> Any:
        with jax.numpy_dtype_promotion("standard"):
            value = self.function(count)
        return value if isinstance(value, eqx.Module) else jnp.asarray(value)


SCHEDULES = (ConstantSchedule, WarmupCosine, StepSchedule, LinearSchedule, InverseRootSchedule)
"""The schedules that TOML knows."""


def as_schedule(
    value: AbstractSchedule | Callable[[Any], Any] | None,
) -> AbstractSchedule | None:
    """A schedule as it is, None as None, or a function as one.

    Raises:
        ValueError: it is neither.
    """
    if value is None or isinstance(value, AbstractSchedule):
        return value
    if not callable(value) or isinstance(value, type):
        advice = "write jaxsup.WarmupCosine(warmup=100), or pass a schedule of optax"
        raise fail("optimizer.schedule", "a schedule", value, advice)
    return OptaxSchedule(value)
