"""BLAS and LAPACK on the thread that calls them."""

import contextlib
import functools
import os
import threading
from collections.abc import Iterator

from threadpoolctl import ThreadpoolController

# Who sets this has chosen. (Clusters set OMP_NUM_THREADS for everybody.)
_VARIABLE = "OPENBLAS_NUM_THREADS"
_LIMITED = threading.Lock()


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep matrix products and decompositions to the thread that asks.

    For small matrices, and where each core has some: threads below that fight for the same cores.
    On two cores, a fit of one curve takes 11 ms so and 21 ms otherwise (10 and 60 where two
    processes fit), and spectra of 128 x 128 0.56 and 1.5 ms each.

    The number is one of the process: who comes first sets it, and gives it back in the end; others
    find it so until then. Where OPENBLAS_NUM_THREADS is set it is left alone.
    """
    if os.environ.get(_VARIABLE) or not _LIMITED.acquire(blocking=False):
        yield
        return
    try:
        with _libraries().limit(limits=1):
            yield
    finally:
        _LIMITED.release()


@functools.cache
def _libraries() -> ThreadpoolController:
    """What is loaded: NumPy has an OpenBLAS of its own, SciPy another, which JAX calls."""
    import scipy.linalg  # noqa: F401

    # No others: leaving gives each of them the number that it had.
    return ThreadpoolController().select(user_api="blas")
