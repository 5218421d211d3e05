"""Which devices a run takes from Python: a core each, unless JAX has settled on others."""

import os
import subprocess
import sys

import pytest

CODE = """
import logging, sys
import jax
from jaxsup.sweep import devices
devices.available_cores = lambda: 3
logging.basicConfig(format="%(levelname)s %(name)s %(message)s", stream=sys.stdout)
{first}
print(len(devices.default_devices()), len(devices.default_devices()))
"""
LATE = (
    "WARNING jaxsup.sweep.devices networks are trained on 1 CPU device of 3 cores: JAX was used "
    "before jaxsup.run; for all cores, put jax.config.update('jax_num_cpu_devices', 3) right after "
    "import jax"
)
CASES = {
    "first use": ("", {}, ["3 3"]),
    "used before": ("jax.devices()", {}, [LATE, "1 1"]),
    "settled": ("jax.config.update('jax_num_cpu_devices', 2)", {}, ["2 2"]),
    "settled, used before": (
        "jax.config.update('jax_num_cpu_devices', 1); jax.devices()",
        {},
        ["1 1"],
    ),
    "XLA's flag": ("", {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}, ["2 2"]),
}


def output(code: str, **variables: str) -> list[str]:
    """The lines that code prints on a CPU, of which nothing was said to JAX."""
    settled = ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES")
    environment = {name: text for name, text in os.environ.items() if name not in settled}
    environment |= {"JAX_PLATFORMS": "cpu", **variables}
    process = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


@pytest.mark.parametrize("name", CASES)
def test_all_cores_unless_they_were_settled_before(name: str) -> None:
    first, variables, expected = CASES[name]
    assert output(CODE.format(first=first), **variables) == expected


RUN = """
import jaxsup
from jaxsup.sweep import devices
devices.available_cores = lambda: 3
student = jaxsup.Student(6, "identity", activation="identity", bias=False)
experiment = jaxsup.Experiment(
    jaxsup.GaussianFeatures(6, 1.5), jaxsup.DiagonalTeacher(0.0), student, jaxsup.SGD(0.5),
    steps=2, gradient="exact", record=jaxsup.Record(points=2))
sweep = jaxsup.Sweep(experiment, {"teacher.exponent": [0.0, 0.5, 1.0]})
print(jaxsup.run(sweep).attrs["device_count"])
"""


@pytest.mark.slow
def test_what_is_written_before_a_run_leaves_jax_unused() -> None:
    """Making experiments and sweeps starts no backend: the run is JAX's first use."""
    assert output(RUN) == ["3"]
