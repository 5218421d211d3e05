"""Geometry of the response V^T B W, held against dense float64 numpy and against that of W."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsup
from jaxsup.experiment.observables import Network
from jaxsup.experiment.students import StudentParameters
from jaxsup.training.observables import OBSERVABLES

NAMES = ("response_saturation", "response_spread", "response_localization")
OF_W = ("saturation", "eigenvalue_spread", "localization")
K, N = 4, 9


def network_of(
    W: np.ndarray | None,
    B: np.ndarray | None,
    V: np.ndarray | None = None,
    tolerance: float | None = None,
) -> Network:
    """A network with these arrays; V = W where none is given."""
    if W is not None:
        kind = "learned" if V is None else "untied"
        student, count = jaxsup.Student(len(W), kind, core=B is not None), W.shape[1]
    else:
        assert B is not None
        student, count = jaxsup.Student(len(B), "identity"), len(B)
    arrays = [None if array is None else jnp.asarray(array) for array in (W, V, B)]
    parameters = StudentParameters(*arrays, bias=None)
    return Network(parameters, jnp.zeros(count), jnp.zeros(()), student, tolerance)


def measure(network: Network, names: tuple[str, ...] = NAMES) -> np.ndarray:
    return np.array([OBSERVABLES[name].measure(network) for name in names])


def expected(M: np.ndarray, rank: int) -> np.ndarray:
    """Of the dense N x N response, singular values in general position.

    The Gram matrix of the frame is (M M^T)^(1/2), by the eigenvectors of M M^T; an output's measure
    is its share of each of them.
    """
    squares, vectors = np.linalg.eigh(M @ M.T)
    values, vectors = np.sqrt(squares[-rank:]), vectors[:, -rank:]
    gram = (vectors * values) @ vectors.T
    capacities = np.diag(gram) ** 2 / (gram**2).sum(axis=1)
    measures = vectors**2 * values / np.diag(gram)[:, None]
    mean = measures @ values
    spread = np.sqrt(measures @ values**2 - mean**2) / mean
    return np.array([capacities.sum() / rank, spread.mean(), (measures**2).sum(axis=1).mean()])


def arrays(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W, B and V in general position, float64."""
    generator = np.random.default_rng(seed)
    W, B, V = (generator.normal(size=shape) for shape in ((K, N), (K, K), (K, N)))
    return W, B, V


@pytest.mark.usefixtures("x64")
def test_the_geometry_of_the_response_is_that_of_the_dense_matrix() -> None:
    W, B, V = arrays()
    cases = {
        "bottleneck": (W, B, None),
        "untied": (W, B, V),
        "untied without a core": (W, None, V),
        "autoencoder": (W, None, None),
    }
    for name, (encoder, core, readout) in cases.items():
        decoder = encoder if readout is None else readout
        inner = np.eye(K) if core is None else core
        dense = expected(decoder.T @ inner @ encoder, K)
        np.testing.assert_allclose(
            measure(network_of(encoder, core, readout)), dense, rtol=1e-10, err_msg=name
        )
        # Of the outputs: with the response transposed it is another geometry, unless M = M^T.
        other = expected(encoder.T @ inner.T @ decoder, K)
        assert np.allclose(other, dense) == (name == "autoencoder"), name


@pytest.mark.usefixtures("x64")
def test_the_geometry_of_the_response_without_superposition_is_that_of_the_core() -> None:
    B = np.random.default_rng(1).normal(size=(N, N))
    np.testing.assert_allclose(measure(network_of(None, B)), expected(B, N), rtol=1e-10)
    # Any rotation of the features saturates: all singular values are one.
    rotation = np.linalg.qr(B)[0]
    np.testing.assert_allclose(measure(network_of(None, rotation)), [1, 0, 1], atol=1e-12)
    diagonal = np.diag(np.arange(1.0, N + 1))
    np.testing.assert_allclose(measure(network_of(None, diagonal)), [1, 0, 1], atol=1e-12)


@pytest.mark.usefixtures("x64")
def test_an_autoencoder_and_its_response_have_one_geometry() -> None:
    """As it is, and where the same map is written with a readout or a core of its own."""
    W, B, _ = arrays(2)
    of_W = measure(network_of(W, None), OF_W)
    np.testing.assert_array_equal(measure(network_of(W, None)), of_W)
    np.testing.assert_allclose(measure(network_of(W, np.eye(K))), of_W, rtol=1e-12)
    np.testing.assert_allclose(measure(network_of(W, None, W)), of_W, rtol=1e-12)
    # A symmetric positive core: B^(1/2) W.
    values, vectors = np.linalg.eigh(B @ B.T)
    root = (vectors * np.sqrt(values)) @ vectors.T
    core = network_of(W, B @ B.T)
    np.testing.assert_allclose(measure(core), measure(network_of(root @ W, None), OF_W), rtol=1e-12)
    # ... and a rotation before it changes what comes in, not how outputs are put together.
    turned = network_of(W, B @ B.T @ vectors)
    assert np.abs(measure(turned) - measure(core)).max() > 1e-3


def test_a_pentagon_at_the_outputs_is_saturated_whatever_random_frame_reads_the_features() -> None:
    """M = P^T Z, P a pentagon and a zero column, Z with orthonormal rows: rank 2 of K = 3."""
    angles = 2 * np.pi * np.arange(5) / 5
    decoder = np.ones((3, 6))
    decoder[:2] = 0
    decoder[:2, :5] = np.cos(angles), np.sin(angles)
    encoder = np.random.default_rng(3).normal(size=(3, 6))
    rotation, triangle = np.linalg.qr(encoder.T)
    core = np.zeros((3, 3))
    core[:2] = np.linalg.inv(triangle.T)[:2]
    np.testing.assert_allclose(core[:2] @ encoder, rotation.T[:2], atol=1e-12)
    W, B, V = (array.astype(np.float32) for array in (encoder, core, decoder))
    np.testing.assert_allclose(measure(network_of(W, B, V)), [1, 0, 1], atol=1e-5)
    # The features' own frame is not saturated.
    assert measure(network_of(W, None))[0] < 0.9


def test_a_response_of_zero_has_no_geometry_and_one_of_another_class_none() -> None:
    W = np.eye(2, 3, dtype=np.float32)
    values = measure(network_of(W, np.zeros((2, 2), np.float32)))
    assert values[0] == 0
    assert np.isnan(values[1:]).all()
    network = network_of(W, None)
    network.parameters = {"embedding": jnp.asarray(W)}
    assert np.isnan(measure(network)).all()


class Other(jaxsup.AbstractStudent):
    """A student of another class with the arrays of `Student`, which mean something else."""

    latent: int = eqx.field(static=True, default=2)

    def init_parameters(self, key, count):
        return StudentParameters(None, None, jnp.eye(2), None)

    def outputs(self, parameters, x):
        return x


def test_arrays_of_a_student_in_another_class_say_nothing_of_an_identity() -> None:
    start = Other().init_parameters(jax.random.key(0), 3)
    network = Network(start, jnp.zeros(3), jnp.zeros(()), Other())
    names = ("response_capacities", "response_spectrum", *NAMES, *OF_W, "rank", "capacities")
    shapes = {"response_capacities": 3, "response_spectrum": 2, "capacities": 3}
    for name in names:
        values = OBSERVABLES[name].measure(network)
        assert values.size == shapes.get(name, 1), name
        assert np.isnan(values).all(), name


def test_an_observable_of_ones_own_may_share_by_any_name() -> None:
    network = network_of(np.eye(2, 3, dtype=np.float32), None)
    assert network.once("spectrum", lambda: 1) == network.once("response_geometry", lambda: 1)
    assert np.isfinite(measure(network, (*NAMES, *OF_W))).all()


def test_the_tolerance_of_the_record_is_that_of_the_response() -> None:
    angles = 2 * np.pi * np.arange(5) / 5
    noisy = np.stack([np.cos(angles), 1.01 * np.sin(angles)]).astype(np.float32)
    core = np.eye(2, dtype=np.float32)
    assert measure(network_of(noisy, core))[2] < 0.9
    assert measure(network_of(noisy, core, tolerance=0.05))[2] == pytest.approx(1, abs=1e-5)


def test_no_array_of_features_by_features_is_formed() -> None:
    W, B, V = (array.astype(np.float32) for array in arrays())
    for network in (network_of(W, B), network_of(W, B, V)):
        program = str(jax.make_jaxpr(measure_all)(network.parameters, network.student))
        assert f"[{K},{K}]" in program
        assert f"[{N},{N}]" not in program


def measure_all(parameters: StudentParameters, student: jaxsup.Student) -> list[jax.Array]:
    network = Network(parameters, jnp.zeros(N), jnp.zeros(()), student)
    return [OBSERVABLES[name].measure(network) for name in NAMES]
