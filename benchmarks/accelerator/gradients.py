"""One step of training, by every update, against the gradient in float64.

The step goes the way that training goes (`jaxsup.training.state.advance`), a batch of networks at
once and in the experiment's own precision, at so large a step size that what it changes is the
gradient: (before - after) / step size, to float32's rounding.
"""

import dataclasses
import functools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jaxsup
from benchmarks.accelerator.formulas import Loss
from benchmarks.accelerator.journal import Finding, at_most
from benchmarks.accelerator.stages import Surroundings
from benchmarks.report import cores
from jaxsup._internal.precision import products_on
from jaxsup.experiment.experiment import DATA_STREAM
from jaxsup.experiment.features import GroupedFeatures, HierarchicalFeatures
from jaxsup.training.state import advance, start
from jaxsup.training.updates import Dense, choose_update

BOUND = 2e-6
"""Of the largest entry of the gradient of an array: float32's rounding in sums of this length."""
_STEP_SIZE = 1024.0
_NETWORKS = 4
# Fewer features than 128 are written out as columns, more are gathered where phi has a gate.
_FEW, _MANY = 48, 160
_BY_FEATURES = {
    _MANY: (
        "frozen",
        "tied",
        "untied",
        "autoencoder",
        "linear",
        "no bias",
        "leaky",
        "abs, no bias",
    ),
    _FEW: ("frozen", "tied", "gelu"),
}
QUICK = ("160 features, tied", "48 features, frozen", "exact, one active")
"""The cases of a small run."""


class Case(NamedTuple):
    """What is trained for one step.

    Attributes:
        experiment: with plain gradient descent at `_STEP_SIZE`.
        loss: what float64 differentiates; None: the same update in float64.
    """

    experiment: jaxsup.Experiment
    loss: Loss | None


def cases() -> dict[str, Case]:
    """A case for each update and each way through it, by name."""
    students, found = _students(), {}
    for count, names in _BY_FEATURES.items():
        for name in names:
            found[f"{count} features, {name}"] = _sampled(students[name], count)
        identity = jaxsup.Student(count, "identity", core_scale=0.1, bias_scale=0.2)
        found[f"{count} features, W = I"] = _sampled(identity, count)
    large = jaxsup.Student(256, core_scale=0.05, bias_scale=0.2)
    middle = jaxsup.Student(64, core_scale=0.1, bias_scale=0.2)
    found["128 features, frozen"] = _sampled(middle, 128, batch_size=40)
    # The largest, on either side, of those that two kernels train, by programs of two warps.
    for count, latent in ((64, 32), (128, 16)):
        student = jaxsup.Student(latent, core_scale=0.2, bias_scale=0.2)
        found[f"{count} features, K = {latent}, frozen"] = _sampled(student, count)
    found["1024 features, frozen"] = _sampled(large, 1024, batch_size=1024)
    teacher = np.random.default_rng(1).normal(size=(_FEW, _FEW)) / _FEW**0.5
    found["a matrix as teacher"] = _sampled(students["frozen"], _FEW, teacher)
    pairs = GroupedFeatures(_MANY, 2, "correlated", 0.01)
    found["pairs of features"] = _sampled(students["frozen"], _MANY, features=pairs)
    trees = HierarchicalFeatures(0.02, 0.5, branching=3, depth=1, trees=_MANY // 4)
    found["trees of features"] = _sampled(students["tied"], _MANY, features=trees)
    found["dense samples"] = _sampled(students["tied"], _FEW, sampling="dense")
    linear = dataclasses.replace(students["untied"], activation="identity")
    laws = {
        "sparse": jaxsup.PowerLawFeatures(_FEW, 1.2),
        "gaussian": jaxsup.GaussianFeatures(_FEW, 1.2),
        "pairs": GroupedFeatures(_FEW, 2, "correlated", 0.1),
    }
    for name, law in laws.items():
        found[f"exact, {name}"] = _exact(linear, law)
    one = jaxsup.OneActiveFeatures(_FEW)
    found["exact, one active"] = _exact(students["autoencoder"], one)
    found["exact, one active, with a core"] = _exact(students["untied"], one)
    return found


def _students() -> dict[str, jaxsup.Student]:
    make = functools.partial(jaxsup.Student, 12, core_scale=0.3, bias_scale=0.2)
    return {
        "frozen": make(),
        "linear": make(activation="identity"),
        "no bias": make(bias=False),
        "tied": make(embedding="learned"),
        "untied": make(embedding="untied"),
        "autoencoder": make(embedding="learned", core=False),
        "leaky": make(activation=jaxsup.LeakyReLU(0.3)),
        "gelu": make(activation="gelu"),
        "abs, no bias": make(embedding="untied", bias=False, activation="abs"),
    }


def _sampled(
    student: jaxsup.Student, count: int, matrix: np.ndarray | None = None, **changes: Any
) -> Case:
    teacher = jaxsup.DiagonalTeacher(0.5) if matrix is None else jaxsup.MatrixTeacher(matrix)
    target = np.diag(np.arange(1.0, count + 1) ** -0.5) if matrix is None else matrix
    settings = {"features": jaxsup.PowerLawFeatures(count, 1.2), "batch_size": 200, **changes}
    experiment = jaxsup.Experiment(
        teacher=teacher, student=student, optimizer=jaxsup.SGD(_STEP_SIZE), **settings
    )
    return Case(experiment, Loss(student.activation.kind, target))


def _exact(student: jaxsup.Student, features: Any) -> Case:
    experiment = jaxsup.Experiment(
        features, jaxsup.DiagonalTeacher(0.5), student, jaxsup.SGD(_STEP_SIZE), gradient="exact"
    )
    return Case(experiment, None)


def find(surroundings: Surroundings) -> Iterator[Finding]:
    """The error of each case; all compile at the same time."""
    chosen = cases()
    if surroundings.small:
        chosen = {name: chosen[name] for name in QUICK}
    keys = jax.random.split(jax.random.key(5), _NETWORKS)

    def compiled(case: Case) -> Any:
        return jax.jit(jax.vmap(functools.partial(one_step, case))).lower(keys).compile()

    threads = ThreadPoolExecutor(cores())
    try:
        programs = {name: threads.submit(compiled, case) for name, case in chosen.items()}
        for name, case in chosen.items():
            if surroundings.left < 0:
                yield Finding(name, note="not checked: out of time")
                continue
            error, where = largest_error(case, programs[name].result()(keys), keys)
            note = f"{_manner(case.experiment)}; largest in the {where}"
            yield at_most(name, error, BOUND, "of the largest entry", note)
    finally:
        threads.shutdown(cancel_futures=True)


def _manner(experiment: jaxsup.Experiment) -> str:
    """How a device computes its updates."""
    update = choose_update(experiment)
    return f"{update.kind}, products {update.products(experiment, jax.local_devices()[0])}"


def one_step(case: Case, key: Any) -> tuple[Any, Any, Any]:
    """Parameters before and after a step, and the samples that it saw, [batch, features]."""
    experiment, update = case.experiment, choose_update(case.experiment)
    before, device = start(experiment, key), jax.local_devices()[0]
    products = products_on(device, experiment.precision)
    there = update.on(experiment, device)
    after = advance(experiment, there, key, before, 0, 1, products=products)
    samples = None
    if case.loss is not None:
        batch_key = jax.random.fold_in(jax.random.fold_in(key, DATA_STREAM), 0)
        if isinstance(update, Dense):
            samples = experiment.features.sample_batch(batch_key, experiment.batch_size)
        else:
            batch = update.prepare(experiment, experiment.batch_size).draw(batch_key)
            samples = jnp.pad(batch.columns().T, ((0, batch.batch - batch.rows), (0, 0)))
    return before.parameters, after.parameters, samples


def largest_error(case: Case, result: Any, keys: Any) -> tuple[float, str]:
    """The largest error of a gradient, relative to its array's largest entry, and the array."""
    errors = {}
    for network, key in enumerate(keys):
        before, after, samples = jax.tree.map(
            lambda leaf, n=network: np.asarray(leaf[n], np.float64), result
        )
        learned = case.experiment.student.trainable(before)
        if case.loss is None:
            expected = _in_float64(case.experiment, before, key)
        else:
            expected = case.loss.gradient(_arrays(before), samples)
        for name, learns in _arrays(learned).items():
            if learns:
                step = (_arrays(before)[name] - _arrays(after)[name]) / _STEP_SIZE
                error = np.abs(step - expected[name]).max() / np.abs(expected[name]).max()
                errors[name] = float(np.fmax(errors.get(name, 0.0), np.nan_to_num(error, nan=1.0)))
    worst = max(errors, key=lambda name: errors[name])
    return errors[worst], worst


def _arrays(parameters: Any) -> dict[str, Any]:
    names = ("embedding", "readout", "core", "bias")
    return {name: getattr(parameters, name) for name in names}


def _in_float64(experiment: jaxsup.Experiment, before: Any, key: Any) -> dict[str, Any]:
    """The gradient of the expected loss by the same update, on the host if JAX has that too."""
    try:
        host = jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        host = jax.local_devices()[0]
    with jax.enable_x64(True), jax.default_device(host):
        wide = jax.tree.map(jnp.asarray, before)
        learned, frozen = eqx.partition(wide, experiment.student.trainable(wide))
        update = choose_update(experiment)
        gradient = update.gradient(experiment, update.prepare(experiment, 1), learned, frozen, key)
        return jax.tree.map(np.asarray, _arrays(gradient))
