"""Each schedule against optax's own functions, alone, traced, and as an axis of a sweep."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from factories import linear_experiment
from helpers import assert_one_line_error, untyped
from optimizer_runs import DEFAULTS, STEPS, assert_equal_runs, by_hand, train

import jaxsup
from jaxsup.experiment.schedules import (
    AbstractSchedule,
    ConstantSchedule,
    InverseRootSchedule,
    LinearSchedule,
    OptaxSchedule,
    StepSchedule,
)
from jaxsup.experiment.tables import to_table
from jaxsup.fit.tables.settings import read_settings
from jaxsup.sweep.tables import sweep_from_tables, sweep_to_tables
from jaxsup.theory.references import linear_reference

TOTAL = 40
TIMES = np.arange(TOTAL + 5)


def after_warmup(warmup: int, rest: optax.Schedule) -> optax.Schedule:
    """A linear rise, then a schedule of the updates since, joined by optax."""
    if not warmup:
        return rest
    rise = optax.schedules.linear_schedule(0.0, 1.0, warmup)
    return optax.schedules.join_schedules([rise, rest], [warmup])


def staircase(warmup: int) -> optax.Schedule:
    return after_warmup(warmup, optax.schedules.exponential_decay(1.0, 7, 0.3, staircase=True))


def line(warmup: int) -> optax.Schedule:
    return after_warmup(warmup, optax.schedules.linear_schedule(1.0, 0.1, TOTAL - warmup))


def cosine(warmup: int) -> optax.Schedule:
    return after_warmup(warmup, optax.schedules.cosine_decay_schedule(1.0, TOTAL - warmup, 0.1))


def constant(warmup: int) -> optax.Schedule:
    return after_warmup(warmup, optax.schedules.constant_schedule(1.0))


CASES: dict[str, tuple[Any, Any]] = {
    "constant": (lambda w: ConstantSchedule(warmup=w), constant),
    "step": (lambda w: StepSchedule(7, 0.3, warmup=w), staircase),
    "linear": (lambda w: LinearSchedule(0.1, warmup=w), line),
    "warmup-cosine": (lambda w: jaxsup.WarmupCosine(w, 0.1), cosine),
}


def factors(schedule: AbstractSchedule) -> np.ndarray:
    return np.array([schedule.learning_rate(1.0, TOTAL)(t) for t in TIMES.tolist()])


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("warmup", [0, 6])
@pytest.mark.parametrize("case", CASES)
def test_factors_are_those_of_optax(case: str, warmup: int) -> None:
    ours, theirs = CASES[case]
    expected = [float(jnp.asarray(theirs(warmup)(t))) for t in TIMES.tolist()]
    np.testing.assert_allclose(factors(ours(warmup)), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.usefixtures("x64")
def test_the_inverse_root_with_the_warmup_as_timescale_is_the_transformers() -> None:
    """min(t / w, (w / t)^1/2), arXiv 1706.03762, eq. 3 up to its constant."""
    found = factors(InverseRootSchedule(6, warmup=6))
    later = np.maximum(TIMES, 1)
    np.testing.assert_allclose(found, np.minimum(TIMES / 6, np.sqrt(6 / later)), rtol=1e-12)
    slow = factors(InverseRootSchedule(20.0))
    np.testing.assert_allclose(slow, 1 / np.sqrt(1 + TIMES / 20), rtol=1e-12)


def test_steps_change_where_they_should_in_float32_and_traced() -> None:
    """Quotients of whole numbers are not rounded below: every change is at its own update."""
    for every in (3, 7, 10, 49, 100):
        times = jnp.arange(2000, dtype=jnp.float32)

        def every_factor(every: Any, times: jax.Array = times) -> jax.Array:
            return jax.vmap(lambda t: StepSchedule(every, 0.99).factor(t, 2000))(times)

        expected = 0.99 ** (np.arange(2000) // every)
        for found in (jax.jit(every_factor)(jnp.float32(every)), every_factor(every)):
            np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.usefixtures("x64")
def test_every_optimizer_takes_every_schedule_and_those_of_optax() -> None:
    def rate(t: int) -> float:
        return 0.2 * (min(1.0, t / 2) if t < 2 else 0.4 ** ((t - 2) // 2))

    own = StepSchedule(2, 0.4, warmup=2)
    foreign = after_warmup(2, optax.schedules.exponential_decay(1.0, 2, 0.4, staircase=True))
    for schedule in (own, foreign):
        expected = by_hand("sgd", rate=rate, momentum=0.5)
        assert_equal_runs(train(jaxsup.SGD(0.2, 0.5, schedule)), expected, rtol=1e-6)
        run = train(jaxsup.Adam(0.2, schedule=schedule))
        assert_equal_runs(run, by_hand("adam", rate=rate, **DEFAULTS), rtol=1e-6)
        run = train(jaxsup.AdamW(0.2, weight_decay=0.3, schedule=schedule))
        expected = by_hand("adam", rate=rate, weight_decay=0.3, **DEFAULTS)
        assert_equal_runs(run, expected, rtol=1e-6)
        run = train(jaxsup.NormAdamW(0.2, weight_decay=0.3, schedule=schedule))
        assert_equal_runs(run, by_hand("adam", rate=rate, **DEFAULTS), rtol=1e-6)
    rates = optax.schedules.linear_schedule(0.3, 0.1, STEPS)  # rates, with a learning rate of 1
    expected = by_hand("sgd", rate=lambda t: 0.3 - 0.2 * t / STEPS, momentum=0.0)
    assert_equal_runs(train(jaxsup.SGD(1.0, schedule=rates)), expected, rtol=1e-6)


def test_numbers_of_schedules_are_axes_of_one_program() -> None:
    experiment = linear_experiment(
        optimizer=jaxsup.SGD(0.3, schedule=LinearSchedule(0.0, warmup=1)), steps=8
    )
    axes = {"optimizer.schedule.warmup": [0, 7], "optimizer.schedule.final": [0.0, 1.5]}
    sweep = jaxsup.Sweep(experiment, axes)
    assert sweep.structural == (False, False)
    dataset = jaxsup.run(sweep)
    for index in ((0, 0), (1, 1)):
        alone = jaxsup.simulate(sweep.experiment_at(index), jax.random.key(0))
        np.testing.assert_allclose(dataset["loss"][index][0], alone.loss, rtol=2e-5)
    # No theory of a constant rate is held against them, and no fit begins in the warm-up.
    settings = list(read_settings(dataset, None))
    assert all(np.isnan(setting.theory).all() for setting in settings)
    assert [setting.after for setting in settings] == [0, 0, 7, 7]
    table = jaxsup.measure_exponents(dataset)
    assert np.isnan(table["theory_limit"].values).all()
    assert (table["problem"].values[1] == "too short").all()


class Alternating(AbstractSchedule):
    """Every other update is of half the rate."""

    half: float = 0.5

    def factor(self, count: Any, steps: int) -> Any:
        return jnp.where(count % 2 == 1, self.half, 1.0)


@pytest.mark.usefixtures("x64")
def test_a_schedule_of_ones_own_is_one_of_them() -> None:
    optimizer = jaxsup.SGD(0.2, schedule=Alternating())
    expected = by_hand("sgd", rate=lambda t: 0.1 if t % 2 else 0.2, momentum=0.0)
    assert_equal_runs(train(optimizer), expected)
    assert to_table(optimizer)["schedule"]["kind"] == f"{__name__}:Alternating"


def test_schedules_themselves_are_an_axis_of_a_file() -> None:
    tables = to_table(linear_experiment(steps=8))
    schedules = [{"kind": "constant"}, {"kind": "step", "every": 3, "warmup": 2}]
    sweep = sweep_from_tables({**tables, "axes": {"optimizer.schedule": schedules}})
    assert sweep.structural == (True,)
    optimizer: Any = sweep.experiment_at((1,)).optimizer
    assert optimizer.schedule == StepSchedule(3, warmup=2)
    again = sweep_from_tables(json.loads(json.dumps(sweep_to_tables(sweep))))
    assert again.experiment_at((1,)) == sweep.experiment_at((1,))


def test_scheduled_rates_have_no_reference_and_no_closed_form() -> None:
    """A table as a dataset holds it, for each schedule, one of optax's too."""
    student = jaxsup.Student(6, "identity", bias=False)
    schedules = [None, *(make(2) for make, _ in CASES.values()), InverseRootSchedule(3), line(2)]
    for schedule in schedules:
        optimizer = jaxsup.SGD(0.1, schedule=schedule)
        experiment = linear_experiment(student, optimizer)
        table = json.loads(json.dumps(to_table(experiment)))
        assert (linear_reference(table) is None) is (schedule is not None)
        if schedule is not None:
            with pytest.raises(ValueError, match="loss_curve: expected an experiment with a cl"):
                jaxsup.theory.loss_curve(experiment, [1, 2])


def test_a_store_knows_one_function_from_another(tmp_path: Path) -> None:
    def sweep(value: float) -> jaxsup.Sweep:
        schedule = optax.schedules.linear_schedule(1.0, value, 6)
        return jaxsup.Sweep(linear_experiment(optimizer=jaxsup.SGD(0.1, schedule=schedule)))

    jaxsup.run(sweep(0.5), tmp_path / "store")
    jaxsup.run(sweep(0.5), tmp_path / "store", resume=True)
    with pytest.raises(ValueError, match="expected the sweep that it holds; got another one"):
        jaxsup.run(sweep(0.25), tmp_path / "store", resume=True)


BAD = {
    "warm-up": (
        lambda: LinearSchedule(0.0, warmup=-1),
        "optimizer.schedule.warmup: .* >= 0; got -1",
    ),
    "every": (lambda: StepSchedule(0), "optimizer.schedule.every: .* > 0; got 0"),
    "ratio": (lambda: StepSchedule(5, -0.1), "optimizer.schedule.ratio: .* >= 0; got -0.1"),
    "final": (lambda: LinearSchedule(-0.1), "optimizer.schedule.final: .* >= 0; got -0.1"),
    "timescale": (lambda: InverseRootSchedule(0), "optimizer.schedule.timescale: .* > 0; got 0"),
    "a function of nothing": (
        lambda: OptaxSchedule(lambda: 1.0),  # pyright: ignore[reportArgumentType]
        "optimizer.schedule: expected a function from the updates made to a factor; got one with",
    ),
    "a function to a vector": (
        lambda: jaxsup.SGD(0.1, schedule=lambda t: jnp.ones(3) * t),
        "optimizer.schedule: expected a function .*; got one that gives ",
    ),
    "as long as an axis allows": (
        lambda: jaxsup.Sweep(
            linear_experiment(optimizer=jaxsup.SGD(0.1, schedule=ConstantSchedule(warmup=1))),
            {"optimizer.schedule.warmup": [1, 5, 6]},
        ),
        "optimizer.schedule.warmup: expected less than steps = 6; got 6",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case: str) -> None:
    assert_one_line_error(*BAD[case])


@untyped
def test_a_function_is_no_learning_rate() -> None:
    rate: Any = optax.schedules.constant_schedule(0.1)
    match = "optimizer.learning_rate: expected a number; got a function; pass it as the schedule"
    assert_one_line_error(lambda: jaxsup.SGD(rate), match)


@untyped
def test_a_class_is_no_schedule() -> None:
    kind: Any = LinearSchedule
    match = "optimizer.schedule: expected a schedule; got <class .*; write jaxsup.WarmupCosine"
    assert_one_line_error(lambda: jaxsup.SGD(0.1, schedule=kind), match)
