"""Test set-up: strict dtypes and ranks, runtime shape checks, a headless backend for figures.

Compilation is most of the suite's time: programs are compiled with LLVM's first level of
optimization, here and in the commands that tests start. Variables that make the run a user's:

    XLA_FLAGS=            programs compiled at the usual level
    JAXSUP_TYPECHECK=0    no checks of shapes and types at run time
    JAX_ENABLE_X64=1      float64 where nothing else is asked for

And one that makes this machine multiply as an accelerator does, unless it is told not to:

    JAXSUP_ROUNDED_PRODUCTS=1   see rounded_products.py
"""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1")

import matplotlib

matplotlib.use("Agg")

from jaxtyping import install_import_hook

if os.environ.get("JAXSUP_TYPECHECK") != "0":
    install_import_hook("jaxsup", "checker.checked")

import jax
import pytest

if os.environ.get("JAXSUP_ROUNDED_PRODUCTS") == "1":
    import rounded_products

    rounded_products.install()

# Four virtual devices, so that sharding is tested on any machine.
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


@pytest.fixture
def x64():
    """Run one test in float64, as a user who enables it would."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def full_precision():
    """Call an update as training calls it: at the precision that its caller sets."""
    with jax.default_matmul_precision("highest"):
        yield
