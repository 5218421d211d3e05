"""What the machine can do: matrix products and memory, measured in the same turns as the work."""

import os
from typing import Any

from benchmarks.devices import use_jax
from benchmarks.report import cores
from benchmarks.turns import Prepared, calibrate, stopwatch


def products(case: dict[str, Any]) -> Prepared:
    """Seconds a floating-point operation of large matrix products, by the faster of two libraries.

    One product a device by JAX, and one by NumPy's BLAS with all threads; in float32, or in float64
    where the case says ``x64``.
    """
    side, x64 = case["side"], case.get("x64", False)
    os.environ["OPENBLAS_NUM_THREADS"] = str(cores())
    import numpy as np

    jax = use_jax(x64=x64)
    dtype = np.float64 if x64 else np.float32
    square = np.random.default_rng(0).standard_normal((side, side), dtype=dtype)
    placed = [jax.device_put(square, device) for device in jax.local_devices()]
    multiply = jax.jit(lambda x: x @ x)

    def turn() -> tuple[float, float]:
        on_devices = stopwatch(lambda: jax.block_until_ready([multiply(x) for x in placed]))
        in_blas = stopwatch(lambda: square @ square)
        return min(on_devices / len(placed), in_blas), 2.0 * side**3

    turn()
    turn()
    return Prepared(turn)


def memory(case: dict[str, Any]) -> Prepared:
    """Seconds a byte between memory and all cores: a <- b + s c over large arrays."""
    jax = use_jax()
    jnp = jax.numpy

    def filled(value: float) -> list[Any]:
        return [
            jax.device_put(jnp.full(case["stream"], value, jnp.float32), d)
            for d in jax.local_devices()
        ]

    a, b, c = filled(0.0), filled(1.0), filled(2.0)
    triad = jax.jit(lambda a, b, c: b + 0.5 * c, donate_argnums=0)

    def work(count: int) -> float:
        def stream() -> None:
            for _ in range(count):
                a[:] = [triad(x, y, z) for x, y, z in zip(a, b, c, strict=True)]
            jax.block_until_ready(a)

        return stopwatch(stream)

    count = calibrate(work, case.get("seconds", 1.0))
    return Prepared(lambda: (work(count), count * len(b) * 3 * 4.0 * case["stream"]))


CONTENDERS = {"products": products, "memory": memory}
