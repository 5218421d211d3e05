"""Test set-up: strict dtypes and ranks, runtime shape checks, a headless backend for figures.

Compilation is most of the suite's time: programs are compiled without LLVM's optimizations and by
XLA's older emitter of loops, which takes less than half as long, and in one piece, which costs less
where several workers share the cores; here and in the commands that tests start. Products of
NumPy and SciPy keep to one thread, for the same reason. Variables that make the run a user's:

    XLA_FLAGS=            programs compiled at the usual level
    JAXSUP_TYPECHECK=0    no checks of shapes and types at run time
    JAX_ENABLE_X64=1      float64 where nothing else is asked for

And one that makes this machine multiply as an accelerator does, unless it is told not to:

    JAXSUP_ROUNDED_PRODUCTS=1   see rounded_products.py
"""

import gc
import os
import signal
import subprocess
import sys
import types

# Read when NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import matplotlib
import pytest
from jaxtyping import install_import_hook

# A run in the background or under nohup begins with signals ignored, which tests of them, and the
# commands that they start, are not about.
for _name in ("SIGINT", "SIGHUP"):
    if signal.getsignal(_number := getattr(signal, _name)) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _name == "SIGINT" else signal.SIG_DFL)

_QUICK = (
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false "
    "--xla_llvm_disable_expensive_passes=true --xla_cpu_parallel_codegen_split_count=1"
)


def _known(flags: str) -> bool:
    """Whether the installed XLA takes the flags: it ends a process that names an unknown one."""
    asked = subprocess.run(
        [sys.executable, "-c", "import jax; jax.devices()"],
        env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags},
        capture_output=True,
    )
    return asked.returncode == 0


# Read when the first device is asked for. Workers of a parallel run inherit it.
if "XLA_FLAGS" not in os.environ:
    os.environ["XLA_FLAGS"] = _QUICK if _known(_QUICK) else _QUICK.split()[0]

_TYPED = os.environ.get("JAXSUP_TYPECHECK") != "0"
if _TYPED:
    install_import_hook("jaxsup", "checker.checked")

if os.environ.get("JAXSUP_ROUNDED_PRODUCTS") == "1":
    import rounded_products

    rounded_products.install()

matplotlib.use("Agg")
# Four virtual devices, so that sharding is tested on any machine.
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


# Of the pieces of memory that a process may have mapped.
_CROWDED = 0.25
# Bytes of a worker that make it clear up, a quarter of which stay: cores are few, memory as well.
_LARGE = 2 * 2**30

# What a test of bad input calls.
_REFUSALS = {"assert_error_form", "assert_one_line_error", "raises"}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let ``-k bad_input`` choose every test of an error; leave out what wrong types are for."""
    function = getattr(item, "function", None)
    if _names(getattr(function, "__code__", None)) & _REFUSALS:
        item.extra_keyword_matches.add("bad_input")
    if _TYPED and item.get_closest_marker("untyped"):
        reason = "the type checker of the test run answers first; scripts/test_as_users.sh runs it"
        item.add_marker(pytest.mark.skip(reason=reason))


def _names(code: types.CodeType | None) -> set[str]:
    """The names that a function uses, and those that functions inside of it use."""
    if code is None:
        return set()
    inner = [_names(part) for part in code.co_consts if isinstance(part, types.CodeType)]
    return set(code.co_names).union(*inner)


@pytest.fixture(scope="module", autouse=True)
def room_for_programs():
    """A worker runs hundreds of modules: it gives up what it compiled before it grows too large."""
    yield
    from jaxsup._internal.system import resident_memory, return_freed_memory
    from jaxsup.sweep.mapped import mapped_share

    if mapped_share() > _CROWDED or resident_memory() > _LARGE:
        jax.clear_caches()
        gc.collect()
        return_freed_memory()


@pytest.fixture
def x64():
    """Run one test in float64, as a user who enables it would."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def x32():
    """Run one test in float32, whatever the run's own dtype is: numbers beyond it are meant."""
    with jax.enable_x64(False):
        yield


@pytest.fixture
def full_precision():
    """Call an update as training calls it: at the precision that its caller sets."""
    with jax.default_matmul_precision("highest"):
        yield
