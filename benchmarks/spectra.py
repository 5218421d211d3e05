"""Claim: the spectra of 10,000 matrices come faster than from a NumPy loop or from batched eigh.

10,000 random 64 x 256 matrices in float32. All compute the same: the product, the decomposition,
clusters, spectral measures, localization, entropy, capacities, saturation, tightness. Contenders:
`jaxsup.spectral.decompose_batch`; a NumPy loop, whose BLAS may use all cores or one, whichever is
faster; NumPy with one batched `eigh`; PyTorch, batched throughout.
"""

import functools
import os
from collections.abc import Callable
from typing import Any

from benchmarks.comparison import Notes, Row, rows_against, same_values
from benchmarks.devices import choose_threads, use_jax, use_torch
from benchmarks.report import cores
from benchmarks.turns import Prepared, calibrate, stopwatch, take_turns

# Rounding of float32 in an eigenproblem of this size, on quantities of order one.
_TOLERANCE = 1e-4
_COMPARED = ("eigenvalues", "localization", "entropy_localization", "capacities", "saturation")
_RIVALS = {
    "numpy": ("NumPy loop, one thread", 1.8),
    "numpy_all_cores": ("NumPy loop, BLAS on all cores", 1.8),
    "numpy_batched": ("NumPy, batched eigh", None),
    "torch": ("torch.linalg.eigh, batched", 1.0),
}


def measure(*, quick: bool = False, tiny: bool = False) -> list[Row]:
    """All rows."""
    case = {"matrices": 2_000 if quick else 10_000, "latent": 64, "features": 256, "seconds": 1.0}
    if tiny:
        case = {"matrices": 40, "latent": 4, "features": 8, "seconds": 0.0}
    names = ("jaxsup", *_RIVALS)
    work = f"spectra of {case['matrices']} matrices {case['latent']} x {case['features']}"
    notes = Notes(work, "jaxsup", functools.partial(same_values, tolerance=_TOLERANCE))
    seats = take_turns(__name__, names, case, 1 if tiny else 5, check=notes, apart=not tiny)
    return rows_against(
        work, seats, _RIVALS, lambda name: notes[name].replace("curves", "measures")
    )


def matrices(case: dict[str, Any]) -> Any:
    """Random matrices, the same for all contenders."""
    import numpy as np

    shape = (case["matrices"], case["latent"], case["features"])
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def compared(spectra: dict[str, Any]) -> list[list[float]]:
    """What is held against each other, of the first matrices: one row each."""
    import numpy as np

    columns = [np.asarray(spectra[name], float) for name in _COMPARED]
    columns[0] = columns[0] / columns[0].max()
    return np.concatenate([c.reshape(len(c), -1) for c in columns], axis=1).tolist()


def jaxsup_batch(case: dict[str, Any]) -> Prepared:
    """`decompose_batch`, whole spectra kept."""
    jax = use_jax()
    from jaxsup import spectral

    Ws = matrices(case)
    some = spectral.decompose_batch(Ws[:20])
    curve = compared({name: getattr(some, name) for name in _COMPARED})

    def work() -> None:
        jax.block_until_ready(spectral.decompose_batch(Ws))

    work()
    return Prepared(lambda: (stopwatch(work), len(Ws)), curve)


def numpy_loop(case: dict[str, Any], *, threads: int = 1) -> Prepared:
    """One matrix after the other."""
    os.environ["OPENBLAS_NUM_THREADS"] = str(threads)
    from benchmarks.spectra_numpy import measure_one

    return _numpy(case, lambda Ws: [measure_one(W) for W in Ws])


def numpy_all_cores(case: dict[str, Any]) -> Prepared:
    """One matrix after the other, all cores in each product and decomposition."""
    return numpy_loop(case, threads=cores())


def numpy_batched(case: dict[str, Any]) -> Prepared:
    """One product and one decomposition for a hundred matrices."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    from benchmarks.spectra_numpy import measure_batch

    return _numpy(case, measure_batch)


def _numpy(case: dict[str, Any], decompose: Callable[[Any], list[dict[str, Any]]]) -> Prepared:
    Ws = matrices(case)
    some = decompose(Ws[:20])
    curve = compared({name: [spectrum[name] for spectrum in some] for name in _COMPARED})

    def work(count: int) -> float:
        return stopwatch(lambda: [decompose(Ws[k : k + 100]) for k in range(0, count, 100)])

    count = min(len(Ws), max(100, calibrate(work, case["seconds"], first=100) // 100 * 100))
    return Prepared(lambda: (work(count), min(count, len(Ws))), curve)


def torch_batched(case: dict[str, Any]) -> Prepared:
    """Everything batched, in chunks of the size, out of a few, that was fastest."""
    torch = use_torch()
    from benchmarks.spectra_torch import measure_batch

    Ws = torch.from_numpy(matrices(case))
    some = measure_batch(torch, Ws[:20])
    curve = compared({name: some[name].numpy() for name in _COMPARED})

    def work(count: int, chunk: int) -> float:
        chunks = range(0, count, chunk)
        return stopwatch(lambda: [measure_batch(torch, Ws[k : k + chunk]) for k in chunks])

    trial = min(200, len(Ws))
    threads = choose_threads(torch, lambda: work(trial, trial))
    chunk = min((16, 64, 200), key=lambda size: min(work(trial, size) for _ in range(3)))
    count = min(len(Ws), calibrate(lambda n: work(n, chunk), case["seconds"], first=trial))
    facts = {"threads": threads, "chunk": chunk}
    return Prepared(lambda: (work(count, chunk), count), curve, facts)


CONTENDERS = {
    "jaxsup": jaxsup_batch,
    "numpy": numpy_loop,
    "numpy_all_cores": numpy_all_cores,
    "numpy_batched": numpy_batched,
    "torch": torch_batched,
}
