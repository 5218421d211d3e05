"""Optimisers by name, built from optax inside the traced function, hyper-parameters traceable.

Every default that the field's tools disagree on is stated here, none is inherited.
"""

import abc
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from jaxsup._internal.validation import Scalar, check_number
from jaxsup.experiment.schedules import WarmupCosine


@runtime_checkable
class _Rated(Protocol):
    """What every optimiser has, in the order of its own arguments."""

    learning_rate: Scalar
    bias_learning_rate: Scalar | None
    schedule: WarmupCosine | None


class AbstractOptimizer(eqx.Module):
    """An optax transformation by name: a direction, and the rates at which it is followed.

    ``schedule=None`` keeps the rates constant; ``bias_learning_rate=None`` gives the output bias
    the rate of all other parameters.
    """

    kind: ClassVar[str]

    @abc.abstractmethod
    def direction(self) -> optax.GradientTransformation:
        """What a step of rate 1 subtracts, under JAX's standard promotion of dtypes."""

    def transformation(self, steps: int) -> optax.GradientTransformation:
        """The optax transformation for a run of `steps` updates, under any promotion of dtypes.

        optax raises a decay to an integer power, which strict promotion refuses if it is traced.
        """
        parts, schedule = [self.direction()], cast(_Rated, self).schedule
        if schedule is not None:
            parts.append(optax.scale_by_schedule(schedule.learning_rate(1.0, steps)))
        parts.append(optax.stateless(lambda updates, _: self._scale(updates)))
        plain = optax.chain(*parts)

        def update(
            updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
        ) -> tuple[optax.Updates, optax.OptState]:
            with jax.numpy_dtype_promotion("standard"):
                return plain.update(updates, state, params)

        return optax.GradientTransformation(plain.init, update)

    def _scale(self, updates: optax.Updates) -> optax.Updates:
        """Minus the rate of its group times each array."""
        rates = cast(_Rated, self)

        def scale(path: tuple[Any, ...], update: Array) -> Array:
            rate = rates.learning_rate
            if rates.bias_learning_rate is not None and _name(path) == "bias":
                rate = rates.bias_learning_rate
            return -jnp.asarray(rate, update.dtype) * update

        return jax.tree_util.tree_map_with_path(scale, updates)

    @property
    def warmup(self) -> int:
        """Steps of warm-up; 0 without a schedule."""
        schedule = cast(_Rated, self).schedule
        return 0 if schedule is None else schedule.warmup


def _name(path: tuple[Any, ...]) -> str:
    """The field, or the key of a dictionary, that a path into the parameters ends with."""
    return getattr(path[-1], "name", None) or getattr(path[-1], "key", "")


def _check_rates(optimizer: _Rated) -> None:
    advice = "give a step size >= 0"
    check_number("optimizer.learning_rate", optimizer.learning_rate, advice, low=0)
    if optimizer.bias_learning_rate is not None:
        rate = optimizer.bias_learning_rate
        check_number("optimizer.bias_learning_rate", rate, advice, low=0)


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
        schedule: factor on the learning rates.
        bias_learning_rate: rate >= 0 of the output bias; None: eta.

    Raises:
        ValueError: an argument is outside of its range.
    """

    kind: ClassVar[str] = "sgd"
    learning_rate: Scalar
    momentum: Scalar | None
    schedule: WarmupCosine | None
    bias_learning_rate: Scalar | None

    def __init__(
        self,
        learning_rate: Scalar,
        momentum: Scalar | None = 0.0,
        schedule: WarmupCosine | None = None,
        bias_learning_rate: Scalar | None = None,
    ) -> None:
        self.learning_rate = learning_rate
        none = momentum is None or (isinstance(momentum, int | float) and momentum == 0)
        self.momentum = None if none else momentum
        self.schedule = schedule
        self.bias_learning_rate = bias_learning_rate

    def __check_init__(self) -> None:
        _check_rates(self)
        if self.momentum is not None:
            advice = "give the decay of the velocity"
            check_number("optimizer.momentum", self.momentum, advice, low=0, high=1, high_open=True)

    def direction(self) -> optax.GradientTransformation:
        """The velocity v."""
        if self.momentum is None:
            return optax.identity()
        return optax.trace(self.momentum)  # pyright: ignore[reportArgumentType]


class Adam(AbstractOptimizer):
    """Adam (Kingma & Ba 2015) with bias correction and eps outside of the root.

    Arguments:
        learning_rate: eta >= 0.
        b1, b2: decays of the running means of g and g^2, in [0, 1).
        eps: >= 0.
        schedule: factor on the learning rates.
        bias_learning_rate: rate >= 0 of the output bias; None: eta.

    Raises:
        ValueError: an argument is outside of its range.
    """

    kind: ClassVar[str] = "adam"
    learning_rate: Scalar
    b1: Scalar = 0.9
    b2: Scalar = 0.999
    eps: Scalar = 1e-8
    schedule: WarmupCosine | None = None
    bias_learning_rate: Scalar | None = None

    def __check_init__(self) -> None:
        _check_rates(self)
        _check_decays(self.b1, self.b2, self.eps)

    def direction(self) -> optax.GradientTransformation:
        """optax.scale_by_adam."""
        return _adam_direction(self)


class AdamW(AbstractOptimizer):
    """Adam with decoupled weight decay: theta <- theta - eta (adam step + weight_decay theta).

    The decay acts on every learned array, the bias too, as PyTorch's does. It has no default:
    optax's is 1e-4 and PyTorch's 1e-2.

    Arguments:
        learning_rate: eta >= 0.
        weight_decay: >= 0.
        b1, b2: decays of the running means of g and g^2, in [0, 1).
        eps: >= 0.
        schedule: factor on the learning rates.
        bias_learning_rate: rate >= 0 of the output bias; None: eta.

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
    bias_learning_rate: Scalar | None = None

    def __check_init__(self) -> None:
        _check_rates(self)
        _check_decays(self.b1, self.b2, self.eps)
        check_number("optimizer.weight_decay", self.weight_decay, "give the decay", low=0)

    def direction(self) -> optax.GradientTransformation:
        """optax.scale_by_adam, and the decay."""
        decay = optax.add_decayed_weights(self.weight_decay)  # pyright: ignore[reportArgumentType]
        return optax.chain(_adam_direction(self), decay)


class NormAdamW(AbstractOptimizer):
    """Adam whose decoupled decay sets the norms of features: towards 0, or towards 1.

    With w_i the columns of W, the directions of the features, a step at rate eta is

        w_i <- w_i - eta (adam step + d w_i)                      for a decay d >= 0,
        w_i <- w_i - eta adam step + eta |d| (1 / |w_i| - 1) w_i  for d < 0.

    So a positive decay keeps few features (weak superposition), and a negative one gives all
    features norms near 1 (strong superposition) without unbounded growth. The sign may vary over a
    sweep. The decay acts on W, and on V where it is learned apart, never on core and bias; a
    feature of norm 0 stays where it is.

    Arguments:
        learning_rate: eta >= 0.
        weight_decay: d in [-1, 1].
        b1, b2: decays of the running means of g and g^2, in [0, 1).
        eps: >= 0.
        schedule: factor on the learning rates.
        bias_learning_rate: rate >= 0 of the output bias; None: eta.

    Raises:
        ValueError: an argument is outside of its range.

    Reference: Liu, Liu, Gore, arXiv 2505.10465, whose W holds a feature in each row.
    """

    kind: ClassVar[str] = "norm-adamw"
    learning_rate: Scalar
    weight_decay: Scalar
    b1: Scalar = 0.9
    b2: Scalar = 0.999
    eps: Scalar = 1e-8
    schedule: WarmupCosine | None = None
    bias_learning_rate: Scalar | None = None

    def __check_init__(self) -> None:
        _check_rates(self)
        _check_decays(self.b1, self.b2, self.eps)
        advice = "give the decay, below 0 for norms near 1"
        check_number("optimizer.weight_decay", self.weight_decay, advice, low=-1, high=1)

    def direction(self) -> optax.GradientTransformation:
        """optax.scale_by_adam, and the decay."""

        def decay(updates: optax.Updates, params: optax.Params | None) -> optax.Updates:
            return jax.tree_util.tree_map_with_path(self._add_decay, updates, params)

        return optax.chain(_adam_direction(self), optax.stateless(decay))

    def _add_decay(self, path: tuple[Any, ...], update: Array, W: Array) -> Array:
        """`update` plus d w_i, or d (1 / |w_i| - 1) w_i where d < 0, for embeddings."""
        if _name(path) not in ("embedding", "readout"):
            return update
        d = jnp.asarray(self.weight_decay, W.dtype)
        squares = jnp.sum(W * W, axis=0, keepdims=True)
        pull = jnp.where(squares > 0, jax.lax.rsqrt(jnp.where(squares > 0, squares, 1)), 1) - 1
        return update + d * jnp.where(d < 0, pull, 1) * W


def _adam_direction(optimizer: Adam | AdamW | NormAdamW) -> optax.GradientTransformation:
    """m / (sqrt(v) + eps) with both means corrected for their start."""
    return optax.scale_by_adam(
        b1=optimizer.b1,  # pyright: ignore[reportArgumentType]
        b2=optimizer.b2,  # pyright: ignore[reportArgumentType]
        eps=optimizer.eps,  # pyright: ignore[reportArgumentType]
    )
