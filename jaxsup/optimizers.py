"""Optimisers by name, built from optax inside the traced function, hyper-parameters traceable.

Every default that the field's tools disagree on is stated here, none is inherited.
"""

import abc
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from jaxsup.validation import Scalar, check_number, check_positive_integer


class WarmupCosine(eqx.Module):
    """Learning-rate factor: linear from 0 to 1 in `warmup` steps, then a cosine to `final`.

    Arguments:
        warmup: number of steps >= 1 of the linear rise.
        final: factor >= 0 at the last step.

    Raises:
        ValueError: an argument is outside of its range.

    Reference: optax.schedules.warmup_cosine_decay_schedule.
    """

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


class AbstractOptimizer(eqx.Module):
    """An optax transformation by name. ``schedule=None`` keeps the learning rate constant."""

    kind: ClassVar[str]

    @abc.abstractmethod
    def plain_transformation(self, steps: int) -> optax.GradientTransformation:
        """The optax transformation, under JAX's standard promotion of dtypes."""

    def transformation(self, steps: int) -> optax.GradientTransformation:
        """The optax transformation for a run of `steps` updates, under any promotion of dtypes.

        optax raises a decay to an integer power, which strict promotion refuses if it is traced.
        """
        plain = self.plain_transformation(steps)

        def update(
            updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
        ) -> tuple[optax.Updates, optax.OptState]:
            with jax.numpy_dtype_promotion("standard"):
                return plain.update(updates, state, params)

        return optax.GradientTransformation(plain.init, update)

    @property
    def warmup(self) -> int:
        """Steps of warm-up; 0 without a schedule."""
        schedule = getattr(self, "schedule", None)
        return 0 if schedule is None else schedule.warmup


def _rate(
    learning_rate: Scalar, schedule: WarmupCosine | None, steps: int
) -> optax.ScalarOrSchedule:
    """The learning rate as optax takes it."""
    if schedule is None:
        return learning_rate  # pyright: ignore[reportReturnType]
    return schedule.learning_rate(learning_rate, steps)


def _check_rate(rate: Scalar) -> None:
    check_number("optimizer.learning_rate", rate, "give a step size >= 0", low=0)


def _check_decays(b1: Scalar, b2: Scalar, eps: Scalar) -> None:
    for name, value in (("b1", b1), ("b2", b2)):
        advice = "give the decay of a running mean"
        check_number(f"optimizer.{name}", value, advice, low=0, high=1, high_open=True)
    check_number("optimizer.eps", eps, "give a small positive number", low=0)


class SGD(AbstractOptimizer):
    """Gradient descent, theta <- theta - eta v with v <- momentum v + g.

    A momentum of 0 that is known when the object is made keeps no velocity (``momentum`` reads
    None); a traced or positive one does.

    Arguments:
        learning_rate: eta >= 0.
        momentum: in [0, 1).
        schedule: factor on the learning rate.

    Raises:
        ValueError: an argument is outside of its range.
    """

    kind: ClassVar[str] = "sgd"
    learning_rate: Scalar
    momentum: Scalar | None
    schedule: WarmupCosine | None

    def __init__(
        self,
        learning_rate: Scalar,
        momentum: Scalar | None = 0.0,
        schedule: WarmupCosine | None = None,
    ) -> None:
        self.learning_rate = learning_rate
        none = momentum is None or (isinstance(momentum, int | float) and momentum == 0)
        self.momentum = None if none else momentum
        self.schedule = schedule

    def __check_init__(self) -> None:
        _check_rate(self.learning_rate)
        if self.momentum is not None:
            advice = "give the decay of the velocity"
            check_number("optimizer.momentum", self.momentum, advice, low=0, high=1, high_open=True)

    def plain_transformation(self, steps: int) -> optax.GradientTransformation:
        """optax.sgd."""
        return optax.sgd(_rate(self.learning_rate, self.schedule, steps), momentum=self.momentum)  # pyright: ignore[reportArgumentType]


class Adam(AbstractOptimizer):
    """Adam (Kingma & Ba 2015) with bias correction and eps outside of the root.

    Arguments:
        learning_rate: eta >= 0.
        b1, b2: decays of the running means of g and g^2, in [0, 1).
        eps: >= 0.
        schedule: factor on the learning rate.

    Raises:
        ValueError: an argument is outside of its range.
    """

    kind: ClassVar[str] = "adam"
    learning_rate: Scalar
    b1: Scalar = 0.9
    b2: Scalar = 0.999
    eps: Scalar = 1e-8
    schedule: WarmupCosine | None = None

    def __check_init__(self) -> None:
        _check_rate(self.learning_rate)
        _check_decays(self.b1, self.b2, self.eps)

    def plain_transformation(self, steps: int) -> optax.GradientTransformation:
        """optax.adam."""
        return optax.adam(
            _rate(self.learning_rate, self.schedule, steps), b1=self.b1, b2=self.b2, eps=self.eps
        )  # pyright: ignore[reportArgumentType]


class AdamW(AbstractOptimizer):
    """Adam with decoupled weight decay: theta <- theta - eta (adam step + weight_decay theta).

    The decay acts on every learned array, the bias too, as PyTorch's does. It has no default:
    optax's is 1e-4 and PyTorch's 1e-2.

    Arguments:
        learning_rate: eta >= 0.
        weight_decay: >= 0.
        b1, b2: decays of the running means of g and g^2, in [0, 1).
        eps: >= 0.
        schedule: factor on the learning rate.

    Raises:
        ValueError: an argument is outside of its range.

    Reference: Loshchilov & Hutter, arXiv 1711.05101.
    """

    kind: ClassVar[str] = "adamw"
    learning_rate: Scalar
    weight_decay: Scalar
    b1: Scalar = 0.9
    b2: Scalar = 0.999
    eps: Scalar = 1e-8
    schedule: WarmupCosine | None = None

    def __check_init__(self) -> None:
        _check_rate(self.learning_rate)
        _check_decays(self.b1, self.b2, self.eps)
        check_number("optimizer.weight_decay", self.weight_decay, "give the decay", low=0)

    def plain_transformation(self, steps: int) -> optax.GradientTransformation:
        """optax.adamw."""
        return optax.adamw(
            _rate(self.learning_rate, self.schedule, steps),  # pyright: ignore[reportArgumentType]
            b1=self.b1,  # pyright: ignore[reportArgumentType]
            b2=self.b2,  # pyright: ignore[reportArgumentType]
            eps=self.eps,  # pyright: ignore[reportArgumentType]
            weight_decay=self.weight_decay,  # pyright: ignore[reportArgumentType]
        )
