"""Test set-up: strict dtypes and ranks, runtime shape checks, a headless backend for figures.

Compilation is most of the suite's time: programs are compiled with LLVM's first level of
optimisation, here and in the commands that tests start. `XLA_FLAGS= bash scripts/test.sh` compiles
them as users do.
"""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1")

import matplotlib

matplotlib.use("Agg")

from jaxtyping import install_import_hook

install_import_hook("jaxsup", "checker.checked")

import jax  # noqa: E402
import pytest  # noqa: E402

# Four virtual devices, so that sharding is tested on any machine.
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


@pytest.fixture
def x64():
    """Run one test in float64, as a user who enables it would."""
    with jax.enable_x64(True):
        yield
