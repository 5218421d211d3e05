"""Networks trained as a sweep trains them, without the host's part: for the clock."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

import jaxsup
from benchmarks import bottleneck
from benchmarks.turns import calibrate, stopwatch
from jaxsup.sweep import distributed
from jaxsup.sweep.compiled import Compiler, make_inputs
from jaxsup.sweep.distributed import Segment
from jaxsup.sweep.programs import plan_programs
from jaxsup.training.updates.gathered import Gathered
from jaxsup.training.updates.listed import Listed

# A measurement is repeated so often; the fastest counts, for whatever else the machine does can
# only slow it down.
_TRIALS = 3


class Ensemble:
    """Networks of one setting, a seed each, and the compiled segment that trains them.

    Arguments:
        experiment: what is trained.
        networks: how many.
        devices: which share them.

    Attributes:
        networks: how many, a multiple of the devices.
    """

    def __init__(
        self, experiment: jaxsup.Experiment, networks: int, devices: Sequence[Any]
    ) -> None:
        self.networks = -(-networks // len(devices)) * len(devices)
        (program,) = plan_programs(jaxsup.Sweep(experiment, seeds=self.networks), 1)
        seeds = np.arange(self.networks, dtype=np.uint32)
        self._inputs = make_inputs(program, np.arange(1), seeds)
        compiler = Compiler(Mesh(np.asarray(devices), ("replica",)))
        self._programs = compiler.programs(
            self._inputs, 1, alike=True, one_copy=program.shares_frozen
        )
        self._frozen = self._programs.freeze(self._inputs, {})
        self._state = self._programs.begin(self._inputs, {})

    def train(self, steps: int, *, due: bool = False) -> float:
        """Seconds of a segment of so many updates, and of observing at its end if that is due."""
        segment = Segment(jnp.int32(0), jnp.int32(steps), jnp.asarray(due))

        def work() -> None:
            self._state, *rest = self._programs.advance(
                self._inputs, self._frozen, self._state, segment
            )
            jax.block_until_ready((self._state, rest))

        return stopwatch(work)

    def step_seconds(self, seconds: float) -> float:
        """Seconds a network-step, from segments that last about `seconds`."""
        return per_unit(self.train, seconds) / self.networks


@contextlib.contextmanager
def own_float32() -> Iterator[None]:
    """Inside, ensembles are made that train as elsewhere: no kernels, the cores' own float32."""
    with contextlib.ExitStack() as stack:
        # What was traced outside, or is inside, would be taken for the same program.
        jax.clear_caches()
        stack.callback(jax.clear_caches)
        itself = mock.patch.object(distributed, "training_products", return_value="highest")
        stack.enter_context(itself)
        for update in (Gathered, Listed):
            itself = mock.patch.object(update, "on", lambda self, experiment, device: self)
            stack.enter_context(itself)
        yield


def per_unit(work: Callable[[int], float], seconds: float) -> float:
    """Seconds of one of the repetitions that `work` does, by the fastest of a few trials."""
    count = calibrate(work, seconds)
    return min(work(count) for _ in range(_TRIALS)) / count


def bottleneck_experiment(
    case: bottleneck.Case, *, evaluation_samples: int = 64
) -> jaxsup.Experiment:
    """What `benchmarks.bottleneck` trains, in the case's precision; steps without an end."""
    record = jaxsup.Record(points=2, evaluation_samples=evaluation_samples)
    return bottleneck.make_sweep(case, 10**6, 1, record).experiment


def small_case(*, small: bool, precision: str = "float32") -> bottleneck.Case:
    """64/16/64: the networks that only many of fill a device."""
    case = bottleneck.CASES["small"]
    return dataclasses.replace(case, networks=64 if small else 32_768, precision=precision)


def large_case(*, small: bool, precision: str = "float32") -> bottleneck.Case:
    """1024/256/1024, or on a CPU 256/64/256: whose products fill a device."""
    case = bottleneck.CASES["middle" if small else "large"]
    return dataclasses.replace(case, networks=4 if small else 64, precision=precision)
