"""How many replicas each program of a sweep trains at once, and a line that says so."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jaxsup.sweep.footprint import footprint
from jaxsup.sweep.grid import Sweep
from jaxsup.sweep.memory import choose_chunk, format_bytes, memory_budget
from jaxsup.sweep.programs import Program


class Capacity(NamedTuple):
    """What a program trains at once.

    Attributes:
        replicas: number of networks.
        line: that, and the memory it takes, for people.
    """

    replicas: int
    line: str


def plan_capacities(
    programs: Sequence[Program],
    sweep: Sweep,
    devices: Sequence[Any],
    chunk: int | None,
    memory: int | str | None,
) -> Iterator[Capacity]:
    """The capacity of each program, one after the other: the compiler may be asked for each.

    Arguments:
        programs: of the sweep.
        sweep: what they train.
        devices: what trains.
        chunk: replicas at once, where that is settled.
        memory: see `memory_budget`.

    Raises:
        ValueError: `memory` is no size, or does not hold one network a device.
    """
    for number, program in enumerate(programs, 1):
        points, seeds = len(program.points), len(sweep.seeds)
        networks = points * seeds
        name = f"program {number} of {len(programs)}: latent {program.width}"
        if chunk is not None:
            replicas = min(chunk, networks)
            yield Capacity(replicas, f"{name}; {replicas} of {networks} networks at once")
            continue
        budget = memory_budget(memory, devices)
        need = footprint(program, seeds, devices, min(budget), budget.limit)
        replicas = min(choose_chunk(need, points, budget), networks)
        most = "" if need.counted else "at most "
        each, all_of_them = format_bytes(need.replica + need.records), need.part(replicas)
        yield Capacity(
            replicas,
            f"{name}, {most}{each} a network; {replicas} of {networks} networks at once, "
            f"in {format_bytes(all_of_them)}",
        )
