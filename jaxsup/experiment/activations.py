"""Activations phi, applied entry by entry: what stands at the output of a student."""

import abc
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsup._internal.validation import Scalar, check_choice, check_number, fail
from jaxsup.experiment.configuration import Configuration, is_foreign_class


class AbstractActivation(Configuration):
    """phi, entry by entry. A class of one's own gives `__call__`; the rest follows from it.

    Training differentiates `__call__`: a slope of one's own, as of a step that learns as if it were
    a ramp, is written there, by `jax.custom_jvp`.

    Attributes:
        kind: name in a TOML file.
        gate: what the gathered update relies on (`jaxsup.training.updates.gathered`): ``"open"``:
            phi(z) = z everywhere; ``"positive"``: phi(z) = z where z > 0, and 0 elsewhere; None:
            neither. With a gate, phi' is 0 or 1 and phi phi' = phi.

    Raises:
        ValueError: a class from outside of the package has a derivative of its own.
    """

    section: ClassVar[str] = "activation"
    kind: ClassVar[str]
    gate: ClassVar[Literal["open", "positive"] | None] = None

    def __check_init__(self) -> None:
        for name in ("derivative", "pull_back"):
            owner = next(kind for kind in type(self).__mro__ if name in vars(kind))
            if is_foreign_class(owner):
                text, advice = f"one of {owner.__name__}", "write it in __call__ by jax.custom_jvp"
                expected = f"no {name}() of one's own, as training differentiates __call__"
                raise fail("activation", expected, text, advice, described=True)

    @abc.abstractmethod
    def __call__(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """phi(z)."""

    def derivative(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """phi'(z): by automatic differentiation, unless a class of the package knows better."""
        return jax.jvp(self, (z,), (jnp.ones_like(z),))[1]

    def pull_back(
        self, z: Float[Array, "*shape"], slope: Float[Array, "*shape"]
    ) -> Float[Array, "*shape"]:
        """slope phi'(z): the derivative in z of what has the derivative `slope` in phi(z)."""
        return slope * self.derivative(z)


class Identity(AbstractActivation):
    """phi(z) = z.

    >>> Identity()(jnp.asarray([-1.0, 2.0])).tolist()
    [-1.0, 2.0]
    """

    kind: ClassVar[str] = "identity"
    gate: ClassVar[Literal["open", "positive"] | None] = "open"

    def __call__(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """z."""
        return z

    def derivative(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """1."""
        return jnp.ones_like(z)

    def pull_back(
        self, z: Float[Array, "*shape"], slope: Float[Array, "*shape"]
    ) -> Float[Array, "*shape"]:
        """The slope itself."""
        del z
        return slope


class ReLU(AbstractActivation):
    """phi(z) = max(z, 0), with phi'(0) = 0.

    >>> ReLU()(jnp.asarray([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    kind: ClassVar[str] = "relu"
    gate: ClassVar[Literal["open", "positive"] | None] = "positive"

    def __call__(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """max(z, 0)."""
        return jax.nn.relu(z)

    def derivative(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """1 where z > 0, else 0."""
        return (z > 0).astype(z.dtype)

    def pull_back(
        self, z: Float[Array, "*shape"], slope: Float[Array, "*shape"]
    ) -> Float[Array, "*shape"]:
        """The slope where z > 0, else 0."""
        return jnp.where(z > 0, slope, 0.0)


class LeakyReLU(AbstractActivation):
    """phi(z) = z where z > 0, else slope z.

    Arguments:
        slope: factor below 0, finite.

    Raises:
        ValueError: the slope is not a finite number.

    >>> LeakyReLU(0.5)(jnp.asarray([-1.0, 2.0])).tolist()
    [-0.5, 2.0]
    """

    kind: ClassVar[str] = "leaky-relu"
    slope: Scalar = 0.01

    def __check_init__(self) -> None:
        check_number("activation.slope", self.slope, "give the slope below 0")

    def __call__(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """z where z > 0, else slope z."""
        return jnp.where(z > 0, z, jnp.asarray(self.slope, z.dtype) * z)

    def derivative(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """1 where z > 0, else the slope."""
        return jnp.where(z > 0, 1.0, jnp.asarray(self.slope, z.dtype)).astype(z.dtype)


class GELU(AbstractActivation):
    """phi(z) = z Phi(z), with Phi the normal distribution function (the exact form, not tanh's).

    Reference: Hendrycks & Gimpel, arXiv 1606.08415, equation 2.

    >>> [round(y, 4) for y in GELU()(jnp.asarray([-1.0, 2.0])).tolist()]
    [-0.1587, 1.9545]
    """

    kind: ClassVar[str] = "gelu"

    def __call__(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """z Phi(z)."""
        return jax.nn.gelu(z, approximate=False)

    def derivative(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Phi(z) + z times the normal density at z."""
        return jax.scipy.stats.norm.cdf(z) + z * jax.scipy.stats.norm.pdf(z)


class Abs(AbstractActivation):
    """phi(z) = |z|, with phi'(0) = 0.

    >>> Abs()(jnp.asarray([-1.0, 2.0])).tolist()
    [1.0, 2.0]
    """

    kind: ClassVar[str] = "abs"

    def __call__(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """|z|."""
        # Differentiated by JAX, jnp.abs has the slope 1 at 0, where silent outputs are.
        return z * jnp.sign(z)

    def derivative(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """The sign of z."""
        return jnp.sign(z)


ACTIVATIONS: dict[str, type[AbstractActivation]] = {
    activation.kind: activation for activation in (ReLU, Identity, LeakyReLU, GELU, Abs)
}
"""The package's own, by name: fast updates know these and no others."""


def as_activation(value: str | AbstractActivation) -> AbstractActivation:
    """An activation from its name, or as it is.

    Raises:
        ValueError: there is none of that name, or it is something else.
    """
    if isinstance(value, str):
        check_choice("activation", value, ACTIVATIONS)
        return ACTIVATIONS[value]()
    if not isinstance(value, AbstractActivation):
        advice = "write activation='relu', or subclass jaxsup.AbstractActivation"
        raise fail("activation", "an activation or its name", value, advice)
    return value


def is_built_in(activation: AbstractActivation) -> bool:
    """Whether it is exactly one of the package's: a subclass may compute anything."""
    return type(activation) in ACTIVATIONS.values()
