"""The check of an accelerator: its clock, its journal, and that its checks can fail."""

import collections
import contextlib
import dataclasses
import functools
import json
import time

import equinox as eqx
import jax
import numpy as np
import pytest
from cards import card
from update_cases import plain_gradient, split

from benchmarks.accelerator import (
    __main__,
    contents,
    decompositions,
    gradients,
    laws,
    speed,
    stages,
)
from benchmarks.accelerator.journal import Finding, Journal, at_least, at_most
from benchmarks.accelerator.stages import Stage, Surroundings, run_stages
from benchmarks.comparison import Row, Spread
from jaxsup.experiment.experiment import initial_parameters
from jaxsup.training.updates import choose_update, fused, gathered, sparse
from jaxsup.training.updates.tiles import side_of

HERE = {"jax": "1.2", "device": "slide rule"}


def stage(name, run, needs=0.0, most=None):
    return Stage(name, f"about {name}", run, needs, most)


def found(*findings):
    return lambda surroundings: iter(findings)


def lines(folder):
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def surroundings(tmp_path, seconds=60.0):
    return Surroundings(tmp_path, True, jax.local_devices(), time.monotonic() + seconds)


def test_a_finding_is_on_the_disk_before_the_next_is_looked_for(tmp_path):
    seen = []

    def run(surroundings):
        yield at_most("first", 1.0, 2.0)
        seen.append([entry["event"] for entry in lines(tmp_path)])
        yield at_most("second", 1.0, 2.0)

    run_stages([stage("a", run)], Journal(tmp_path, HERE), 60.0, [], small=False)
    assert seen == [["environment", "begun", "finding"]]
    assert [entry["event"] for entry in lines(tmp_path)][-1] == "ended"


@pytest.mark.parametrize(
    ("finding", "fails"),
    [
        (at_most("x", 2.0, 2.0), False),
        (at_most("x", 2.1, 2.0), True),
        (at_most("x", float("nan"), 2.0), True),
        (at_least("x", 2.0, 2.0), False),
        (at_least("x", 1.9, 2.0), True),
        (at_least("x", float("nan"), 2.0), True),
        (Finding("x", value=1e9), False),
    ],
)
def test_what_does_not_hold_fails(tmp_path, finding, fails):
    journal = Journal(tmp_path, HERE)
    run_stages([stage("a", found(finding))], journal, 60.0, [], small=False)
    assert journal.fails is fails
    assert ("**NO**" in journal.tables()) is fails


def test_a_stage_that_fails_is_told_and_others_go_on(tmp_path, capsys):
    def fail(surroundings):
        yield at_most("before", 1.0, 2.0)
        raise RuntimeError("no such | kernel")

    journal = Journal(tmp_path, HERE)
    both = [stage("broken", fail), stage("whole", found(at_most("x", 1.0, 2.0)))]
    run_stages(both, journal, 60.0, [], small=False)
    assert journal.fails
    text = (tmp_path / "report.md").read_text()
    assert "| broken | about broken | failed |" in text
    assert "RuntimeError: no such / kernel" in text
    assert "| whole | x | yes | 1 | 2 |" in text
    capsys.readouterr()


def test_stages_that_take_longer_than_is_left_are_skipped_and_say_so(tmp_path, capsys):
    journal = Journal(tmp_path, HERE)
    both = [stage("long", found(), needs=100.0), stage("short", found(Finding("x", value=1.0)))]
    run_stages(both, journal, 50.0, [], small=False)
    assert (journal.accounts["long"].ending, journal.accounts["short"].ending) == (
        "skipped",
        "ended",
    )
    assert "skipped: 50 s were left, it takes 100 or more" in capsys.readouterr().out
    assert not journal.fails
    # On a CPU all is smaller, and fits.
    run_stages(both, journal, 50.0, [], small=True)
    assert journal.accounts["long"].ending == "ended"


def test_the_clock_interrupts_and_keeps_what_was_found(tmp_path):
    def run(surroundings):
        yield Finding("early", value=1.0)
        time.sleep(30)
        yield Finding("late", value=1.0)

    journal = Journal(tmp_path, HERE)
    began = time.monotonic()
    run_stages([stage("a", run), stage("b", found())], journal, 0.3, [], small=False)
    assert time.monotonic() - began < 10
    account = journal.accounts["a"]
    assert (account.ending, [f.name for f in account.findings]) == ("cut off", ["early"])


def test_an_alarm_that_python_ignores_comes_again(tmp_path, monkeypatch):
    """The first one falls into code that takes whatever is raised for nothing."""
    monkeypatch.setattr(stages, "_ALARMED_EVERY", 0.2)

    def run(surroundings):
        with contextlib.suppress(BaseException):
            time.sleep(30)
        time.sleep(30)
        yield Finding("late", value=1.0)

    journal = Journal(tmp_path, HERE)
    began = time.monotonic()
    run_stages([stage("a", run)], journal, 0.3, [], small=False)
    assert time.monotonic() - began < 10
    assert journal.accounts["a"].ending == "cut off"


def test_a_later_call_goes_on(tmp_path):
    """What ended is not repeated; what never came back is tried last; half a line is none."""
    ran = []

    def run(name, surroundings):
        ran.append(name)
        yield at_most(name, 1.0, 2.0)

    three = [stage(name, functools.partial(run, name)) for name in ("a", "hangs", "c")]
    journal = Journal(tmp_path, HERE)
    run_stages(three[:1], journal, 60.0, [], small=False)
    journal.begin("hangs", "about it")
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write('{"event": "find')
    later = Journal(tmp_path, HERE)
    run_stages(three, later, 60.0, [], small=False)
    assert ran == ["a", "c", "hangs"]
    assert [len(account.findings) for account in later.accounts.values()] == [1, 1, 1]
    assert Journal(tmp_path, HERE).tables() == later.tables()
    Journal(tmp_path, {**HERE, "device memory": 5})
    with pytest.raises(SystemExit, match=r"results of jax 1\.3, or a new folder; got .* of 1\.2"):
        Journal(tmp_path, {**HERE, "jax": "1.3"})


GRADIENTS = {
    name: case
    for name, case in gradients.cases().items()
    if case.loss is not None and "1024" not in name
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_formulas_are_what_automatic_differentiation_gives(name):
    """Both in float64, on samples that are nothing like the law's."""
    case = GRADIENTS[name]
    experiment = case.experiment
    x = np.random.default_rng(0).normal(size=(7, experiment.features.count))
    parameters = initial_parameters(experiment, jax.random.key(3))
    learned, frozen = split(experiment, parameters)
    expected = plain_gradient(experiment, x, learned, frozen)
    arrays = {
        name: None if leaf is None else np.asarray(leaf, np.float64)
        for name, leaf in gradients._arrays(parameters).items()
    }
    assert case.loss is not None
    ours = case.loss.gradient(arrays, x)
    compared = 0
    for field, leaf in gradients._arrays(expected).items():
        if leaf is not None:
            np.testing.assert_allclose(ours[field], leaf, rtol=0, atol=1e-12 * np.abs(leaf).max())
            compared += 1
    assert compared


def test_the_gradients_take_every_update(monkeypatch):
    kinds = {choose_update(case.experiment).kind for case in gradients.cases().values()}
    assert kinds == {"tied", "population", "gathered", "listed", "dense"}
    assert set(gradients.QUICK) <= set(gradients.cases())
    # And every kind of kernels that cards of NVIDIA's have.
    for module in (sparse, gathered):
        monkeypatch.setattr(module, "fault_of_kernels", lambda *arguments: None)
    ways = collections.Counter()
    for experiment, _ in gradients.cases().values():
        update = choose_update(experiment).on(experiment, card())
        ways["halves"] += getattr(update, "halved", False)
        if getattr(update, "fused", False):
            latent, count = experiment.student.latent, experiment.features.count
            ways[f"{fused._warps(side_of(latent), side_of(count))} warps"] += 1
    assert {way for way, number in ways.items() if number} == {"halves", "1 warps", "2 warps"}


def test_a_gradient_that_is_off_by_little_is_seen():
    """Ten times the bound in one entry of the teacher: the step of training has not got that."""
    case = gradients.cases()["48 features, frozen"]
    keys = jax.random.split(jax.random.key(5), 2)
    result = jax.jit(jax.vmap(functools.partial(gradients.one_step, case)))(keys)
    error, _ = gradients.largest_error(case, result, keys)
    assert error < gradients.BOUND
    assert case.loss is not None
    teacher = case.loss.teacher.copy()
    teacher[0, 0] += 1e-4
    other = case._replace(loss=case.loss._replace(teacher=teacher))
    error, _ = gradients.largest_error(other, result, keys)
    assert gradients.BOUND < error < 1e-3
    (before, after, samples) = result
    lost = eqx.tree_at(lambda p: p.bias, after, after.bias * np.nan)
    assert gradients.largest_error(case, (before, lost, samples), keys) == (1.0, "bias")


def test_a_sampler_of_another_law_is_seen():
    """One feature 3% rarer than it should be, in 10^6 samples: 11 standard errors of 2.9e-3."""
    p, samples = np.asarray([0.1, 0.2, 0.3]), 10**6
    counts = np.random.default_rng(0).binomial(samples, p)
    assert laws.features_chance(counts, p, samples) > 1e-3
    assert laws.features_chance(counts, p * [1.0, 1.03, 1.0], samples) < laws.LEVEL
    active = (np.random.default_rng(1).random((samples, 3)) < p).sum(axis=1)
    numbers = np.bincount(active, minlength=4)
    assert laws.numbers_chance(numbers, p) > 1e-3
    assert laws.numbers_chance(numbers, p * [1.0, 1.03, 1.0]) < laws.LEVEL


@pytest.mark.parametrize(
    ("broken", "sees"),
    [
        (lambda A: jax.numpy.linalg.eigh(A), {"V L V^T": True, "orthonormal": True}),
        (lambda A: (jax.numpy.diagonal(A), A), {"V L V^T": False, "orthonormal": False}),
    ],
)
def test_a_wrong_decomposition_is_seen(broken, sees, monkeypatch):
    monkeypatch.setattr(decompositions.jnp.linalg, "eigh", broken) if not sees["V L V^T"] else None
    findings = list(decompositions.batched_eigh(5, 3))
    assert [f.holds for f in findings] == list(sees.values())


def test_eigenspaces_that_are_not_the_planted_ones_are_seen(monkeypatch):
    decompose = decompositions.spectral.decompose_batch
    assert all(f.holds for f in decompositions.degenerate(8, 2))
    merged = functools.partial(decompose, relative_tolerance=0.5)
    monkeypatch.setattr(decompositions.spectral, "decompose_batch", merged)
    assert [f.holds for f in decompositions.degenerate(8, 2)] == [False, True, False, True]


def test_a_share_above_the_roofline_is_a_check_that_fails():
    row = Row("work", "roofline", Spread(4.27, 4.27, 4.27), "%", target=0.5, attainable=True)
    finding = speed._share("work", row)
    assert finding.holds is False
    assert "an error of the benchmark" in finding.note
    row = dataclasses.replace(row, reached=Spread(0.4, 0.4, 0.4))
    finding = speed._share("work", row)
    assert (finding.holds, finding.value) == (None, pytest.approx(40.0))
    assert "to reach: 50%, MISSED" in finding.note


# The clock may interrupt Python where it ignores that, and says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.slow
def test_the_command_runs_on_a_cpu(tmp_path, capsys):
    """Every stage ends, or is left out for want of time and says so; nothing fails."""
    began = time.monotonic()
    status = __main__.main(["--minutes", "0.5", "--out", str(tmp_path / "out")])
    assert time.monotonic() - began < 30 + 25
    text = capsys.readouterr().out
    assert status == 0, text
    journal = Journal(tmp_path / "out", json.loads(json.dumps(lines(tmp_path / "out")[0])))
    endings = {name: account.ending for name, account in journal.accounts.items()}
    assert list(endings) == [stage.name for stage in contents.STAGES]
    assert set(endings.values()) <= {"ended", "cut off", "skipped"}
    assert any(finding.holds for finding in journal.accounts["gradients"].findings)
    assert (tmp_path / "out" / "report.md").read_text() in text
