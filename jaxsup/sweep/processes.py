"""Sweeps that several processes share, on one machine or on many.

Parts do not depend on each other, so that processes need not talk while they train. With JAX's
coordinator they agree on what is missing before they begin; without one (job arrays) each takes
its fixed share.
"""

import dataclasses
import re
from collections.abc import Sequence

import jax

from jaxsup._internal.validation import check_positive_integer, fail, is_integer
from jaxsup.sweep.work import Part

# Seconds that coordinated processes wait for each other.
_PATIENCE = 300


@dataclasses.dataclass(frozen=True)
class Share:
    """The share of a sweep's parts that this process trains.

    Attributes:
        index: this process, 0..count-1.
        count: number of processes.
        coordinated: whether the processes are joined by `jax.distributed`, which they leave as
            soon as the work is shared out.

    Raises:
        ValueError: the index is no process.
    """

    index: int = 0
    count: int = 1
    coordinated: bool = False

    def __post_init__(self) -> None:
        check_positive_integer("share.count", self.count, "give the number of processes")
        if not (is_integer(self.index) and 0 <= self.index < self.count):
            raise fail("share.index", f"0..{self.count - 1}", self.index, "count from 0")

    def of(self, parts: Sequence[Part], stored: set[str]) -> set[str]:
        """Names of this process's tiles.

        Processes that have seen the same store split what is missing evenly. Others split all
        parts, whatever is stored, so that no two of them take the same one.

        Arguments:
            parts: the parts that the store's plan says, however many replicas this process trains
                at once: all processes must see the same ones.
            stored: names of the tiles that are stored whole.
        """
        if self.coordinated:
            parts = [part for part in parts if any(t.name not in stored for t in part.tiles)]
        return {tile.name for part in parts[self.index :: self.count] for tile in part.tiles}

    def wait_for_all(self, name: str) -> None:
        """Wait until all coordinated processes have come to the barrier of this name.

        Raises:
            ValueError: some did not come within five minutes.
        """
        if self.coordinated and self.count > 1:
            # The coordinator's own barrier. The public one is a collective between devices, which
            # on CPUs fails where processes are 30 seconds apart.
            from jax._src.distributed import global_state

            assert global_state.client is not None
            try:
                global_state.client.wait_at_barrier(f"jaxsup.{name}", 1000 * _PATIENCE)
            except RuntimeError as error:
                reason = " ".join(str(error).split())[:200]
                raise ValueError(
                    f"--distributed: expected {self.count} processes within {_PATIENCE} s; "
                    f"got {reason!r}; start them together"
                ) from None

    def leave(self) -> None:
        """Leave the coordinated processes, all at one time: whoever is early waits for the others.

        From here none needs another. Joined, a process that is lost would end all others: at once
        if it was the coordinator, else when its heartbeat is missed.
        """
        if self.coordinated and self.count > 1:
            jax.distributed.shutdown()


def parse_shard(text: str) -> Share:
    """The share that ``"i/n"`` names, i from 1 to n.

    Raises:
        ValueError: the text names none.

    >>> parse_shard("2/8")
    Share(index=1, count=8, coordinated=False)
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise fail("--shard", "I/N with 1 <= I <= N", text, "write 1/8 for the first of eight")
    return Share(int(match[1]) - 1, int(match[2]))


def join_processes(
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
    *,
    timeout: int = 300,
) -> Share:
    """Start `jax.distributed` before JAX's first use, and return this process's share.

    What is not given is taken from the scheduler's environment, as JAX detects it (SLURM, Open MPI,
    Kubernetes, cloud TPUs).

    Arguments:
        coordinator: ``HOST:PORT`` of process 0.
        processes: number of processes.
        process: this process, 0..processes-1.
        timeout: seconds to wait for the others.

    Raises:
        ValueError: neither the arguments nor the environment say who the processes are, or process
            0 could not be reached.
    """
    names = [coordinator, processes, process]
    if any(value is not None for value in names) and None in names:
        text = f"a call with coordinator {coordinator}, processes {processes}, process {process}"
        advice = "give all three, or none and let the scheduler's environment tell"
        expected = "coordinator, processes and process together"
        raise fail("--distributed", expected, text, advice, described=True)
    if processes is not None:
        check_positive_integer("--processes", processes, "give the number of processes")
        if process is None or not 0 <= process < processes:
            raise fail("--process-id", f"0..{processes - 1}", process, "count from 0")
    try:
        jax.distributed.initialize(coordinator, processes, process, initialization_timeout=timeout)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"--distributed: expected processes that find each other; got {reason!r}; "
            "give --coordinator HOST:PORT, --processes N and --process-id I, or use --shard I/N"
        ) from None
    return Share(jax.process_index(), jax.process_count(), coordinated=True)
