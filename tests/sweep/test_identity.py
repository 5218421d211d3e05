"""The fingerprint of a store holds how its updates were computed."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest

import jaxsup
from jaxsup.sweep.programs import plan_programs
from jaxsup.sweep.store.identity import program_identity
from jaxsup.sweep.store.schema import Layout
from jaxsup.training.sampling import plan
from jaxsup.training.updates import Listed


def sweep(**changes: object) -> jaxsup.Sweep:
    settings: dict[str, Any] = {
        "features": jaxsup.PowerLawFeatures(40, 1.5),
        "teacher": jaxsup.DiagonalTeacher(0.0),
        "student": jaxsup.Student(4),
        "optimizer": jaxsup.SGD(0.1),
        "batch_size": 8,
        "steps": 2,
        "record": jaxsup.Record(points=2, evaluation_samples=16),
    }
    experiment = jaxsup.Experiment(**{**settings, **changes})
    return jaxsup.Sweep(experiment, {"student.latent": [3, 4], "features.exponent": [1.5, 2.0]})


def fingerprint(widths: int = 2) -> str:
    scan = sweep()
    return Layout(scan, plan_programs(scan, widths)).fingerprint


def test_how_many_programs_train_a_sweep_is_not_part_of_it() -> None:
    assert fingerprint(1) == fingerprint(2)


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (Listed, "version", 2),
        pytest.param(plan, "_LEVEL", 2**0.5, marks=pytest.mark.slow),
        pytest.param(plan, "_FEWEST_FEATURES", 64, marks=pytest.mark.extended),
        pytest.param(plan, "_MOST_ARRIVALS", 0.5, marks=pytest.mark.extended),
        pytest.param(plan, "UNLIKELY", 1e-9, marks=pytest.mark.extended),
    ],
)
def test_a_store_is_not_filled_by_other_updates(
    owner: object, name: str, value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was retuned between two calls would draw other samples of the same configuration."""
    store = tmp_path / "store"
    jaxsup.run(sweep(), store)
    jaxsup.run(sweep(), store, resume=True)
    before = fingerprint()
    monkeypatch.setattr(owner, name, value)
    plan.plan_sparse.cache_clear()
    try:
        assert fingerprint() != before
        with pytest.raises(
            ValueError, match=r"store: expected the sweep that it holds; got .*updates\."
        ):
            jaxsup.run(sweep(), store, resume=True)
    finally:
        plan.plan_sparse.cache_clear()


def test_classes_of_the_package_need_no_trace() -> None:
    programs = plan_programs(sweep(), 2)
    assert all("trace" not in program_identity(program) for program in programs)
    assert program_identity(programs[0])["training"]["update"] == "listed"


class Constant(jaxsup.AbstractTeacher):
    """y = g x, where g is an array of a compiled function within a function."""

    def targets(self, x: Any) -> Any:
        return _scaled(x)


def _scaled(x: Any) -> Any:
    """Replaced by each edit."""
    raise NotImplementedError


def _edit(monkeypatch: pytest.MonkeyPatch, gains: np.ndarray, *, branch: bool = False) -> None:
    """Write the module anew, with these numbers in it."""

    @jax.jit
    def inner(x: Any) -> Any:
        return x * gains[None, :]

    @jax.jit
    def chosen(x: Any) -> Any:
        return jax.lax.cond(x.sum() > 0, inner, lambda x: x, x)

    monkeypatch.setitem(globals(), "_scaled", chosen if branch else inner)


@pytest.mark.slow
@pytest.mark.parametrize("branch", [False, True])
def test_a_constant_inside_of_a_compiled_function_is_part_of_it(
    branch: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is neither printed with the program nor among the program's own constants."""
    store, gains = tmp_path / "store", np.linspace(1, 2, 40, dtype=np.float32)
    _edit(monkeypatch, gains, branch=branch)
    jaxsup.run(sweep(teacher=Constant()), store)
    _edit(monkeypatch, gains.copy(), branch=branch)
    jaxsup.run(sweep(teacher=Constant()), store, resume=True)
    _edit(monkeypatch, 50 * gains, branch=branch)
    with pytest.raises(ValueError, match=r"expected the sweep that it holds; got .*trace"):
        jaxsup.run(sweep(teacher=Constant()), store, resume=True)


@pytest.mark.slow
def test_a_transformation_with_a_key_of_its_own_is_stored(tmp_path: Path) -> None:
    """The key is among the program's constants, and is no array of NumPy."""

    def noisy(seed: int) -> jaxsup.Sweep:
        key = jax.random.key(seed)
        optimizer = optax.noisy_sgd(0.1, eta=0.01, gamma=0.5, key=key)
        return sweep(optimizer=optimizer)

    store = tmp_path / "store"
    jaxsup.run(noisy(0), store)
    jaxsup.run(noisy(0), store, resume=True)
    with pytest.raises(ValueError, match=r"expected the sweep that it holds; got .*trace"):
        jaxsup.run(noisy(1), store, resume=True)


def test_networks_with_noise_say_how_it_reaches_them() -> None:
    """They were other networks where they were padded, and no other store has to know of it."""
    identities = [
        program_identity(plan_programs(sweep(student=student), 2)[0])
        for student in (jaxsup.Student(4), jaxsup.Student(4, hidden_noise=0.1))
    ]
    assert [identity.get("noise") for identity in identities] == [None, 2]


@pytest.mark.slow
def test_objects_that_read_alike_do_not_change_places(tmp_path: Path) -> None:
    """Transformations of optax have no entries to tell them by."""

    def mixed(*order: int, joint: bool = False) -> jaxsup.Sweep:
        optimizers = [(slow, fast)[place] for place in order]
        rates = {"teacher.exponent": [0.1 * n for n in range(len(order))]} if joint else {}
        cases = {"optimizer": optimizers, **rates}
        return jaxsup.Sweep(sweep().experiment, {"case": cases} if joint else cases)

    slow, fast = optax.sgd(0.1), optax.sgd(0.4)
    for name, order, other, joint in (
        ("alone", (0, 1), (1, 0), False),
        ("paired", (0, 1, 0, 1), (0, 1, 1, 0), True),
    ):
        jaxsup.run(mixed(*order, joint=joint), tmp_path / name)
        jaxsup.run(mixed(*order, joint=joint), tmp_path / name, resume=True)
        with pytest.raises(ValueError, match=r"the sweep that it holds; got another one"):
            jaxsup.run(mixed(*other, joint=joint), tmp_path / name, resume=True)
