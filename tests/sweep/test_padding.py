"""Programs: few of them, by padding the latent dimension where it costs least."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sweep_cases import assert_simulated, linear, run

import jaxsup
from jaxsup.experiment.observables import Observable
from jaxsup.experiment.record import Record
from jaxsup.sweep import grid, programs
from jaxsup.sweep.programs import choose_widths, plan_programs


def test_one_structure_is_one_program():
    axes = {"features.exponent": [1.1, 2], "optimizer.learning_rate": [0.1, 0.2]}
    assert len(plan_programs(jaxsup.Sweep(linear(), axes), 2)) == 1
    widths = {"student.latent": [1, 2, 3, 4, 5, 6]}
    for limit in (1, 2, 3, 9):
        programs = plan_programs(jaxsup.Sweep(linear(), widths), limit)
        assert len(programs) == min(limit, 6)
        covered = np.concatenate([program.points for program in programs])
        np.testing.assert_array_equal(np.sort(covered), np.arange(6))
    programs = plan_programs(jaxsup.Sweep(linear(), {"optimizer.momentum": [0.0, 0.5, 0.9]}), 2)
    assert len(programs) in (2, 3)  # plain descent keeps no velocity


def test_each_setting_is_made_and_asked_once(monkeypatch):
    """Neither for its update again nor, where settings share a form, for how it is padded."""
    calls = dict.fromkeys(("replace_fields", "choose_update", "_padded"), 0)

    def counted(module, name):
        own = getattr(module, name)

        def call(*args):
            calls[name] += 1
            return own(*args)

        monkeypatch.setattr(module, name, call)

    counted(grid, "replace_fields")
    counted(grid, "choose_update")
    counted(programs, "_padded")
    axis = {"student.latent": [2, 2, 3, 3], "teacher.exponent": [0.0, 1.0, 0.0, 1.0]}
    sweep = jaxsup.Sweep(linear(), {"setting": axis})
    (program,) = plan_programs(sweep, 1)
    np.testing.assert_array_equal(program.points, range(4))
    # Once more for the example of the program; for the names of two forms, and each for its width.
    assert calls == {"replace_fields": 4 + 1, "choose_update": 4, "_padded": 2 + 4}


def test_widths_are_cut_where_padding_costs_least():
    def cost(cut, latents, points, count):
        return sum(
            points[latents.index(k)] * (count * max(group) + max(group) ** 2)
            for group in cut
            for k in group
        )

    latents, points, count = [2, 5, 6, 9, 20], [3, 1, 4, 1, 2], 30
    groups = choose_widths(latents, points, count, 2)
    assert [k for group in groups for k in group] == latents
    cuts = [(tuple(latents[:i]), tuple(latents[i:])) for i in range(1, 5)]
    lowest = min(cost(cut, latents, points, count) for cut in cuts)
    assert cost(groups, latents, points, count) == lowest
    assert choose_widths([4], [1], 8, 3) == [(4,)]
    assert choose_widths([2, 4], [1, 1], 8, 5) == [(2,), (4,)]


@pytest.mark.parametrize(
    "widths",
    [pytest.param(1, marks=pytest.mark.extended), 2, pytest.param(4, marks=pytest.mark.extended)],
)
def test_any_number_of_padded_widths(widths):
    sweep = jaxsup.Sweep(linear(), {"student.latent": [2, 3, 5], "teacher.exponent": [0.0, 1.0]})
    assert len(plan_programs(sweep, widths)) == min(widths, 3)
    dataset = run(sweep, widths=widths)
    assert_simulated(dataset, sweep)


PADDED = {
    "frozen": (jaxsup.Student(3, core_scale=0.3, bias_scale=0.1), jaxsup.SGD(0.2, 0.5)),
    "learned": (
        jaxsup.Student(3, "learned", core_scale=0.3),
        jaxsup.AdamW(0.01, weight_decay=0.3, eps=1e-3),
    ),
    "untied": (
        jaxsup.Student(3, "untied", core=False, embedding_scale=0.2),
        jaxsup.Adam(0.01, eps=1e-3),
    ),
}


@pytest.mark.parametrize(
    "case",
    ["learned", *(pytest.param(c, marks=pytest.mark.extended) for c in ("frozen", "untied"))],
)
def test_padded_widths_equal_exact_ones(case):
    student, optimizer = PADDED[case]
    record = Record(points=4, parameter_steps=(8,), observables=("embedding_norm",))
    base = linear(student, optimizer=optimizer, record=record)
    sweep = jaxsup.Sweep(base, {"student.latent": [2, 4]}, seeds=2)
    assert [program.width for program in plan_programs(sweep, 1)] == [4]
    dataset = run(sweep, widths=1)
    assert_simulated(dataset, sweep)
    narrow = dataset.isel({"student.latent": 0, "kept_step": 0})
    for name in {"embedding", "readout", "core"} & set(dataset):
        rows = narrow[name].transpose("latent", ...).values
        assert np.isnan(rows[2:]).all()  # whatever the arrays hold there, as in a store
        assert np.isfinite(rows[:2][..., :2]).all()


@pytest.mark.slow
def test_kept_parameters_do_not_depend_on_the_padding():
    base = linear(jaxsup.Student(3, "learned"), record=Record(points=3, parameter_steps=(4, 8)))
    sweep = jaxsup.Sweep(base, {"student.latent": [2, 3, 5]}, seeds=2)
    several, single = run(sweep, widths=3), run(sweep, widths=1)
    for name in ("embedding", "core"):
        np.testing.assert_allclose(several[name], single[name], rtol=1e-5, atol=1e-6)
    assert np.isnan(single["core"].isel({"student.latent": 0, "latent": 0, "latent_in": 2})).all()


class MeanNorm(Observable):
    """The mean norm of a row of W, which rows of zeros would change."""

    name: str = eqx.field(static=True, default="mean_norm")
    dims: tuple[str, ...] = eqx.field(static=True, default=())
    long_name: str = eqx.field(static=True, default="mean norm of a row of W")
    units: str = eqx.field(static=True, default="1")

    def measure(self, network):
        return jnp.mean(jnp.linalg.norm(network.array("embedding"), axis=1))


@pytest.mark.parametrize(
    ("optimizer", "observables"),
    [
        (optax.chain(optax.clip_by_block_rms(1e-3), optax.sgd(1.0)), ()),
        (jaxsup.SGD(0.1), (MeanNorm(),)),
    ],
    ids=["optimizer", "observable"],
)
def test_what_may_feel_padding_is_given_none(optimizer, observables):
    """An optimizer or observable of others may take a mean over the rows."""
    base = linear(
        jaxsup.Student(2, "learned"),
        optimizer=optimizer,
        record=Record(points=3, observables=observables),
    )
    sweep = jaxsup.Sweep(base, {"student.latent": [2, 5]}, seeds=1)
    assert [program.width for program in plan_programs(sweep, 1)] == [2, 5]
    assert_simulated(run(sweep, widths=1), sweep)


@pytest.mark.parametrize("eps", [[1e-8, 0.0], [1e-40, 1e-8], None])
def test_adam_without_eps_is_given_no_padding(eps):
    """0 / 0 of a row that is not there would end the run."""
    optimizer = jaxsup.Adam(0.01, eps=1e-8 if eps else 0.0)
    student = jaxsup.Student(3, "learned", core=False, bias=False)
    axes = {"student.latent": [2, 3], **({"optimizer.eps": eps} if eps else {})}
    sweep = jaxsup.Sweep(linear(student, optimizer=optimizer), axes)
    assert len(plan_programs(sweep, 1)) == 2
    dataset = run(sweep, widths=1)
    assert (dataset["status"] == 0).all()
    assert_simulated(dataset, sweep)
