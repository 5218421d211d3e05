"""Where the time of an update goes, part by part; and how many networks fill a device.

The parts overlap on a device, so they need not add up: each line says what remains when only that
is done.
"""

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

import jaxsup
from benchmarks.accelerator.ensembles import (
    Ensemble,
    bottleneck_experiment,
    per_unit,
    small_case,
)
from benchmarks.accelerator.journal import Finding
from benchmarks.accelerator.stages import Surroundings
from benchmarks.report import cores
from benchmarks.turns import stopwatch
from jaxsup._internal.precision import at_precision, products_on
from jaxsup._internal.shortage import shortage_of
from jaxsup.experiment.experiment import DATA_STREAM
from jaxsup.training.sampling.arrivals import SparseBatch, SparseSampler
from jaxsup.training.state import advance, start
from jaxsup.training.updates import choose_update

# Updates between two returns to the host where their number is fixed.
_UPDATES = 128
_RISE = 1.05


class Drawn(SparseSampler):
    """A sampler that has drawn already: what is left of an update is not the draws.

    Attributes:
        batch: what every draw gives.
    """

    batch_drawn: SparseBatch

    def draw(self, key: Any) -> SparseBatch:
        """The batch, whatever the key."""
        del key
        return self.batch_drawn


def ablation(surroundings: Surroundings) -> Iterator[Finding]:
    """Seconds a network-step of a 64/16/64 update, whole and in parts, on the first device."""
    small = surroundings.small
    case = small_case(small=small)
    experiment = bottleneck_experiment(case)
    networks, device = case.networks, surroundings.devices[0]
    seconds = 0.05 if small else 0.3
    with jax.default_device(device):
        ensemble = Ensemble(experiment, networks, [device])
        whole = ensemble.step_seconds(seconds)
        note = f"{networks:,} networks, as sweeps train them: {choose_update(experiment).kind}"
        yield _microseconds("whole segment, not observed", whole, note)
        del ensemble
        yield _observing(surroundings, whole)
        programs = _programs(experiment, networks)
        threads = ThreadPoolExecutor(cores())
        try:
            compiled = {name: threads.submit(programs[name][0]) for name in programs}
            for name in programs:
                if surroundings.left < 0:
                    yield Finding(name, note="not measured: out of time")
                    continue
                cost = per_unit(compiled[name].result(), seconds) / networks / _UPDATES
                note = f"{programs[name][1]}; {cost / whole:.0%} of the whole"
                yield _microseconds(name, cost, note)
        finally:
            threads.shutdown(cancel_futures=True)


def _observing(surroundings: Surroundings, whole: float) -> Finding:
    """What a record costs, of as many samples as 10,000 updates have by default."""
    case = small_case(small=surroundings.small)
    samples = jaxsup.Record().samples(10_000, case.batch, case.features)
    experiment = bottleneck_experiment(case, evaluation_samples=samples)
    ensemble = Ensemble(experiment, min(case.networks, 4096), surroundings.devices[:1])

    def observe(count: int) -> float:
        return sum(ensemble.train(0, due=True) for _ in range(count))

    cost = per_unit(observe, 0.05 if surroundings.small else 0.3) / ensemble.networks
    note = f"a record of {samples:,} samples, as much as {cost / whole:.3g} updates"
    return Finding("observing alone", value=1e6 * cost, unit="us a network", note=note)


def _microseconds(name: str, seconds: float, note: str) -> Finding:
    return Finding(name, value=1e6 * seconds, unit="us a network-step", note=note)


def _programs(
    experiment: jaxsup.Experiment, networks: int
) -> dict[str, tuple[Callable[[], Callable[[int], float]], str]]:
    """By name: what compiles the program and returns its work, and what it is."""
    keys = jax.random.split(jax.random.key(0), networks)
    device = jax.local_devices()[0]
    plain = choose_update(experiment)
    update, products = plain.on(experiment, device), products_on(device, experiment.precision)
    states = jax.jit(jax.vmap(lambda key: start(experiment, key)))(keys)
    # Numbers of the experiment are arguments, as in sweeps: constants would be computed with anew
    # in every turn of a loop.
    given = jax.jit(lambda e: (e, update.prepare(e, e.batch_size)))(experiment)

    def trained(key: Any, state: Any, given: Any, stop: Any) -> Any:
        return advance(given[0], update, key, state, 0, stop, tables=given[1], products=products)

    def descended(key: Any, state: Any, given: Any, step: Any, update: Any = update) -> Any:
        experiment, tables = given
        mask = experiment.student.trainable(state.parameters)
        learned, frozen = eqx.partition(state.parameters, mask)
        gradient = at_precision(products, update.gradient)
        slopes = gradient(experiment, tables, learned, frozen, _batch_key(key, step))
        moved = jax.tree.map(lambda leaf, slope: leaf - 0.1 * slope, learned, slopes)
        return eqx.tree_at(lambda s: s.parameters, state, eqx.combine(moved, frozen))

    def gradients(key: Any, state: Any, given: Any) -> Any:
        return _repeat(lambda step, state: descended(key, state, given, step), state)

    def plain_gradients(key: Any, state: Any, given: Any) -> Any:
        return _repeat(lambda step, state: descended(key, state, given, step, plain), state)

    def without_draws(key: Any, state: Any, given: Any) -> Any:
        experiment, tables = given
        batch = tables.draw(key)
        fields = {f.name: getattr(tables, f.name) for f in dataclasses.fields(SparseSampler)}

        def body(step: Any, state: Any) -> Any:
            # Held together with what changes, so that nothing is made once for all steps.
            held, state = jax.lax.optimization_barrier((batch, state))
            drawn = Drawn(**fields, batch_drawn=held)
            return descended(key, state, (experiment, drawn), step, plain)

        return _repeat(body, state)

    def draws(key: Any, state: Any, given: Any) -> Any:
        def body(step: Any, total: Any) -> Any:
            batch = given[1].draw(_batch_key(key, step))
            return total + jnp.sum(batch.value * (batch.feature + batch.row))

        return _repeat(body, jnp.zeros((), state.parameters.bias.dtype))

    def columns(key: Any, state: Any, given: Any) -> Any:
        def body(step: Any, total: Any) -> Any:
            batch = given[1].draw(_batch_key(key, step))
            return total + jax.lax.optimization_barrier(batch.columns())[0, 0]

        return _repeat(body, jnp.zeros((), state.parameters.bias.dtype))

    def fixed(key: Any, state: Any, given: Any) -> Any:
        return trained(key, state, given, _UPDATES)

    def prepared(function: Callable[..., Any], *more: Any) -> Callable[[], Callable[[int], float]]:
        def compiled() -> Callable[[int], float]:
            arguments = (keys, states, given, *more)
            axes = (0, 0, *(None for _ in arguments[2:]))
            program = jax.jit(jax.vmap(function, in_axes=axes)).lower(*arguments).compile()

            def work(count: int) -> float:
                return stopwatch(
                    lambda: jax.block_until_ready([program(*arguments) for _ in range(count)])
                )

            return work

        return compiled

    return {
        "training, trip count known to the compiler": (
            prepared(fixed),
            f"{_UPDATES} updates a call",
        ),
        "training, trip count known at run time": (
            prepared(trained, jnp.int32(_UPDATES)),
            "the same, its number an argument",
        ),
        "gradients alone": (prepared(gradients), "without optimizer and checks"),
        "gradients, no kernel of our own": (prepared(plain_gradients), "as on other devices"),
        "gradients on given samples": (prepared(without_draws), "the same without draws"),
        "draws alone": (prepared(draws), "lists of active features"),
        "draws, written out": (prepared(columns), "as columns of an array"),
    }


def _repeat(body: Callable[[Any, Any], Any], start: Any) -> Any:
    return jax.lax.fori_loop(0, _UPDATES, body, start)


def _batch_key(key: Any, step: Any) -> Any:
    return jax.random.fold_in(jax.random.fold_in(key, DATA_STREAM), step)


def filling(surroundings: Surroundings) -> Iterator[Finding]:
    """Network-steps a second against the number of networks, until more bring nothing."""
    small = surroundings.small
    experiment = bottleneck_experiment(small_case(small=small))
    sizes = (4, 16, 64) if small else (64, 256, 1024, 4096, 16_384, 65_536, 262_144)
    rates: dict[int, float] = {}
    for size in sizes:
        if surroundings.left < 0:
            yield Finding(f"{size:,} networks", note="not measured: out of time")
            return
        try:
            ensemble = Ensemble(experiment, size, surroundings.devices)
            rates[size] = 1 / ensemble.step_seconds(0.05 if small else 0.3)
        except Exception as error:
            if not rates or shortage_of(error) is None:
                raise
            yield Finding(f"{size:,} networks", note="do not fit in memory")
            break
        yield Finding(f"{size:,} networks", value=rates[size], unit="network-steps/s")
        if len(rates) > 1 and rates[size] < _RISE * max(list(rates.values())[:-1]):
            break
    best = max(rates.values())
    fills = next(size for size, rate in rates.items() if rate >= 0.9 * best)
    yield Finding("networks of 64/16/64 for 90% of the best rate", value=fills)
