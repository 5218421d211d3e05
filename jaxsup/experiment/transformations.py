"""What an optimizer is: an optax transformation built inside the traced function.

The package's own (`jaxsup.experiment.optimizers`) have hyper-parameters that may be traced; any
transformation of optax can be passed as it is.
"""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from jaxsup._internal.validation import Scalar, check_number, fail
from jaxsup.experiment.configuration import Configuration
from jaxsup.experiment.schedules import AbstractSchedule


class AbstractOptimizer(Configuration):
    """What turns gradients into updates. A class of one's own gives `transformation`.

    Attributes:
        kind: name in a TOML file; needed by the package's own optimizers only.
    """

    section: ClassVar[str] = "optimizer"
    kind: ClassVar[str]

    @abc.abstractmethod
    def transformation(self, steps: int) -> optax.GradientTransformation:
        """The optax transformation for a run of `steps` updates; its updates are added."""

    def check_steps(self, steps: int) -> None:
        """Check that a run of `steps` updates is long enough.

        Raises:
            ValueError: it is too short.
        """
        del steps


class OptaxOptimizer(AbstractOptimizer):
    """Any transformation of optax, as it is: ``Experiment(..., optimizer=optax.lion(1e-3))``.

    Its numbers are part of the program: they cannot be scanned. A class of one's own, a subclass
    of `AbstractOptimizer` with fields, can.

    Arguments:
        built: the transformation; its updates are added to the parameters.

    Raises:
        ValueError: it needs more than gradients and parameters.
    """

    kind: ClassVar[str] = "optax"
    built: optax.GradientTransformation = eqx.field(static=True)

    def __check_init__(self) -> None:
        tree = {"w": jnp.zeros((2, 2))}

        def update(gradient: dict[str, Array]) -> Any:
            return promoting(self.built).update(gradient, self.built.init(gradient), gradient)

        try:
            jax.eval_shape(update, tree)
        except Exception as error:  # whatever a foreign transformation raises
            reason = " ".join(str(error).split())
            advice = "pass a transformation that needs no more, without its value_fn or loss"
            expected = "an optax transformation of gradients and parameters"
            raise fail(
                "optimizer", expected, f"one with {reason}", advice, described=True
            ) from None

    def transformation(self, steps: int) -> optax.GradientTransformation:
        """The transformation, under any promotion of dtypes."""
        del steps
        return promoting(self.built)


def as_optimizer(
    value: AbstractOptimizer | optax.GradientTransformation,
) -> AbstractOptimizer:
    """An optimizer as it is, or an optax transformation as one.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, optax.GradientTransformation):
        return OptaxOptimizer(value)
    if not isinstance(value, AbstractOptimizer):
        advice = "write jaxsup.SGD(0.5), or pass an optax transformation"
        raise fail("optimizer", "an optimizer", value, advice)
    return value


def promoting(plain: optax.GradientTransformation) -> optax.GradientTransformation:
    """`plain` under JAX's standard promotion of dtypes, whatever is set outside.

    optax raises a decay to an integer power, which strict promotion refuses if it is traced.
    """

    def update(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.OptState]:
        with jax.numpy_dtype_promotion("standard"):
            return plain.update(updates, state, params)

    return optax.GradientTransformation(plain.init, update)


class AbstractRatedOptimizer(AbstractOptimizer):
    """A direction, and the rates at which it is followed.

    Attributes:
        learning_rate: eta >= 0.
        bias_learning_rate: rate of the output bias; None: eta.
        schedule: factor on the rates; None: constant.
    """

    learning_rate: eqx.AbstractVar[Scalar]
    bias_learning_rate: eqx.AbstractVar[Scalar | None]
    schedule: eqx.AbstractVar[AbstractSchedule | None]

    @abc.abstractmethod
    def direction(self) -> optax.GradientTransformation:
        """What a step of rate 1 subtracts, under JAX's standard promotion of dtypes."""

    def transformation(self, steps: int) -> optax.GradientTransformation:
        """The optax transformation for a run of `steps` updates."""
        parts = [self.direction()]
        if self.schedule is not None:
            parts.append(optax.scale_by_schedule(self.schedule.learning_rate(1.0, steps)))
        parts.append(optax.stateless(lambda updates, _: self._scale(updates)))
        return promoting(optax.chain(*parts))

    def check_steps(self, steps: int) -> None:
        """Check that the warm-up ends before the run.

        Raises:
            ValueError: it does not.
        """
        if self.schedule is not None:
            self.schedule.check_steps(steps)

    def _scale(self, updates: optax.Updates) -> optax.Updates:
        """Minus the rate of its group times each array."""

        def scale(path: tuple[Any, ...], update: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
            rate = self.learning_rate
            if self.bias_learning_rate is not None and name_of(path) == "bias":
                rate = self.bias_learning_rate
            return -jnp.asarray(rate, update.dtype) * update

        return jax.tree_util.tree_map_with_path(scale, updates)

    def _check_rates(self) -> None:
        advice, rate = "give a step size >= 0", self.learning_rate
        if callable(rate) and not hasattr(rate, "dtype"):
            advice = "pass it as the schedule, a factor: learning_rate=1.0, schedule=..."
            raise fail("optimizer.learning_rate", "a number", "a function", advice, described=True)
        check_number("optimizer.learning_rate", rate, advice, low=0)
        if self.bias_learning_rate is not None:
            rate = self.bias_learning_rate
            check_number("optimizer.bias_learning_rate", rate, advice, low=0)


class AbstractAdam(AbstractRatedOptimizer):
    """Optimizers that follow m / (sqrt(v) + eps), both means corrected for their start.

    Attributes:
        b1, b2: decays of the running means of g and g^2, in [0, 1).
        eps: >= 0.

    Raises:
        ValueError: a number is outside of its range.
    """

    b1: eqx.AbstractVar[Scalar]
    b2: eqx.AbstractVar[Scalar]
    eps: eqx.AbstractVar[Scalar]

    def __check_init__(self) -> None:
        self._check_rates()
        for name, value in (("b1", self.b1), ("b2", self.b2)):
            advice = "give the decay of a running mean"
            check_number(f"optimizer.{name}", value, advice, low=0, high=1, high_open=True)
        check_number("optimizer.eps", self.eps, "give a small positive number", low=0)

    def direction(self) -> optax.GradientTransformation:
        """optax.scale_by_adam."""
        return optax.scale_by_adam(
            b1=self.b1,  # pyright: ignore[reportArgumentType]
            b2=self.b2,  # pyright: ignore[reportArgumentType]
            eps=self.eps,  # pyright: ignore[reportArgumentType]
        )


def name_of(path: tuple[Any, ...]) -> str:
    """The field, or the key of a dictionary, that a path into the parameters ends with."""
    return getattr(path[-1], "name", None) or getattr(path[-1], "key", "")
