"""Claim: a network-step costs the same from 10^2 to 10^5 networks, in the memory that was planned.

    python -m benchmarks.scaling                     # table, and benchmarks/scaling.json
    python -m benchmarks.scaling --largest 1000      # fewer of them

Bottleneck students, 64 features, 16 latent dimensions, batches of 64, in float32; 25 feature
exponents x seeds, so that every size shares random numbers alike. Each row is a process of its own,
which runs the sweep as a user would: into a store, with progress. Compilation is apart. Memory is
the process's: what the plan predicted, from what was held before, and the peak that the system saw.
The last rows hold the whole engine (store, segments, progress) against the bare compiled scan of
the same replicas, in turns, in one process.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.comparison import Row, Spread
from benchmarks.devices import use_jax
from benchmarks.report import environment

POINTS = 25
# The same for all sizes: what a network costs once (start, evaluation) weighs alike.
STEPS = 100
HERE = Path(__file__).parent


def main() -> None:
    """Run all rows, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--largest", type=int, default=100_000, help="most networks in a sweep")
    parser.add_argument("--json", type=Path, default=HERE / "scaling.json", help="where to write")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(
            json.dumps(CHILDREN[json.loads(arguments.child)["kind"]](json.loads(arguments.child)))
        )
        return
    sizes, rows, overhead = collect(arguments.largest)
    names = ("networks", "devices", "us/network-step", "MiB predicted", "MiB at the peak")
    print("\n" + " ".join(f"{name:>15}" for name in names))
    for r in rows:
        numbers = f"{r['microseconds']:>15.2f} {r['predicted_mib']:>15.0f} {r['peak_mib']:>15.0f}"
        print(f"{r['networks']:>15} {r['devices']:>15} {numbers}")
    costs = [r["microseconds"] for r in rows[: len(sizes)]]
    print(f"\nlargest against smallest cost over sizes: {max(costs) / min(costs):.2f}")
    print(
        f"engine against bare scan, {overhead['networks']} networks, chunk of "
        f"{overhead['seconds']:.1f} s: {100 * overhead['share']:.1f}% of its throughput "
        f"(median of {overhead['repeats']}, from {100 * overhead['low']:.1f}% "
        f"to {100 * overhead['high']:.1f}%)"
    )
    report = {"environment": environment(), "rows": rows, "overhead": overhead}
    arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {arguments.json}")


def collect(largest: int) -> tuple[list[int], list[dict[str, Any]], dict[str, Any]]:
    """All sizes, the rows of sizes and devices, and the engine against the bare scan."""
    sizes = [n for n in (100, 1_000, 10_000, 100_000) if n <= largest]
    rows = [row(kind="sweep", networks=n, devices=2) for n in sizes]
    rows += [row(kind="sweep", networks=min(10_000, sizes[-1]), devices=d) for d in (1, 2, 4)]
    return sizes, rows, row(kind="overhead", devices=2)


def measure(*, quick: bool = False, tiny: bool = False) -> list[Row]:
    """The suite's rows."""
    if tiny:
        sizes, rows = [50], [measure_sweep({"networks": 50, "steps": 4})]
        overhead = measure_overhead({"networks": 50, "steps": 4, "repeats": 1})
    else:
        sizes, rows, overhead = collect(1_000 if quick else 10_000)
    costs = [r["microseconds"] for r in rows[: len(sizes)]]
    ratio = max(costs) / min(costs)
    excess = [r["peak_mib"] / r["predicted_mib"] for r in rows]
    share = Spread(overhead["share"], overhead["low"], overhead["high"])
    work = f"sweeps of {sizes[0]:,} to {sizes[-1]:,} networks"
    return [
        Row(work, "dearest over cheapest network-step", Spread(ratio, ratio, ratio), "x"),
        Row(work, "peak of memory over the plan", Spread.of(excess), "x"),
        Row(f"sweep of {overhead['networks']:,} networks", "bare compiled scan", share, "%"),
    ]


def row(**case: Any) -> dict[str, Any]:
    """One row, measured in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scaling", "--child", json.dumps(case)]
    process = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, check=False)
    if process.returncode:
        raise SystemExit(process.stderr)
    result = {**case, **json.loads(process.stdout.splitlines()[-1])}
    print(json.dumps(result), file=sys.stderr)
    return result


def measure_sweep(case: dict[str, Any]) -> dict[str, Any]:
    """Train a sweep into a store; cost without compilation, memory with everything."""
    jax = use_jax(devices=case.get("devices"))
    import jaxsup
    from jaxsup._internal.system import resident_memory
    from jaxsup.sweep.footprint import footprint
    from jaxsup.sweep.memory import COMPILING, choose_chunk, memory_budget
    from jaxsup.sweep.programs import plan_programs

    sweep = make_sweep(case["networks"], case.get("steps", STEPS))
    devices = jax.local_devices()
    before = resident_memory()
    need = footprint(plan_programs(sweep, 1)[0], len(sweep.seeds), devices)
    fitting = choose_chunk(need, POINTS, memory_budget(None, devices))
    chunk = min(fitting, sweep.replicas)
    predicted = need.part(chunk)
    reports: list[Any] = []

    def keep_last(progress: Any) -> None:
        if not reports:
            reset_peak()
            reports.append(resident_memory())
        reports[1:] = [progress]

    with tempfile.TemporaryDirectory() as folder:
        dataset = jaxsup.run(sweep, Path(folder) / "store", progress=keep_last)
        diverged = int((dataset["status"] == 1).sum())
    last = reports[1]
    training = last.seconds - last.compile_seconds
    return {
        "steps": sweep.experiment.steps,
        "chunk": chunk,
        "seconds": training,
        "compile_seconds": last.compile_seconds,
        "microseconds": 1e6 * training / last.network_steps,
        "bytes_a_replica": need.replica + need.records,
        "predicted_mib": (before + COMPILING + predicted) / 2**20,
        "peak_mib": peak_memory() / 2**20,
        "diverged": diverged,
    }


def measure_overhead(case: dict[str, Any]) -> dict[str, Any]:
    """The engine and the bare compiled scan of the same replicas, in turns."""
    jax = use_jax(devices=case.get("devices"))
    import equinox as eqx
    import numpy as np

    import jaxsup
    from jaxsup.sweep.programs import plan_programs
    from jaxsup.training.simulate import simulate

    sweep = make_sweep(case.get("networks", 1_000), case.get("steps", 400))
    mesh = jax.sharding.Mesh(np.asarray(jax.local_devices()), ("replica",))
    spec = jax.sharding.PartitionSpec("replica")
    everywhere = jax.sharding.PartitionSpec()
    # The settings as the engine holds them, so that both draw the same samples.
    program = plan_programs(sweep, 1)[0]
    padding = -len(program.points) % mesh.size
    settings = jax.tree.map(
        lambda leaf: np.pad(np.asarray(leaf, np.float32), (0, padding), mode="edge"),
        program.varying,
    )

    def bare(settings: Any, seeds: jax.Array) -> jax.Array:
        def loss_of(setting: Any, key: jax.Array) -> jax.Array:
            return simulate(eqx.combine(setting, program.fixed), key, program.update).loss

        keys = jax.vmap(lambda seed: jax.random.key(seed, impl="threefry2x32"))(seeds)
        over_points = jax.vmap(loss_of, in_axes=(0, None))
        return jax.vmap(over_points, in_axes=(None, 0), out_axes=1)(settings, keys)

    shared = jax.shard_map(
        bare, mesh=mesh, in_specs=(spec, everywhere), out_specs=spec, check_vma=False
    )
    seeds = np.asarray(sweep.seeds, np.uint32)
    scan = jax.jit(shared).lower(settings, seeds).compile()
    bare_times, engine_times = [], []
    losses = np.asarray(scan(settings, seeds))
    for _ in range(case.get("repeats", 7)):
        began = time.perf_counter()
        jax.block_until_ready(scan(settings, seeds))
        bare_times.append(time.perf_counter() - began)
        reports: list[Any] = []
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "store"
            dataset = jaxsup.run(sweep, store, chunk=sweep.replicas, progress=reports.append)
            np.testing.assert_allclose(dataset["loss"], losses[:POINTS], rtol=1e-3)
        engine_times.append(reports[-1].seconds - reports[-1].compile_seconds)
    shares = [bare / engine for bare, engine in zip(bare_times, engine_times, strict=True)]
    return {
        "networks": sweep.replicas,
        "steps": sweep.experiment.steps,
        "seconds": statistics.median(bare_times),
        "share": statistics.median(shares),
        "low": min(shares),
        "high": max(shares),
        "repeats": len(shares),
        "bare_seconds": bare_times,
        "engine_seconds": engine_times,
    }


CHILDREN = {"sweep": measure_sweep, "overhead": measure_overhead}


def make_sweep(networks: int, steps: int = STEPS) -> Any:
    """`networks` bottleneck students."""
    import numpy as np

    import jaxsup

    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(64, 1.5),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(16),
        jaxsup.SGD(0.3),
        batch_size=64,
        steps=steps,
        record=jaxsup.Record(points=4, evaluation_samples=64),
    )
    exponents = np.linspace(1.1, 2.0, POINTS).tolist()
    return jaxsup.Sweep(experiment, {"features.exponent": exponents}, networks // POINTS)


def reset_peak() -> None:
    """Let the system count this process's peak from now on."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory() -> int:
    """Bytes of memory that this process held at most."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
