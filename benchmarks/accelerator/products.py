"""Ways to multiply float32 numbers: how far each is from float64, and how fast it is.

Tensor cores have no float32 of their own; several passes of fewer bits come near it. An algorithm
that a platform or this version of JAX hasn't got is said to be refused.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxsup
from benchmarks import peaks
from benchmarks.accelerator.ensembles import (
    bottleneck_experiment,
    large_case,
    per_unit,
)
from benchmarks.accelerator.formulas import Loss
from benchmarks.accelerator.journal import Finding
from benchmarks.accelerator.stages import Surroundings
from benchmarks.turns import stopwatch
from jaxsup.experiment.experiment import initial_parameters
from jaxsup.training.updates import choose_update

WAYS = (
    "highest",
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
GRADIENT_BOUND = 2e-6
"""An algorithm takes the place of float32 if its gradients are as near as this."""


def find(surroundings: Surroundings) -> Iterator[Finding]:
    """Of each way: errors of a product and of a gradient, the rate of squares and of gradients."""
    small = surroundings.small
    case = large_case(small=small)
    experiment, networks = bottleneck_experiment(case), case.networks
    for name in WAYS[:3] if small else WAYS:
        if surroundings.left < 0:
            yield Finding(name, note="not measured: out of time")
            continue
        try:
            rate = _rate(name, 256 if small else 4096, surroundings)
            product, (gradient, seconds) = (
                product_error(name),
                _gradients(name, experiment, networks, small=small),
            )
        except Exception as error:  # of whatever kind a compiler raises
            reason = " ".join(str(error).split())[:160]
            yield Finding(name, note=f"refused: {type(error).__name__}: {reason}")
            continue
        keeps = "keeps" if gradient <= GRADIENT_BOUND else "does not keep"
        yield Finding(f"{name}: error of a product", value=product, unit="of the largest entry")
        yield Finding(
            f"{name}: error of a gradient",
            value=gradient,
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
        with jax.default_matmul_precision(name):
            return function(*arguments)

    return there


def _rate(name: str, side: int, surroundings: Surroundings) -> float:
    """Floating-point operations a second of squares."""
    devices = list(surroundings.devices)[:1]
    work, units = peaks.chain(_at(name, lambda x, square: x @ square), "float32", side, devices)
    return units / per_unit(work, 0.05 if surroundings.small else 0.3)


def product_error(name: str) -> float:
    """The largest error of a product of normal numbers, sums of 1,024, over its largest entry."""
    rng = np.random.default_rng(3)
    A, B = (rng.standard_normal(shape).astype(np.float32) for shape in ((256, 1024), (1024, 256)))
    ours = np.asarray(jax.jit(_at(name, jnp.matmul))(A, B), np.float64)
    exact = A.astype(np.float64) @ B.astype(np.float64)
    return float(np.abs(ours - exact).max() / np.abs(exact).max())


def _gradients(
    name: str, experiment: jaxsup.Experiment, networks: int, *, small: bool
) -> tuple[float, float]:
    """The error of one gradient of the core, and seconds a network-step of many gradients."""
    update, keys = choose_update(experiment), jax.random.split(jax.random.key(2), networks)
    parameters = jax.jit(jax.vmap(lambda key: initial_parameters(experiment, key)))(keys)

    # An argument, as in sweeps: a constant would be computed with anew in every turn of a loop.
    tables = jax.jit(lambda e: update.prepare(e, e.batch_size))(experiment)

    def once(parameters: Any, key: Any, tables: Any) -> Any:
        student = experiment.student
        mask = student.trainable(parameters)
        learned = jax.tree.map(lambda leaf, learns: leaf if learns else None, parameters, mask)
        frozen = jax.tree.map(lambda leaf, learns: None if learns else leaf, parameters, mask)
        return update.gradient(experiment, tables, learned, frozen, key)

    @jax.jit
    def repeat(parameters: Any, keys: Any, tables: Any, count: Any) -> Any:
        def body(step: Any, parameters: Any) -> Any:
            def descend(parameters: Any, key: Any) -> Any:
                slopes = _at(name, once)(parameters, jax.random.fold_in(key, step), tables)
                return jax.tree.map(
                    lambda leaf, slope: leaf if slope is None else leaf - 0.1 * slope,
                    parameters,
                    slopes,
                    is_leaf=lambda leaf: leaf is None,
                )

            return jax.vmap(descend)(parameters, keys)

        return jax.lax.fori_loop(0, count, body, parameters)

    one, key = jax.tree.map(lambda leaf: leaf[0], parameters), keys[0]
    ours = np.asarray(jax.jit(_at(name, once))(one, key, tables).core, np.float64)
    batch = tables.draw(key)
    x = np.asarray(batch.columns(), np.float64).T
    arrays = {
        field: None if getattr(one, field) is None else np.asarray(getattr(one, field), np.float64)
        for field in ("embedding", "readout", "core", "bias")
    }
    # Samples that are not listed are empty, and at zero bias they have no gradient.
    loss = Loss("relu", np.eye(experiment.features.count))
    exact = loss.gradient(arrays, x)["core"] * len(x) / experiment.batch_size
    error = float(np.abs(ours - exact).max() / np.abs(exact).max())

    def work(count: int) -> float:
        return stopwatch(lambda: jax.block_until_ready(repeat(parameters, keys, tables, count)))

    return error, per_unit(work, 0.05 if small else 0.3) / networks
