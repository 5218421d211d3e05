"""Student networks z = V^T B W x + c, output phi(z), and their initialisation.

W and V are [latent, features]; V is W unless the embedding is untied. Which of W, V, B, c are
learned, frozen or absent is the student's configuration.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from jaxsup._internal.validation import (
    Scalar,
    check_choice,
    check_number,
    check_positive_integer,
    fail,
)
from jaxsup.training.sampling.arrivals import SparseBatch

_EMBEDDINGS = ("random", "identity", "learned", "untied")
_ACTIVATIONS = ("relu", "identity")


class StudentParameters(eqx.Module):
    """A student's arrays; None where the configuration has none (W = identity, no core, ...)."""

    embedding: Float[Array, "latent features"] | None
    readout: Float[Array, "latent features"] | None
    core: Float[Array, "latent latent"] | None
    bias: Float[Array, " features"] | None


class Student(eqx.Module):
    """phi(V^T B W x + c), K latent dimensions for N features; superposition when K < N.

    Arguments:
        latent: K, with 1 <= K <= N.
        embedding: ``"random"``: W frozen, independent random unit-norm columns; ``"identity"``:
            W = I, K = N, no superposition; ``"learned"``: W learned, read out by its transpose;
            ``"untied"``: W and the readout V learned apart.
        core: whether there is a learned K x K core B (without: B = I).
        core_scale: standard deviation of the core's start; 0 = zero start.
        activation: phi, ``"relu"`` or ``"identity"``.
        bias: whether there is a learned output bias c.
        bias_scale: standard deviation of the bias's start; 0 = zero start.
        embedding_scale: None: columns of W (and V) start with unit norm in random directions;
            a number: entries start as independent normals of that standard deviation.
        active: how many of the latent dimensions are in use, an integer that may be traced; None:
            all. The others stay exactly zero, so that ``Student(64, active=16)`` is
            ``Student(16)`` to rounding: scans over K compile once.

    Raises:
        ValueError: an argument is outside of its range, or nothing would be learned.

    Reference: arXiv 2602.01045 (frozen W, learned core); Elhage et al., arXiv 2209.10652 (the
    autoencoder: ``embedding="learned", core=False``).
    """

    kind: ClassVar[str] = "student"
    latent: int = eqx.field(static=True)
    embedding: str = eqx.field(static=True, default="random")
    core: bool = eqx.field(static=True, default=True)
    core_scale: Scalar = 1e-3
    activation: str = eqx.field(static=True, default="relu")
    bias: bool = eqx.field(static=True, default=True)
    bias_scale: Scalar = 0.0
    embedding_scale: Scalar | None = None
    active: Int[Array, ""] | int | None = None

    def __check_init__(self) -> None:
        check_positive_integer("student.latent", self.latent, "give the latent dimension K")
        check_choice("student.embedding", self.embedding, _EMBEDDINGS)
        check_choice("student.activation", self.activation, _ACTIVATIONS)
        for name in ("core_scale", "bias_scale"):
            advice = "give the standard deviation of the start"
            check_number(f"student.{name}", getattr(self, name), advice, low=0)
        if self.embedding_scale is not None:
            check_number(
                "student.embedding_scale",
                self.embedding_scale,
                "give the standard deviation of W's entries, or leave it out for unit columns",
                low=0,
                low_open=True,
            )
        if self.active is not None:
            advice = "give the number of latent dimensions in use"
            check_number("student.active", self.active, advice, low=1, high=self.latent)
            if self.embedding == "identity":
                raise fail("student.active", "None with W = identity", self.active, "leave it out")
        if not (self.core or self.bias or self.learns_embedding):
            raise fail(
                "student",
                "something to learn",
                "a frozen embedding without core and bias",
                "set core or bias, or learn the embedding",
            )

    @property
    def learns_embedding(self) -> bool:
        """Whether W is trained."""
        return self.embedding in ("learned", "untied")

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
            core = _sample_rows(core_key, self.latent, count)[:, : self.latent] * self.core_scale
            core = core * self._in_use(dtype)[:, None] * self._in_use(dtype)[None, :]
        bias = None
        if self.bias:
            bias = jax.random.normal(bias_key, (count,)) * self.bias_scale
        return StudentParameters(
            embedding=None if identity else self._init_embedding(embedding_key, count),
            readout=self._init_embedding(readout_key, count)
            if self.embedding == "untied"
            else None,
            core=core,
            bias=bias,
        )

    def trainable(self, parameters: StudentParameters) -> StudentParameters:
        """`parameters` with True for learned arrays and False for frozen ones."""
        learned = jax.tree.map(lambda _: True, parameters)
        if parameters.embedding is None or self.learns_embedding:
            return learned
        return eqx.tree_at(lambda p: p.embedding, learned, False)

    def outputs(
        self, parameters: StudentParameters, x: Float[Array, "batch features"]
    ) -> Float[Array, "batch features"]:
        """phi(V^T B W x + c) for each row of x."""
        z = x
        if parameters.embedding is not None:
            z = z @ parameters.embedding.T
        if parameters.core is not None:
            z = z @ parameters.core.T
        if parameters.embedding is not None:
            z = z @ _readout(parameters)
        if parameters.bias is not None:
            z = z + parameters.bias[None, :]
        return self.activate(z)

    def preactivations(
        self, parameters: StudentParameters, x: Float[Array, "features batch"]
    ) -> Float[Array, "features batch"]:
        """V^T B W x + c for each column of x."""
        z = x
        if parameters.embedding is not None:
            z = parameters.embedding @ z
        if parameters.core is not None:
            z = parameters.core @ z
        if parameters.embedding is not None:
            z = _readout(parameters).T @ z
        return z if parameters.bias is None else z + parameters.bias[:, None]

    def gathered_hidden(
        self, parameters: StudentParameters, batch: SparseBatch
    ) -> Float[Array, "rows latent"]:
        """B W x for each row of a sparse batch: W x is a sum of few columns of W.

        With W = I the columns are those of B, and no product is left.
        """
        inner = parameters.core if parameters.embedding is None else parameters.embedding
        assert inner is not None
        # Written out: read as it lies, each entry of a column comes from another line of the cache.
        columns = jax.lax.optimization_barrier(inner.T)
        chosen = columns.at[batch.feature].get(mode="promise_in_bounds")
        h = jnp.zeros((batch.rows, inner.shape[0]), chosen.dtype)
        h = h.at[batch.row].add(
            chosen * batch.value[:, None], mode="promise_in_bounds", indices_are_sorted=True
        )
        if parameters.embedding is None or parameters.core is None:
            return h
        return h @ parameters.core.T

    def readout_of(self, parameters: StudentParameters) -> Float[Array, "latent features"] | None:
        """V; None for the identity."""
        return None if parameters.embedding is None else _readout(parameters)

    def activate(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        """phi, entry by entry."""
        return jax.nn.relu(z) if self.activation == "relu" else z

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
        return jnp.matmul(_readout(parameters).T, inner, precision=exact)

    def _in_use(self, dtype: jnp.dtype) -> Float[Array, " latent"]:
        """1 for latent dimensions in use, 0 for padding."""
        if self.active is None:
            return jnp.ones(self.latent, dtype)
        return (jnp.arange(self.latent) < self.active).astype(dtype)

    def _init_embedding(self, key: Key[Array, ""], count: int) -> Float[Array, "latent features"]:
        W = _sample_rows(key, self.latent, count)
        W = W * self._in_use(W.dtype)[:, None]
        if self.embedding_scale is not None:
            return W * self.embedding_scale
        return W / jnp.linalg.norm(W, axis=0, keepdims=True)


def _readout(parameters: StudentParameters) -> Float[Array, "latent features"]:
    readout = parameters.embedding if parameters.readout is None else parameters.readout
    assert readout is not None
    return readout


def _sample_rows(key: Key[Array, ""], rows: int, columns: int) -> Float[Array, "rows columns"]:
    """Standard normals whose row k depends on the key, k and the number of columns alone."""
    keys = jax.vmap(lambda k: jax.random.fold_in(key, k))(jnp.arange(rows))
    return jax.vmap(lambda row_key: jax.random.normal(row_key, (columns,)))(keys)
