"""Student networks: how they start, what they compute, and which of their arrays are learned.

`Student` is phi(V^T B W x + c); W and V are [latent, features], and V is W unless they are untied.
"""

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray, PyTree

from jaxsup._internal.validation import (
    Scalar,
    check_choice,
    check_number,
    check_positive_integer,
    fail,
)
from jaxsup.experiment.abstract_student import AbstractStudent
from jaxsup.experiment.activations import AbstractActivation, as_activation
from jaxsup.experiment.starts import check_scales, mix_columns, sample_rows, scale_columns

_EMBEDDINGS = ("random", "identity", "learned", "untied")


class StudentParameters(eqx.Module):
    """A student's arrays; None where the configuration has none (W = identity, no core, ...).

    Attributes:
        embedding: W.
        readout: V, where it is learned apart from W.
        core: B.
        bias: c.
    """

    embedding: Float[Array, "latent features"] | None
    readout: Float[Array, "latent features"] | None
    core: Float[Array, "latent latent"] | None
    bias: Float[Array, " features"] | None

    @property
    def decoder(self) -> Float[Array, "latent features"] | None:
        """V, which is W where it is tied; None for the identity."""
        return self.embedding if self.readout is None else self.readout


class Student(AbstractStudent):
    """phi(V^T B W x + c), K latent dimensions for N features; superposition when K < N.

    Arguments:
        latent: K, with 1 <= K <= N.
        embedding: ``"random"``: W frozen, independent random unit-norm columns; ``"identity"``:
            W = I, K = N, no superposition; ``"learned"``: W learned, read out by its transpose;
            ``"untied"``: W and the readout V learned apart.
        core: whether there is a learned K x K core B (without: B = I).
        core_scale: standard deviation >= 0 of the core's start; 0 = zero start.
        activation: phi, an `AbstractActivation` or the name of one: ``"relu"``, ``"identity"``,
            ``"leaky-relu"``, ``"gelu"``, ``"abs"``.
        bias: whether there is a learned output bias c.
        bias_scale: standard deviation >= 0 of the bias's start.
        embedding_scale: None: columns of W (and V) start with unit norm in random directions;
            a number: entries start as independent normals of that standard deviation.
        randomness: r in [0, 1]: columns of W (and V) start as those of (1 - r) O + r G,
            normalized. G has independent random unit columns; O, made of G's rows by
            Gram-Schmidt, has orthonormal rows scaled to unit columns: a rotation for K = N, close
            to a tight frame below. The mean squared overlap rises from 0 (K = N) or about
            (N - K) / (K (N - 1)) (K < N) at r = 0 to 1/K at r = 1. None: G, as r = 1.
        bias_mean: mean of the bias's start.
        hidden_noise: sigma >= 0 of noise in the hidden layer, phi(V^T (B W x + sigma n) + c) with
            n standard normal, drawn anew for each sample. It is part of the network: in training
            and in the recorded loss alike, which for a linear student it raises by sigma^2
            sum_i w_i |v_i|^2, w the weights of the loss (1/2 sigma^2 ||V||_F^2 by default). None:
            no noise. Noise, be it 0, leaves out the listed and the gathered update.

    Raises:
        ValueError: an argument is outside of its range, nothing would be learned, a randomness is
            given where columns do not start with unit norm, or noise to a class that says what its
            outputs are, and not its `noisy_outputs`.

    Reference: arXiv 2602.01045 (frozen W, learned core); Elhage et al., arXiv 2209.10652 (the
    autoencoder: ``embedding="learned", core=False``); Lecomte et al., arXiv 2312.03096 (noise in
    the hidden layer).
    """

    kind: ClassVar[str] = "student"
    parameter_dims: ClassVar[dict[str, tuple[str, ...]]] = {
        "embedding": ("latent", "feature"),
        "readout": ("latent", "feature"),
        "core": ("latent", "latent_in"),
        "bias": ("feature",),
    }
    latent: int = eqx.field(static=True)
    embedding: str = eqx.field(static=True, default="random")
    core: bool = eqx.field(static=True, default=True)
    core_scale: Scalar = 1e-3
    activation: AbstractActivation = eqx.field(converter=as_activation, default="relu")
    bias: bool = eqx.field(static=True, default=True)
    bias_scale: Scalar = 0.0
    embedding_scale: Scalar | None = None
    randomness: Scalar | None = None
    bias_mean: Scalar = 0.0
    hidden_noise: Scalar | None = None

    def __check_init__(self) -> None:
        check_positive_integer("student.latent", self.latent, "give the latent dimension K")
        check_choice("student.embedding", self.embedding, _EMBEDDINGS)
        check_scales(self.embedding_scale, core_scale=self.core_scale, bias_scale=self.bias_scale)
        check_number("student.bias_mean", self.bias_mean, "give the mean of the bias's start")
        if self.randomness is not None:
            self._check_randomness()
        if self.hidden_noise is not None:
            self._check_noise()
        if not (self.core or self.bias or self.learns_embedding):
            raise fail(
                "student",
                "something to learn",
                "a frozen embedding without core and bias",
                "set core or bias, or learn the embedding",
                described=True,
            )

    def _check_randomness(self) -> None:
        advice = "take 0 for columns as orthogonal as K allows, 1 for independent ones"
        check_number("student.randomness", self.randomness, advice, low=0, high=1)
        if self.embedding == "identity" or self.embedding_scale is not None:
            culprit = "W = I" if self.embedding == "identity" else "an embedding_scale"
            expected, do = "a start with random unit columns", "leave the randomness out"
            raise fail("student.randomness", expected, culprit, do, described=True)

    def _check_noise(self) -> None:
        name, advice = "student.hidden_noise", "give the standard deviation of the noise"
        check_number(name, self.hidden_noise, advice, low=0)
        own = type(self)
        if own.outputs is not Student.outputs and own.noisy_outputs is Student.noisy_outputs:
            text, advice = f"one of {own.__name__}", "override its noisy_outputs as well"
            raise fail(name, "noise of Student itself", text, advice, described=True)

    @property
    def learns_embedding(self) -> bool:
        """Whether W is trained."""
        return self.embedding in ("learned", "untied")

    def check_features(self, count: int) -> None:
        """Check that 1 <= K <= N = `count`, and K = N with the identity.

        Raises:
            ValueError: one of these does not hold.
        """
        super().check_features(count)
        if self.embedding == "identity" and self.latent != count:
            raise fail(
                "student.latent",
                f"K = N = {count} with the identity embedding",
                self.latent,
                f"set latent={count}, or embedding='random' for K < N",
            )

    def padded(self, width: int) -> "AbstractStudent | None":
        """The same student held in `width` latent dimensions, to rounding.

        W = I has no latent dimensions to add. A subclass may compute anything and is not padded.
        """
        if type(self) is not Student or self.embedding == "identity":
            return None
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(Student)}
        return _PaddedStudent(**{**values, "latent": width}, used=self.latent)

    def init_parameters(self, key: PRNGKeyArray, count: int) -> StudentParameters:
        """Starting parameters for `count` features; entry (k, i) does not depend on the width."""
        embedding_key, readout_key, core_key, bias_key = (
            jax.random.fold_in(key, purpose) for purpose in range(4)
        )
        identity = self.embedding == "identity"
        dtype = jnp.result_type(float)
        core = None
        if self.core:
            # Drawn N wide and cut: K is at most N, and entries must not depend on the padded K.
            core = sample_rows(core_key, self.latent, count)[:, : self.latent] * self.core_scale
            core = core * self._in_use(dtype)[:, None] * self._in_use(dtype)[None, :]
        bias = None
        if self.bias:
            bias = jax.random.normal(bias_key, (count,)) * self.bias_scale + self.bias_mean
        return StudentParameters(
            embedding=None if identity else self._init_embedding(embedding_key, count),
            readout=self._init_embedding(readout_key, count)
            if self.embedding == "untied"
            else None,
            core=core,
            bias=bias,
        )

    def trainable(self, parameters: StudentParameters) -> PyTree[bool]:
        """`parameters` with True for learned arrays and False for a frozen W."""
        learned = jax.tree.map(lambda _: True, parameters)
        if parameters.embedding is None or self.learns_embedding:
            return learned
        return eqx.tree_at(lambda p: p.embedding, learned, False)

    def outputs(
        self, parameters: StudentParameters, x: Float[Array, "batch features"]
    ) -> Float[Array, "batch features"]:
        """phi(V^T B W x + c) for each row of x."""
        return self._read_out(parameters, self._hidden(parameters, x))

    def noisy_outputs(
        self,
        parameters: StudentParameters,
        x: Float[Array, "batch features"],
        key: Key[Array, ""],
    ) -> Float[Array, "batch features"]:
        """phi(V^T (B W x + sigma n) + c) for each row of x; n does not depend on the width."""
        if self.hidden_noise is None:
            return self.outputs(parameters, x)
        hidden = self._hidden(parameters, x)
        noise = sample_rows(key, hidden.shape[1], hidden.shape[0]).T
        # None on padding: its rows of W and V, which are 0, would learn from it.
        sigma = jnp.asarray(self.hidden_noise, hidden.dtype) * self._in_use(hidden.dtype)
        return self._read_out(parameters, hidden + sigma[None, :] * noise)

    def _hidden(
        self, parameters: StudentParameters, x: Float[Array, "batch features"]
    ) -> Float[Array, "batch latent"]:
        """B W x."""
        h = x if parameters.embedding is None else x @ parameters.embedding.T
        return h if parameters.core is None else h @ parameters.core.T

    def _read_out(
        self, parameters: StudentParameters, hidden: Float[Array, "batch latent"]
    ) -> Float[Array, "batch features"]:
        """phi(V^T h + c)."""
        z = hidden if parameters.decoder is None else hidden @ parameters.decoder
        return self.activation(z if parameters.bias is None else z + parameters.bias[None, :])

    def linear_map(
        self, parameters: StudentParameters, count: int
    ) -> Float[Array, "features features"]:
        """V^T B W, the map from input to pre-activation, at full precision."""
        exact = jax.lax.Precision.HIGHEST
        if parameters.embedding is None:
            core = parameters.core
            return jnp.eye(count, dtype=jnp.result_type(float)) if core is None else core
        inner = parameters.embedding
        if parameters.core is not None:
            inner = jnp.matmul(parameters.core, inner, precision=exact)
        assert parameters.decoder is not None
        return jnp.matmul(parameters.decoder.T, inner, precision=exact)

    def _in_use(self, dtype: jnp.dtype) -> Float[Array, " latent"]:
        """1 for latent dimensions in use, 0 for padding."""
        return jnp.ones(self.latent, dtype)

    def _init_embedding(self, key: Key[Array, ""], count: int) -> Float[Array, "latent features"]:
        W = sample_rows(key, self.latent, count)
        W = W * self._in_use(W.dtype)[:, None]
        if self.randomness is not None:
            return mix_columns(W, self.randomness)
        return scale_columns(W, self.embedding_scale)


class _PaddedStudent(Student):
    """A `Student` of which only the first `used` latent dimensions are there; the others stay 0.

    Scans over K compile once for several K: `used` may be traced. `Student.padded` makes it, and
    nothing else does.
    """

    used: Int[Array, ""] | int = 1

    @property
    def latent_in_use(self) -> Int[Array, ""] | int:
        """K, without padding."""
        return self.used

    def _in_use(self, dtype: jnp.dtype) -> Float[Array, " latent"]:
        return (jnp.arange(self.latent) < self.used).astype(dtype)
