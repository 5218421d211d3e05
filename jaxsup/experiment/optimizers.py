"""Optimizers by name, hyper-parameters traceable.

Every default that the field's tools disagree on is stated here, none is inherited.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from jaxsup._internal.validation import Scalar, check_number, is_integer
from jaxsup.experiment.schedules import AbstractSchedule, as_schedule
from jaxsup.experiment.transformations import AbstractAdam, AbstractRatedOptimizer, name_of


class SGD(AbstractRatedOptimizer):
    """Gradient descent, theta <- theta - eta v with v <- momentum v + g.

    A momentum that is written as 0 keeps no velocity (``momentum`` reads None); a positive one
    does, and an array of JAX's, whatever it holds.

    Arguments:
        learning_rate: eta >= 0.
        momentum: in [0, 1).
        schedule: factor on the learning rates, a table of `jaxsup list schedules`; in Python
            (`jaxsup.experiment.schedules`) any function of the updates made as well, as optax has.
        bias_learning_rate: rate >= 0 of the output bias; None: eta.

    Raises:
        ValueError: an argument is outside of its range.
    """

    kind: ClassVar[str] = "sgd"
    learning_rate: Scalar
    momentum: Scalar | None
    schedule: AbstractSchedule | None
    bias_learning_rate: Scalar | None

    def __init__(
        self,
        learning_rate: Scalar,
        momentum: Scalar | None = 0.0,
        schedule: AbstractSchedule | Callable[[Any], Any] | None = None,
        bias_learning_rate: Scalar | None = None,
    ) -> None:
        self.learning_rate = learning_rate
        none = momentum is None or (isinstance(momentum, float) and momentum == 0)
        none = none or (is_integer(momentum) and momentum == 0)
        self.momentum = None if none else momentum
        self.schedule = as_schedule(schedule)
        self.bias_learning_rate = bias_learning_rate

    def __check_init__(self) -> None:
        self._check_rates()
        if self.momentum is not None:
            advice = "give the decay of the velocity"
            check_number("optimizer.momentum", self.momentum, advice, low=0, high=1, high_open=True)

    def direction(self) -> optax.GradientTransformation:
        """The velocity v."""
        if self.momentum is None:
            return optax.identity()
        return optax.trace(self.momentum)  # pyright: ignore[reportArgumentType]


class Adam(AbstractAdam):
    """Adam (Kingma & Ba 2015) with bias correction and eps outside of the root.

    Arguments:
        learning_rate: eta >= 0.
        b1, b2: decays of the running means of g and g^2, in [0, 1).
        eps: >= 0.
        schedule: factor on the learning rates, a table of `jaxsup list schedules`; in Python
            (`jaxsup.experiment.schedules`) any function of the updates made as well, as optax has.
        bias_learning_rate: rate >= 0 of the output bias; None: eta.

    Raises:
        ValueError: an argument is outside of its range.
    """

    kind: ClassVar[str] = "adam"
    learning_rate: Scalar
    b1: Scalar = 0.9
    b2: Scalar = 0.999
    eps: Scalar = 1e-8
    schedule: AbstractSchedule | None = eqx.field(converter=as_schedule, default=None)
    bias_learning_rate: Scalar | None = None


class AdamW(AbstractAdam):
    """Adam with decoupled weight decay: theta <- theta - eta (adam step + weight_decay theta).

    The decay acts on every learned array, the bias too, as PyTorch's does. It has no default:
    optax's is 1e-4 and PyTorch's 1e-2.

    Arguments:
        learning_rate: eta >= 0.
        weight_decay: >= 0.
        b1, b2: decays of the running means of g and g^2, in [0, 1).
        eps: >= 0.
        schedule: factor on the learning rates, a table of `jaxsup list schedules`; in Python
            (`jaxsup.experiment.schedules`) any function of the updates made as well, as optax has.
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
    schedule: AbstractSchedule | None = eqx.field(converter=as_schedule, default=None)
    bias_learning_rate: Scalar | None = None

    def __check_init__(self) -> None:
        # equinox runs the checks of every class above as well.
        check_number("optimizer.weight_decay", self.weight_decay, "give the decay", low=0)

    def direction(self) -> optax.GradientTransformation:
        """optax.scale_by_adam, and the decay."""
        decay = optax.add_decayed_weights(self.weight_decay)  # pyright: ignore[reportArgumentType]
        return optax.chain(super().direction(), decay)


class NormAdamW(AbstractAdam):
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
        schedule: factor on the learning rates, a table of `jaxsup list schedules`; in Python
            (`jaxsup.experiment.schedules`) any function of the updates made as well, as optax has.
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
    schedule: AbstractSchedule | None = eqx.field(converter=as_schedule, default=None)
    bias_learning_rate: Scalar | None = None

    def __check_init__(self) -> None:
        # equinox runs the checks of every class above as well.
        advice = "give the decay, below 0 for norms near 1"
        check_number("optimizer.weight_decay", self.weight_decay, advice, low=-1, high=1)

    def direction(self) -> optax.GradientTransformation:
        """optax.scale_by_adam, and the decay."""

        def decay(updates: optax.Updates, params: optax.Params | None) -> optax.Updates:
            return jax.tree_util.tree_map_with_path(self._add_decay, updates, params)

        return optax.chain(super().direction(), optax.stateless(decay))

    def _add_decay(
        self, path: tuple[Any, ...], update: Float[Array, "*shape"], W: Float[Array, "*shape"]
    ) -> Float[Array, "*shape"]:
        """`update` plus d w_i, or d (1 / |w_i| - 1) w_i where d < 0, for embeddings."""
        if name_of(path) not in ("embedding", "readout"):
            return update
        d = jnp.asarray(self.weight_decay, W.dtype)
        squares = jnp.sum(W * W, axis=0, keepdims=True)
        pull = jnp.where(squares > 0, jax.lax.rsqrt(jnp.where(squares > 0, squares, 1)), 1) - 1
        return update + d * jnp.where(d < 0, pull, 1) * W
