"""What a student is: how it starts, what it computes, and which of its arrays are learned."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray, PyTree

from jaxsup._internal.validation import fail
from jaxsup.experiment.configuration import Configuration


class AbstractStudent(Configuration):
    """A network from x [features] to an output [features], with parameters kept apart from it.

    A class of one's own gives `latent`, `init_parameters` and `outputs`. Its parameters are a
    module whose fields are arrays or None. Fields named ``embedding`` (W), ``readout`` (V),
    ``core`` (B) and ``bias`` (c) are taken for what they are in `Student`: by the observables of
    the geometry, by decays that act on embeddings, and by the learning rate of the bias.

    Attributes:
        latent: number of latent dimensions K.
        kind: name in a TOML file; needed by the package's own students only.
        parameter_dims: dimensions of the parameters in a dataset, by field. Those that are not
            named here are called FIELD_0, FIELD_1, ...
    """

    section: ClassVar[str] = "student"
    latent: eqx.AbstractVar[int]
    kind: ClassVar[str]
    parameter_dims: ClassVar[dict[str, tuple[str, ...]]] = {}

    @abc.abstractmethod
    def init_parameters(self, key: PRNGKeyArray, count: int) -> PyTree:
        """Starting parameters for `count` features: a module whose fields are arrays or None."""

    @abc.abstractmethod
    def outputs(
        self, parameters: PyTree, x: Float[Array, "batch features"]
    ) -> Float[Array, "batch features"]:
        """The output for each row of x."""

    def noisy_outputs(
        self,
        parameters: PyTree,
        x: Float[Array, "batch features"],
        key: Key[Array, ""],
    ) -> Float[Array, "batch features"]:
        """The output for each row of x with noise of its own, for students that have any.

        The loss is that of these outputs, in training and where it is recorded.

        Arguments:
            parameters: the student's arrays.
            x: samples.
            key: of the noise.
        """
        del key
        return self.outputs(parameters, x)

    def trainable(self, parameters: PyTree) -> PyTree[bool]:
        """`parameters` with True for learned arrays and False for frozen ones: all are learned."""
        return jax.tree.map(lambda _: True, parameters)

    def check_features(self, count: int) -> None:
        """Check that the student can have `count` features.

        Raises:
            ValueError: it cannot: K is larger.
        """
        if self.latent > count:
            expected = f"1 <= K <= N = {count}"
            raise fail("student.latent", expected, self.latent, "shrink K or add features")

    def padded(self, width: int) -> "AbstractStudent | None":
        """The same student held in `width` >= K latent dimensions; None: it cannot be."""
        del width
        return None

    def dims_of(self, name: str, ndim: int) -> tuple[str, ...]:
        """The dimensions in a dataset of the array of this name, with so many axes."""
        own = tuple(f"{name}_{axis}" for axis in range(ndim))
        return type(self).parameter_dims.get(name, own)

    @property
    def latent_in_use(self) -> Int[Array, ""] | int:
        """K, without padding."""
        return self.latent


def named_leaves(parameters: PyTree) -> list[tuple[str, Any]]:
    """The arrays of a student's parameters, each with the name that it has in a dataset."""
    leaves = jax.tree_util.tree_leaves_with_path(parameters)
    return [(jax.tree_util.keystr(path, simple=True, separator="_"), leaf) for path, leaf in leaves]
