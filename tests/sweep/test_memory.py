"""The memory plan: asked of the compiler, cut to what devices have."""

import dataclasses
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
from helpers import assert_one_line_error

import jaxsup
from jaxsup._internal.system import available_cores, resident_memory
from jaxsup.experiment.record import Record
from jaxsup.sweep import footprint as footprint_module
from jaxsup.sweep.compiled import trace_training
from jaxsup.sweep.footprint import Footprint, counted_bytes, footprint
from jaxsup.sweep.memory import (
    COMPILING,
    Budget,
    choose_chunk,
    format_bytes,
    kept_by_threads,
    memory_budget,
    parse_bytes,
)
from jaxsup.sweep.programs import Program, plan_programs


def small(**changes: Any) -> jaxsup.Experiment:
    settings: dict[str, Any] = {
        "features": jaxsup.PowerLawFeatures(8, 1.1),
        "teacher": jaxsup.DiagonalTeacher(0.0),
        "student": jaxsup.Student(3),
        "optimizer": jaxsup.Adam(0.1),
        "batch_size": 16,
        "steps": 4,
        "record": Record(steps=(1, 2), parameter_steps=(2, 4), evaluation_samples=16),
    }
    return jaxsup.Experiment(**{**settings, **changes})


def ask(experiment: jaxsup.Experiment, points: int = 2, seeds: int = 1, devices: int = 1) -> Any:
    """The footprint of a scan over learning rates."""
    rates = np.linspace(0.1, 0.2, points).tolist()
    sweep = jaxsup.Sweep(experiment, {"optimizer.learning_rate": rates}, seeds)
    return footprint(plan_programs(sweep, 1)[0], seeds, jax.local_devices()[:devices])


KINDS = {
    "listed": {"features": jaxsup.PowerLawFeatures(40, 1.1)},
    "dense": {"sampling": "dense"},
    "gathered": {
        "features": jaxsup.PowerLawFeatures(160, 1.5),
        "student": jaxsup.Student(20, "learned"),
    },
    "exact": {"student": jaxsup.Student(3, activation="identity"), "gradient": "exact"},
    "exact, one by one": {
        "features": jaxsup.OneActiveFeatures(160, 1.5),
        "student": jaxsup.Student(20, "learned", core=False),
        "gradient": "exact",
    },
}


def compiler_bytes(program: Program, shape: tuple[int, int]) -> int:
    """What the compiler says of a size, compiled as it is for training."""
    compiled = trace_training(program, shape, jax.devices()[0]).lower().compile()
    counts = compiled.memory_analysis()
    assert counts is not None
    results = counts.output_size_in_bytes - counts.alias_size_in_bytes
    return counts.argument_size_in_bytes + results + counts.temp_size_in_bytes


@pytest.mark.parametrize(
    "kind",
    [*list(KINDS)[:2], *(pytest.param(k, marks=pytest.mark.extended) for k in list(KINDS)[2:])],
)
def test_the_line_agrees_with_what_the_compiler_says_of_another_size(kind):
    """2 x 200 replicas, from a line through 2 and 64, and what packing adds."""
    rates = np.linspace(0.1, 0.2, 200).tolist()
    sweep = jaxsup.Sweep(small(**KINDS[kind]), {"optimizer.learning_rate": rates}, 4)
    program = plan_programs(sweep, 1)[0]
    need = footprint(program, 4, jax.local_devices()[:1])
    assert kind.startswith(("exact", program.update.kind))
    packing = 1.4 if kind == "dense" else 1.1
    assert need.constant + 400 * need.replica == pytest.approx(
        packing * compiler_bytes(program, (2, 200)), rel=0.1
    )


def test_options_for_asking_change_no_buffer():
    """Code of any quality works on the same arrays, but for a few bytes of scratch."""
    sweep = jaxsup.Sweep(small(), {"optimizer.learning_rate": [0.1, 0.2]})
    program = plan_programs(sweep, 1)[0]
    count = counted_bytes(program, (2, 30), jax.devices()[0])
    assert count == pytest.approx(compiler_bytes(program, (2, 30)), rel=0.03)


def test_a_version_without_these_options_is_asked_without(monkeypatch):
    sweep = jaxsup.Sweep(small(batch_size=20), {"optimizer.learning_rate": [0.1, 0.2]})
    program = plan_programs(sweep, 1)[0]
    monkeypatch.setattr(footprint_module, "_ASKING", {"cpu": {"xla_no_such_option": 0}})
    assert counted_bytes(program, (1, 2), jax.devices()[0]) == compiler_bytes(program, (1, 2))


def test_small_parts_are_asked_for_where_memory_is_scarce():
    """A table of 160 x 160 that replicas take turns with is most of a small part."""
    rates = np.linspace(0.1, 0.2, 100).tolist()
    sweep = jaxsup.Sweep(small(**KINDS["exact, one by one"]), {"optimizer.learning_rate": rates})
    program, devices = plan_programs(sweep, 1)[0], jax.local_devices()[:1]
    plenty, scarce = (footprint(program, 1, devices, limit=size) for size in (2**33, 2**20))
    assert plenty.constant == 0
    assert scarce.constant > 2 * 4 * 160**2
    assert scarce.replica < plenty.replica


def test_a_replica_takes_at_least_what_it_keeps_on():
    """Parameters, moments and snapshots stay; each may be there twice where one is written."""
    need = ask(small(), 100)
    embedding, core, bias = 3 * 8, 3 * 3, 8
    snapshots = 4 * 2 * (embedding + core + bias)
    constant = 4 * 3 * (core + bias) + snapshots  # B and c with Adam's two moments each
    assert constant < need.replica
    # The loss and its standard error at steps 0, 1, 2, 4.
    assert need.records == 2 * (2 * 4 * 4 + snapshots)


def test_replicas_of_a_seed_share_its_samples():
    """300 samples of 8 features, drawn once for 100 settings or for each of 100 seeds."""
    wide = small(record=Record(points=3, evaluation_samples=300), sampling="dense")
    samples = 4 * 256 * 8
    assert ask(wide, 1, 100).replica > ask(wide, 100, 1).replica + samples


def test_programs_of_one_structure_are_asked_for_once(monkeypatch):
    need = ask(small(batch_size=17), 100)
    monkeypatch.setattr(jax.stages.Traced, "lower", None)  # whoever compiles calls it
    assert ask(small(batch_size=17), 100) == need


def test_nothing_is_compiled_where_all_fits_by_an_upper_bound(monkeypatch):
    sweep = jaxsup.Sweep(small(batch_size=18), {"optimizer.learning_rate": [0.1, 0.2]}, 3)
    program, devices = plan_programs(sweep, 1)[0], jax.local_devices()[:1]
    need = footprint(program, 3, devices)
    footprint_module._COUNTED.clear()
    monkeypatch.setattr(jax.stages.Traced, "lower", None)
    bound = footprint(program, 3, devices, enough=2**28)
    assert not bound.counted
    assert bound.part(6) >= need.part(6)


def test_a_compiler_that_does_not_tell_is_guessed_from_what_is_written(monkeypatch):
    need = ask(small(batch_size=19), 100)
    footprint_module._COUNTED.clear()
    monkeypatch.setattr(jax.stages.Compiled, "memory_analysis", lambda self: None)
    guess = ask(small(batch_size=19), 100)
    footprint_module._COUNTED.clear()
    assert 0.5 < guess.replica / need.replica < 3


def test_a_compiler_that_finds_no_memory_itself_is_guessed_too(monkeypatch):
    def refuse(self: Any, **_: Any) -> None:
        raise jax.errors.JaxRuntimeError(error)

    monkeypatch.setattr(jax.stages.Lowered, "compile", refuse)
    footprint_module._COUNTED.clear()
    error = "RESOURCE_EXHAUSTED: Out of memory"
    assert ask(small(batch_size=21), 100).replica > 0
    footprint_module._COUNTED.clear()
    error = "INTERNAL: something else"
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        ask(small(batch_size=21), 100)


@pytest.mark.parametrize("points", [1, 3, 100, 10**6])
def test_the_part_grows_with_memory_and_fits_into_it(points):
    need = Footprint(constant=10**5, replica=4000, records=1000, devices=2, on_cpu=True)
    budgets = [megabytes * 2**20 for megabytes in (32, 64, 256)]
    sizes = [choose_chunk(need, points, Budget(budget, budget)) for budget in budgets]
    assert sizes == sorted(set(sizes))
    for budget, replicas in zip(budgets, sizes, strict=True):
        assert need.part(replicas) <= budget
        assert need.part(2 * replicas) > budget
        assert replicas % (points if replicas >= points else 2) == 0  # whole seeds, or devices
    assert_one_line_error(
        lambda: choose_chunk(need, points, Budget(2**20, 2**20)),
        "memory: expected at least .* for one network a device",
    )


def test_a_network_larger_than_the_caches_is_trained_alone():
    """Caches are a preference, memory is a limit."""
    need = Footprint(constant=2**20, replica=2**26, records=2**10, devices=2, on_cpu=True)
    assert choose_chunk(need, 1, Budget(2**33, 40 * 2**20)) == 2
    assert choose_chunk(need, 1, Budget(2**33, 2**33)) == (2**33 - need.part(0)) // (2**26 + 2**10)


def test_records_are_on_the_host():
    """An accelerator's memory holds none of them."""
    cpu = Footprint(constant=0, replica=1000, records=9000, devices=1, on_cpu=True)
    assert cpu.part(10) - cpu.part(0) == 100_000
    gpu = dataclasses.replace(cpu, on_cpu=False)
    assert gpu.part(10) - gpu.part(0) == 10_000


def test_the_budget_is_what_was_asked_for_or_what_the_device_has():
    cpu = jax.local_devices()[:1]
    assert memory_budget(None, cpu).preferred == 40 * 2**20
    assert memory_budget(None, cpu).limit > 2**26
    limit, preferred = memory_budget("64GiB", cpu)
    assert limit == preferred
    # Less what the process itself has, which grows with the tests before this one.
    taken = 64 * 2**30 - limit - COMPILING - kept_by_threads(1)
    assert taken == pytest.approx(resident_memory(), rel=0.1)
    gpu = accelerator(bytes_limit=10 * 2**30)
    assert memory_budget(None, [gpu, gpu]) == (16 * 2**30, 16 * 2**30)
    assert memory_budget("4GiB", [gpu, gpu]).limit == 4 * 2**30
    assert_one_line_error(
        lambda: memory_budget("1MiB", cpu),
        "memory: expected more than the .* of the program itself",
    )


def test_each_thread_keeps_something():
    """Of a limit on the whole process; beyond the two threads that a footprint allows for."""
    cpu, many = jax.local_devices()[:1], max(available_cores(), 3)
    assert kept_by_threads(many + 8) - kept_by_threads(many) == 8 * (6 * 2**20)
    few, more = (memory_budget("64GiB", cpu * count).limit for count in (many, many + 1000))
    assert few - more == pytest.approx(1000 * (6 * 2**20), rel=0.05)


def accelerator(**stats: int) -> Any:
    return SimpleNamespace(platform="gpu", memory_stats=lambda: stats or None)


def test_the_budget_is_what_the_fullest_device_has_left():
    """Of what JAX may take, less the arrays that its user holds there."""
    free, full = accelerator(bytes_limit=2**30), accelerator(bytes_limit=2**30, bytes_in_use=2**29)
    assert memory_budget(None, [free, full]).limit == int(0.8 * 2**30)
    assert memory_budget(None, [free]).limit == int(0.8 * 2**30)
    assert memory_budget(None, [accelerator()]).limit == int(0.8 * 2**33)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GiB", 2**32),
        ("512 MiB", 2**29),
        ("1.5k", 1536),
        ("2G", 2**31),
        (1024, 1024),
        ("1t", 2**40),
    ],
)
def test_sizes_in_words(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "GiB", "-1", "4 GiB or so", "0", True, "1e9", "4 XB", "9" * 400]
)
def test_what_is_no_size_is_refused(text):
    assert_one_line_error(lambda: parse_bytes(text), "memory: expected a size in bytes; got")


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**40, "1 TiB")]
)
def test_sizes_for_people(size, text):
    assert format_bytes(size) == text
