"""The memory that a large part takes on a device, in a process of its own, as JSON: the plan too.

python -m benchmarks.accelerator.peak_memory
"""

import json
from typing import Any

import jax

import jaxsup
from jaxsup.sweep.footprint import footprint
from jaxsup.sweep.programs import plan_programs

# Bytes that the part takes.
_MEMORY = 2**31


def measure(device: Any) -> dict[str, int]:
    """Networks of the part, bytes that were planned, and the peak that the device reports; or {}.

    Arguments:
        device: nothing has been computed on it in this process.
    """
    before = device.memory_stats() or {}
    if "peak_bytes_in_use" not in before:
        return {}
    (program,) = plan_programs(_sweep(2), 1)
    need = footprint(program, 2**20, [device])
    limit = min(_MEMORY, before.get("bytes_limit", _MEMORY) // 2)
    networks = max(1, need.fitting(limit))
    jaxsup.run(_sweep(networks), devices=[device], chunk=networks)
    peak = (device.memory_stats() or {})["peak_bytes_in_use"] - before["bytes_in_use"]
    return {"networks": networks, "plan": need.part(networks), "peak": peak}


def _sweep(networks: int) -> jaxsup.Sweep:
    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(256, 1.5),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(64),
        jaxsup.SGD(0.3),
        batch_size=256,
        steps=8,
        record=jaxsup.Record(points=2, evaluation_samples=1024),
    )
    return jaxsup.Sweep(experiment, seeds=networks)


if __name__ == "__main__":
    print(json.dumps(measure(jax.local_devices()[0])))
