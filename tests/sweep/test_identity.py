"""The fingerprint of a store holds how its updates were computed."""

from pathlib import Path

import pytest

import jaxsup
from jaxsup.sweep.programs import plan_programs
from jaxsup.sweep.store.identity import program_identity
from jaxsup.sweep.store.schema import Layout
from jaxsup.training.sampling import plan
from jaxsup.training.updates import Listed


def sweep(**changes: object) -> jaxsup.Sweep:
    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(40, 1.5),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(4),
        jaxsup.SGD(0.1),
        batch_size=8,
        steps=2,
        record=jaxsup.Record(points=2, evaluation_samples=16),
        **changes,  # pyright: ignore[reportArgumentType]
    )
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
        pytest.param(plan, "_FEWEST_FEATURES", 64, marks=pytest.mark.slow),
        pytest.param(plan, "_MOST_ARRIVALS", 0.5, marks=pytest.mark.slow),
        pytest.param(plan, "UNLIKELY", 1e-9, marks=pytest.mark.slow),
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
