"""What the machine can do: matrix products and memory, measured in the same turns as the work.

A peak that is none gives shares above 100%. So sizes are doubled until the rate stops rising, and a
turn is one compiled program of many repetitions, each made of the result of the one before: none of
them can be left out, made once for all, or waited for. Products are in the arithmetic that the work
uses: `jaxsup.Experiment.precision`, and float64 where the case says ``x64``.
"""

import functools
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.devices import use_jax
from benchmarks.report import cores
from benchmarks.turns import Prepared, calibrate, stopwatch

# Twice the size must raise the rate by more than this to be worth twice that size again.
_RISE = 1.05
# So often is a size doubled at most.
_DOUBLINGS = 5
_TRIALS = 3
# A product, or a pass over memory, is so often written out in the body of the loop.
_WRITTEN_OUT = 4


class Peak(NamedTuple):
    """The fastest of several sizes.

    Attributes:
        size: the side of the matrices, or the numbers in an array.
        rate: units of work a second.
        work: does so many repetitions and returns the seconds they took.
        units: of work in a repetition.
    """

    size: int
    rate: float
    work: Callable[[int], float]
    units: float

    def prepared(self, seconds: float, **facts: Any) -> Prepared:
        """As a contender whose turns last `seconds`."""
        count = calibrate(self.work, seconds)
        turn = lambda: (self.work(count), count * self.units)  # noqa: E731
        return Prepared(turn, facts={"size": self.size, **facts})


def grow(
    make: Callable[[int], tuple[Callable[[int], float], float]], first: int, seconds: float
) -> Peak:
    """The size, doubled from `first` on, from which on the rate rises no more.

    Arguments:
        make: a size -> (`Peak.work`, `Peak.units`).
        first: the smallest size.
        seconds: how long each size is measured; 0 (for tests): the first one is taken.
    """
    best: Peak | None = None
    for size in (first * 2**k for k in range(_DOUBLINGS + 1)):
        work, units = make(size)
        count = calibrate(work, seconds)
        fastest = min(work(count) for _ in range(_TRIALS))  # others may use the machine too
        peak = Peak(size, count * units / fastest, work, units)
        rises = best is None or peak.rate > _RISE * best.rate
        if best is None or peak.rate > best.rate:
            best = peak
        if not (rises and seconds):
            break
    assert best is not None
    return best


def products(case: dict[str, Any]) -> Prepared:
    """Seconds a floating-point operation of large matrix products, by the fastest of their kind.

    A chain of products on each device by JAX; on a CPU also one by NumPy's BLAS with all threads;
    on cards that train large networks by halves of float16, also one of these.
    """
    x64, precision = case.get("x64", False), case.get("precision", "float32")
    os.environ["OPENBLAS_NUM_THREADS"] = str(cores())
    jax = use_jax(x64=x64)
    from jaxsup.training.updates.halved import unfit_card

    dtype, seconds = ("float64" if x64 else "float32"), case.get("seconds", 1.0)
    libraries = {"JAX": functools.partial(chain_on_devices, dtype, precision)}
    if jax.local_devices()[0].platform == "cpu":
        libraries["BLAS"] = functools.partial(_chain_in_blas, dtype)
    elif precision == "float32" and unfit_card(jax.local_devices()[0]) is None:
        of_halves = functools.partial(chain_of_halves, devices=jax.local_devices())
        libraries["halves of float16"] = of_halves
    peaks = {library: grow(make, case["side"], seconds / 8) for library, make in libraries.items()}
    library = max(peaks, key=lambda name: peaks[name].rate)
    arithmetic = dtype if x64 else f"{dtype}, {precision!r}"
    return peaks[library].prepared(seconds, library=library, arithmetic=arithmetic)


def chain_on_devices(dtype: str, precision: str, side: int) -> tuple[Callable[[int], float], float]:
    """Products in a row on every device of JAX, the precision as `jaxsup.Experiment` has it."""
    import jax

    from jaxsup._internal.precision import at_precision, products_on

    def multiply(x: Any, square: Any) -> Any:
        return x @ square

    devices = jax.local_devices()
    return chain(at_precision(products_on(devices[0], precision), multiply), dtype, side, devices)


def chain(
    multiply: Callable[[Any, Any], Any], dtype: str, side: int, devices: list[Any]
) -> tuple[Callable[[int], float], float]:
    """`Peak.work` and `Peak.units` of a product of two squares, in rows of x <- multiply(x, H)."""
    import jax

    @jax.jit
    def repeat(x: Any, square: Any, count: Any) -> Any:
        def body(_: Any, x: Any) -> Any:
            for _ in range(_WRITTEN_OUT):
                x = multiply(x, square)
            return x

        return jax.lax.fori_loop(0, count, body, x)

    squares = [jax.device_put(_reflection(side, dtype), device) for device in devices]

    def work(count: int) -> float:
        return stopwatch(lambda: jax.block_until_ready([repeat(x, x, count) for x in squares]))

    return work, len(squares) * _WRITTEN_OUT * 2.0 * side**3


def chain_of_halves(side: int, devices: list[Any]) -> tuple[Callable[[int], float], float]:
    """Products of squares in halves, on each of the devices: each waits for the one before."""
    import jax
    import jax.numpy as jnp

    from jaxsup.training.updates.halves import halve, product

    @jax.jit
    def repeat(square: Any, count: Any) -> Any:
        factor, rows = halve(square, jnp.max(jnp.abs(square))), jnp.full(1, side, jnp.int32)

        def body(_: Any, unit: Any) -> Any:
            for _ in range(_WRITTEN_OUT):
                left = factor._replace(unit=unit)
                out = product(left, factor, rows=rows, turned=(False, False))
                # Always 1, but no compiler knows.
                unit = unit * jnp.where(jnp.abs(out[0, 0]) < jnp.inf, 1.0, 2.0)
            return unit

        return jax.lax.fori_loop(0, count, body, factor.unit)

    squares = [jax.device_put(_reflection(side, "float32"), device) for device in devices]

    def work(count: int) -> float:
        return stopwatch(lambda: jax.block_until_ready([repeat(x, count) for x in squares]))

    return work, len(squares) * _WRITTEN_OUT * 2.0 * side**3


def _chain_in_blas(dtype: str, side: int) -> tuple[Callable[[int], float], float]:
    import numpy as np

    square = _reflection(side, dtype)
    pair = [square.copy(), np.empty_like(square)]

    def work(count: int) -> float:
        def multiply() -> None:
            for _ in range(count):
                np.matmul(pair[0], square, out=pair[1])
                pair.reverse()

        return stopwatch(multiply)

    return work, 2.0 * side**3


def _reflection(side: int, dtype: str) -> Any:
    """H = 1 - 2 v v^T / |v|^2: products of it neither grow nor vanish."""
    import numpy as np

    v = np.random.default_rng(0).standard_normal(side).astype(dtype)
    H = np.outer(v, -2.0 * v / (v @ v)).astype(dtype)
    H[np.diag_indices(side)] += 1
    return H


def memory(case: dict[str, Any]) -> Prepared:
    """Seconds a byte between memory and all cores: x <- x / 2 + y over arrays beyond any cache."""
    use_jax()
    seconds = case.get("seconds", 1.0)
    return grow(_stream, case["stream"], seconds / 8).prepared(seconds)


def _stream(size: int) -> tuple[Callable[[int], float], float]:
    import jax
    import jax.numpy as jnp

    @functools.partial(jax.jit, donate_argnums=0)
    def repeat(x: Any, y: Any, count: Any) -> Any:
        return jax.lax.fori_loop(0, count, lambda _, x: 0.5 * x + y, x)

    def filled(value: float) -> list[Any]:
        return [
            jax.device_put(jnp.full(size, value, jnp.float32), device)
            for device in jax.local_devices()
        ]

    xs, ys = filled(1.0), filled(2.0)

    def work(count: int) -> float:
        def stream() -> None:
            xs[:] = [repeat(x, y, count) for x, y in zip(xs, ys, strict=True)]
            jax.block_until_ready(xs)

        return stopwatch(stream)

    return work, len(ys) * 3 * 4.0 * size


CONTENDERS = {"products": products, "memory": memory}
