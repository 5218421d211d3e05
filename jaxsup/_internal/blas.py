"""BLAS and LAPACK on the thread that calls them."""

import contextlib
import functools
import os
import threading
from collections.abc import Iterator

from threadpoolctl import ThreadpoolController

# Who sets one of these has chosen.
_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
_LIMITED = threading.Lock()


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep matrix products and decompositions to the thread that asks, as long as this lasts.

    For small matrices, and where each core has some: threads below that fight for the same cores.
    On two cores, a fit of one curve takes 11 ms so and 21 ms otherwise (10 and 60 where two
    processes fit), and spectra of 128 x 128 0.56 and 1.5 ms each.

    The number is one of the process: who comes first sets it and gives it back, others meanwhile
    find it so. What the environment says about threads is left alone.
    """
    if any(name in os.environ for name in _VARIABLES) or not _LIMITED.acquire(blocking=False):
        yield
        return
    try:
        with _libraries().limit(limits=1, user_api="blas"):
            yield
    finally:
        _LIMITED.release()


@functools.cache
def _libraries() -> ThreadpoolController:
    """What is loaded: NumPy has an OpenBLAS of its own, SciPy another, which JAX calls."""
    import scipy.linalg  # noqa: F401

    return ThreadpoolController()
