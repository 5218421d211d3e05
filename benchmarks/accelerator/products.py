"""Ways to multiply float32 numbers: how far each is from float64, and how fast it is.

Tensor cores have no float32 of their own; several passes of fewer bits come near it. An algorithm
that a platform or this version of JAX hasn't got is said to be refused.

Errors are those of a product, of a gradient where training starts, and of one where it has gone on
for a while: outputs and targets nearly cancel there, and what is left of outputs is their error.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxsup
from benchmarks import peaks
from benchmarks.accelerator.contest import refused
from benchmarks.accelerator.ensembles import (
    bottleneck_experiment,
    large_case,
    per_unit,
)
from benchmarks.accelerator.formulas import Loss
from benchmarks.accelerator.journal import Finding
from benchmarks.accelerator.stages import Surroundings
from benchmarks.turns import stopwatch
from jaxsup.training.state import advance, start
from jaxsup.training.updates import choose_update
from jaxsup.training.updates.halves import halve, product

HALVES = "halves of float16"
"""Our own: `jaxsup.training.updates.halves`."""
WAYS = (
    "highest",
    HALVES,
    "BF16_BF16_F32_X6",
    "TF32_TF32_F32_X3",
    "BF16_BF16_F32_X9",
    "F32_F32_F32",
    "BF16_BF16_F32_X3",
    "high",
    "default",
    "TF32_TF32_F32",
    "BF16_BF16_F32",
)
"""Those that may take the place of float32 first, as `jax.default_matmul_precision` names them."""
_SMALL = "highest", "BF16_BF16_F32_X6", "TF32_TF32_F32_X3"
_TRAINED = 3000
GRADIENT_BOUND = 2e-6
"""An algorithm takes the place of float32 if its gradients are as near as this."""


def find(surroundings: Surroundings) -> Iterator[Finding]:
    """Of each way: errors of a product and of a gradient, the rate of squares and of gradients."""
    small = surroundings.small
    case = large_case(small=small)
    experiment, networks = bottleneck_experiment(case), case.networks
    for name in _SMALL if small else WAYS:
        if surroundings.left < 0:
            yield Finding(name, note="not measured: out of time")
            continue
        try:
            rate = _rate(name, 256 if small else 4096, surroundings)
            of_product = product_error(name)
            errors, seconds = _gradients(name, experiment, networks, small=small)
        except Exception as error:  # of whatever kind a compiler raises
            yield refused(name, error)
            continue
        yield Finding(f"{name}: error of a product", value=of_product, unit="of the largest entry")
        for (array, updates), error in errors.items():
            keeps = "keeps" if error <= GRADIENT_BOUND else "does not keep"
            yield Finding(
                f"{name}: error of a gradient of the {array} after {updates:,} updates",
                value=error,
                unit="of the largest entry",
                note=f"{keeps} {GRADIENT_BOUND:g}; {case.name}",
            )
        yield Finding(f"{name}: squares", value=rate / 1e12, unit="TFLOP/s")
        yield Finding(
            f"{name}: gradients",
            value=1e6 * seconds,
            unit="us a network-step",
            note=f"{case.flops / seconds / 1e12:.3g} TFLOP/s of products that cannot be avoided",
        )


def _at(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, traced where products are multiplied so."""

    def there(*arguments: Any) -> Any:
        with jax.default_matmul_precision("highest" if name == HALVES else name):
            return function(*arguments)

    return there


def _rate(name: str, side: int, surroundings: Surroundings) -> float:
    """Floating-point operations a second of squares."""
    devices = list(surroundings.devices)[:1]
    if name == HALVES:
        work, units = peaks.chain_of_halves(side, devices)
        return units / per_unit(work, 0.3)
    work, units = peaks.chain(_at(name, lambda x, square: x @ square), "float32", side, devices)
    return units / per_unit(work, 0.05 if surroundings.small else 0.3)


def product_error(name: str) -> float:
    """The largest error of a product of normal numbers, sums of 1,024, over its largest entry."""
    rng = np.random.default_rng(3)
    A, B = (rng.standard_normal(shape).astype(np.float32) for shape in ((256, 1024), (1024, 256)))
    multiply = _multiply_halves if name == HALVES else _at(name, jnp.matmul)
    ours = np.asarray(jax.jit(multiply)(A, B), np.float64)
    exact = A.astype(np.float64) @ B.astype(np.float64)
    return float(np.abs(ours - exact).max() / np.abs(exact).max())


def _multiply_halves(a: Any, b: Any) -> Any:
    factors = (halve(matrix, jnp.max(jnp.abs(matrix))) for matrix in (a, b))
    return product(*factors, rows=jnp.full(1, len(a), jnp.int32), turned=(False, False))


def _gradients(
    name: str, experiment: jaxsup.Experiment, networks: int, *, small: bool
) -> tuple[dict[tuple[str, int], float], float]:
    """Errors of gradients by array and updates made, and seconds a network-step of many."""
    plain, keys = choose_update(experiment), jax.random.split(jax.random.key(2), networks)
    update = dataclasses.replace(plain, halved=True) if name == HALVES else plain
    states = jax.jit(jax.vmap(lambda key: start(experiment, key)))(keys)

    # An argument, as in sweeps: a constant would be computed with anew in every turn of a loop.
    tables = jax.jit(lambda e: plain.prepare(e, e.batch_size))(experiment)

    def split(parameters: Any) -> tuple[Any, Any]:
        mask = experiment.student.trainable(parameters)
        learned = jax.tree.map(lambda leaf, learns: leaf if learns else None, parameters, mask)
        frozen = jax.tree.map(lambda leaf, learns: None if learns else leaf, parameters, mask)
        return learned, frozen

    def held(parameters: Any, tables: Any) -> Any:
        return update.training_tables(experiment, tables, split(parameters)[1], keys[0])

    def once(parameters: Any, key: Any, tables: Any) -> Any:
        return update.gradient(experiment, tables, *split(parameters), key)

    @jax.jit
    def repeat(parameters: Any, keys: Any, tables: Any, count: Any) -> Any:
        axis = None
        if name == HALVES:
            tables, axis = jax.vmap(held, (0, None))(parameters, tables), 0

        def body(step: Any, parameters: Any) -> Any:
            def descend(parameters: Any, key: Any, tables: Any) -> Any:
                slopes = _at(name, once)(parameters, jax.random.fold_in(key, step), tables)
                return jax.tree.map(
                    lambda leaf, slope: leaf if slope is None else leaf - 0.1 * slope,
                    parameters,
                    slopes,
                    is_leaf=lambda leaf: leaf is None,
                )

            return jax.vmap(descend, (0, 0, axis))(parameters, keys, tables)

        return jax.lax.fori_loop(0, count, body, parameters)

    def errors_of(state: Any, updates: int) -> dict[tuple[str, int], float]:
        one, key = state.parameters, keys[0]
        gradient = jax.jit(lambda one, tables: _at(name, once)(one, key, held(one, tables)))
        ours, exact = gradient(one, tables), _in_float64(experiment, one, tables.draw(key))
        return {
            (array, updates): float(
                np.abs(getattr(ours, array) - exact[array]).max() / np.abs(exact[array]).max()
            )
            for array in ("core", "bias")
        }

    def train(state: Any, tables: Any) -> Any:
        return advance(experiment, plain, keys[0], state, 0, count, tables=tables)

    first, count = jax.tree.map(lambda leaf: leaf[0], states), 50 if small else _TRAINED
    trained = jax.jit(train)(first, tables)
    errors = errors_of(first, 0) | errors_of(trained, count)

    def work(count: int) -> float:
        return stopwatch(
            lambda: jax.block_until_ready(repeat(states.parameters, keys, tables, count))
        )

    return errors, per_unit(work, 0.05 if small else 0.3) / networks


def _in_float64(
    experiment: jaxsup.Experiment, parameters: Any, batch: Any
) -> dict[str, np.ndarray]:
    """The gradient on a batch, by array; samples that are not listed are empty."""
    x = np.asarray(batch.columns(), np.float64).T
    x = np.concatenate([x, np.zeros((batch.batch - len(x), batch.count))])
    names = ("embedding", "readout", "core", "bias")
    arrays = {name: getattr(parameters, name) for name in names}
    arrays = {
        name: None if array is None else np.asarray(array, np.float64)
        for name, array in arrays.items()
    }
    return Loss("relu", np.eye(experiment.features.count)).gradient(arrays, x)
