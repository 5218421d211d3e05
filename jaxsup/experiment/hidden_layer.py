"""A student with a non-linear hidden layer between encoder and decoder."""

from typing import ClassVar

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from jaxsup._internal.validation import (
    Scalar,
    check_choice,
    check_positive_integer,
    fail,
)
from jaxsup.experiment.abstract_student import AbstractStudent
from jaxsup.experiment.activations import AbstractActivation, as_activation
from jaxsup.experiment.starts import check_scales, sample_rows, scale_columns


class HiddenLayerParameters(eqx.Module):
    """Arrays of a `HiddenLayerStudent`; None where the configuration has none.

    Attributes:
        embedding: W.
        readout: V, where it is learned apart from W.
        hidden_bias: c_h.
        bias: c.
    """

    embedding: Float[Array, "latent features"]
    readout: Float[Array, "latent features"] | None
    hidden_bias: Float[Array, " latent"] | None
    bias: Float[Array, " features"] | None


class HiddenLayerStudent(AbstractStudent):
    """phi(V^T psi(W x + c_h) + c): a hidden layer with an activation psi of its own.

    Because psi acts entry by entry, the axes of the latent space are a privileged basis: features
    align with neurons. With targets such as |x| (`jaxsup.ElementwiseTeacher`) the hidden layer has
    to compute, in superposition when K is small.

    Arguments:
        latent: K, neurons of the hidden layer, with 1 <= K <= 2 N (|x| takes two a feature).
        embedding: ``"learned"``: V = W; ``"untied"``: W and V learned apart.
        hidden_activation: psi, an activation or its name.
        activation: phi, an activation or its name.
        hidden_bias: whether there is a learned bias c_h of the hidden layer.
        bias: whether there is a learned output bias c.
        bias_scale: standard deviation of the start of both biases; 0 = zero start.
        embedding_scale: None: columns of W (and V) start with unit norm in random directions;
            a number: entries start as independent normals of that standard deviation.

    Raises:
        ValueError: an argument is outside of its range.

    Reference: Elhage et al., arXiv 2209.10652, sections "Superposition in a Privileged Basis"
    (``embedding="learned"``) and "Computation in Superposition" (``"untied"``).
    """

    kind: ClassVar[str] = "hidden-layer"
    parameter_dims: ClassVar[dict[str, tuple[str, ...]]] = {
        "embedding": ("latent", "feature"),
        "readout": ("latent", "feature"),
        "hidden_bias": ("latent",),
        "bias": ("feature",),
    }
    latent: int = eqx.field(static=True)
    embedding: str = eqx.field(static=True, default="untied")
    hidden_activation: AbstractActivation = eqx.field(converter=as_activation, default="relu")
    activation: AbstractActivation = eqx.field(converter=as_activation, default="relu")
    hidden_bias: bool = eqx.field(static=True, default=False)
    bias: bool = eqx.field(static=True, default=True)
    bias_scale: Scalar = 0.0
    embedding_scale: Scalar | None = None

    def __check_init__(self) -> None:
        check_positive_integer("student.latent", self.latent, "give the number of neurons K")
        check_choice("student.embedding", self.embedding, ("learned", "untied"))
        check_scales(self.embedding_scale, bias_scale=self.bias_scale)

    def check_features(self, count: int) -> None:
        """Hold K to the features there are: 1 <= K <= 2 N, N = `count`.

        Raises:
            ValueError: K is larger.
        """
        if self.latent > 2 * count:
            expected = f"1 <= K <= 2 N = {2 * count}"
            raise fail("student.latent", expected, self.latent, "shrink K or add features")

    def init_parameters(self, key: PRNGKeyArray, count: int) -> HiddenLayerParameters:
        """Starting parameters for `count` features."""
        embedding_key, readout_key, hidden_key, bias_key = (
            jax.random.fold_in(key, purpose) for purpose in range(4)
        )

        def init_embedding(key: PRNGKeyArray) -> Float[Array, "latent features"]:
            return scale_columns(sample_rows(key, self.latent, count), self.embedding_scale)

        def init_bias(key: PRNGKeyArray, size: int) -> Float[Array, " size"]:
            return jax.random.normal(key, (size,)) * self.bias_scale

        return HiddenLayerParameters(
            embedding=init_embedding(embedding_key),
            readout=init_embedding(readout_key) if self.embedding == "untied" else None,
            hidden_bias=init_bias(hidden_key, self.latent) if self.hidden_bias else None,
            bias=init_bias(bias_key, count) if self.bias else None,
        )

    def outputs(
        self, parameters: HiddenLayerParameters, x: Float[Array, "batch features"]
    ) -> Float[Array, "batch features"]:
        """phi(V^T psi(W x + c_h) + c) for each row of x."""
        hidden = x @ parameters.embedding.T
        if parameters.hidden_bias is not None:
            hidden = hidden + parameters.hidden_bias[None, :]
        decoder = parameters.embedding if parameters.readout is None else parameters.readout
        z = self.hidden_activation(hidden) @ decoder
        return self.activation(z if parameters.bias is None else z + parameters.bias[None, :])
