"""How much memory replicas take: the compiler is asked.

It settles every buffer of the program that trains before that program runs. It is asked for a part
of 64 replicas a device. Larger parts take at most as much a replica, and smaller ones at most as
much in all: only where memory does not hold these 64 is it asked for a few as well, and a line
drawn. Nothing is asked where even an upper bound fits. `test_peak_memory` holds the count
against the peak that the system saw.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
from jax.stages import Lowered, Traced

from jaxsup._internal.shortage import shortage_of
from jaxsup._internal.system import return_freed_memory
from jaxsup._internal.traced import inner_programs
from jaxsup.sweep.compiled import kept_bytes, structure_of, trace_training
from jaxsup.sweep.distributed import CROWDING, release
from jaxsup.sweep.placement import shares_slots
from jaxsup.sweep.programs import Program
from jaxsup.training.updates import Dense

# What a compiled program takes whatever its size: threads, scratch of the matrix products.
_RUNTIME = 24 * 2**20
# Beside its buffers, a CPU holds copies of what it multiplies, packed for the threads, and what the
# threads' parts of the C library's heap keep of freed ones: nothing to speak of in most programs.
# Dense samples make large factors: at N = 1,024, K = 128, 512 samples, W learned and two devices,
# 96 networks took 1.42 of their 645 MiB of buffers, and 8 networks 2 to 2.7 of 66 MiB: no rule that
# was tried foretells how much.
_PACKING, _PACKING_DENSE = 1.1, 1.4
# Replicas a device that the compiler is asked for.
_FEW, _MANY = 2, 64
# The machine code of a program that is compiled to be asked does not matter: its buffers are
# settled before that is made. These options make less of an effort (without the last, it takes
# twice as long); `test_memory` compares.
_ASKING = {
    "cpu": {
        "xla_backend_optimization_level": 0,
        "xla_llvm_disable_expensive_passes": True,
        "xla_cpu_use_fusion_emitters": False,
    },
    # No kernels are tried out, which would take longer than all the rest.
    "gpu": {"xla_gpu_autotune_level": 0},
}
# Where a compiler does not tell: a program holds at once about this share of what it writes down
# (on a CPU 1/6 to 1/16 for the kinds of updates there are).
_HELD_AT_ONCE = 1 / 8


@dataclasses.dataclass(frozen=True)
class Footprint:
    """Bytes that a part takes: a straight line in its replicas.

    Attributes:
        constant: on each device, whatever the number of replicas.
        replica: of each replica on its device, with its part in what replicas of a seed share.
        records: what the dataset keeps of a replica, on the host.
        devices: number of devices that share the part.
        on_cpu: whether devices and host have one memory, so that records count.
        counted: whether the compiler says so; else these are upper bounds.
    """

    constant: int
    replica: int
    records: int
    devices: int
    on_cpu: bool
    counted: bool = True

    def part(self, replicas: int) -> int:
        """Bytes of so many replicas, over all devices."""
        each = self.replica + (self.records if self.on_cpu else 0)
        return _RUNTIME + self.devices * self.constant + replicas * each

    def fitting(self, memory: int) -> int:
        """How many replicas so many bytes hold; below 1 where they hold none."""
        return (memory - self.part(0)) // (self.part(1) - self.part(0))


def footprint(
    program: Program, seeds: int, devices: Sequence[Any], enough: int = 0, limit: int | None = None
) -> Footprint:
    """What a part of a program takes, by the compiler's count.

    Arguments:
        program: the program.
        seeds: number of seeds that it trains.
        devices: devices that share the part.
        enough: bytes that are there in any case: if an upper bound of all replicas is no more, the
            compiler is not asked.
        limit: bytes that a part may take at most. Default: the count is to be right for small
            parts too, wherever the limit lies.
    """
    few, many = _shapes(len(program.points), seeds, len(devices))
    size, device = math.prod(many), devices[0]
    on_cpu = device.platform == "cpu"
    part = functools.partial(
        Footprint, records=2 * kept_bytes(program), devices=len(devices), on_cpu=on_cpu
    )
    bound = part(0, -(-written_bytes(program, many, device) // size), counted=False)
    if bound.part(len(program.points) * seeds) <= enough:
        return bound
    dense = isinstance(program.update, Dense)
    packing = (_PACKING_DENSE if dense else _PACKING) if on_cpu else 1
    most = int(packing * counted_bytes(program, many, device))
    even = part(0, -(-most // size))
    if few == many or (limit is not None and even.part(size * len(devices)) <= limit):
        return even
    least = int(packing * counted_bytes(program, few, device))
    each = max(1, (most - least) // (size - math.prod(few)))
    return part(max(0, least - math.prod(few) * each), each)


def _shapes(points: int, seeds: int, devices: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Lanes and slots of one device at the sizes to ask for, in proportions that parts have.

    A part takes points first, then seeds.
    """
    lanes, slots = seeds, points
    if shares_slots((lanes, slots), devices):
        slots = -(-slots // devices)
    else:
        lanes = -(-lanes // devices)
    few, many = min(_FEW, slots), min(_MANY, slots)
    return (min(lanes, _FEW // few), few), (min(lanes, _MANY // many), many)


# By structure, shape and platform: programs of one structure are asked for once.
_COUNTED: dict[Any, int] = {}


def counted_bytes(program: Program, shape: tuple[int, int], device: Any) -> int:
    """Bytes that training replicas takes on one device, by the compiler's count.

    Arguments:
        program: what is trained.
        shape: lanes and slots, as `jaxsup.sweep.placement` has them.
        device: one that they would be trained on.
    """
    first = jax.tree.map(lambda leaf: leaf[0], program.varying)
    name = structure_of((first, program.fixed)), program.update, shape, device.platform
    if name not in _COUNTED:
        _COUNTED[name] = _ask(trace_training(program, shape, device), device.platform)
        return_freed_memory()
        if CROWDING.calls_for_release():
            release()
    return _COUNTED[name]


def written_bytes(program: Program, shape: tuple[int, int], device: Any) -> int:
    """Bytes of all arrays that the same program names, so more than it holds at once.

    The body of a loop counts once, as each turn takes the place of the one before.
    """
    return _named(trace_training(program, shape, device).jaxpr)


def _ask(traced: Traced, platform: str) -> int:
    counts = _analysis(traced.lower(), platform)
    if counts is None:
        return int(_HELD_AT_ONCE * _named(traced.jaxpr))
    results = counts.output_size_in_bytes - counts.alias_size_in_bytes
    return counts.argument_size_in_bytes + results + counts.temp_size_in_bytes


def _analysis(lowered: Lowered, platform: str) -> Any:
    """The compiler's count; None where it does not tell, or found no memory to compile in."""
    for options in (_ASKING.get(platform), None):
        try:
            return lowered.compile(compiler_options=options).memory_analysis()
        except jax.errors.JaxRuntimeError as error:
            if options is None and shortage_of(error) is None:
                raise  # else it is a version that has no such option
    return None


def _named(program: Any) -> int:
    return sum(_size(argument) for argument in program.in_avals) + _written(program)


def _written(program: Any) -> int:
    return sum(
        sum(_size(variable.aval) for variable in equation.outvars)
        + sum(_written(inner) for inner in inner_programs(equation.params))
        for equation in program.eqns
    )


def _size(shape: Any) -> int:
    """Bytes of an array of this shape and type; 0 for what is none."""
    return shape.size * shape.dtype.itemsize if hasattr(shape, "size") else 0
