"""The memory that a large part takes on a device, in a process of its own, as JSON: the plan too.

python -m benchmarks.accelerator.peak_memory NETWORKS   # one of `NETWORKS`
"""

import json
import sys
from typing import Any

import jax

import jaxsup
from jaxsup.sweep.footprint import footprint
from jaxsup.sweep.programs import plan_programs

# Bytes that the part takes.
_MEMORY = 2**31
# Features and latent dimensions. On cards of NVIDIA's the first are trained by no kernel of ours,
# small ones by two, and large ones by halves: each has other arrays beside its networks.
NETWORKS = {"middling": (256, 64), "small": (64, 16), "large": (512, 256)}


def measure(device: Any, networks: str) -> dict[str, int]:
    """Networks of the part, bytes that were planned, and the peak that the device reports; or {}.

    Arguments:
        device: nothing has been computed on it in this process.
        networks: which of `NETWORKS`.
    """
    before = device.memory_stats() or {}
    if "peak_bytes_in_use" not in before:
        return {}
    size = NETWORKS[networks]
    (program,) = plan_programs(_sweep(*size, 2), 1)
    need = footprint(program, 2**20, [device])
    limit = min(_MEMORY, before.get("bytes_limit", _MEMORY) // 2)
    count = max(1, need.fitting(limit))
    jaxsup.run(_sweep(*size, count), devices=[device], chunk=count)
    peak = (device.memory_stats() or {})["peak_bytes_in_use"] - before["bytes_in_use"]
    return {"networks": count, "plan": need.part(count), "peak": peak}


def _sweep(features: int, latent: int, networks: int) -> jaxsup.Sweep:
    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(features, 1.5),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(latent),
        jaxsup.SGD(0.3),
        batch_size=256,
        steps=8,
        record=jaxsup.Record(points=2, evaluation_samples=1024),
    )
    return jaxsup.Sweep(experiment, seeds=networks)


if __name__ == "__main__":
    print(json.dumps(measure(jax.local_devices()[0], sys.argv[1])))
