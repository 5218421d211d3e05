"""The benchmarks: arithmetic of the harness, and every script at a tiny size."""

import importlib
import itertools
import json
import subprocess
import sys
import textwrap
import types

import numpy as np
import pytest

from benchmarks import bottleneck, comparison, devices, first_result, held_out, report, turns
from benchmarks.__main__ import NAMES
from benchmarks.accelerator import contents, speed
from benchmarks.accelerator.stages import Surroundings
from benchmarks.comparison import Row, Spread


def test_ratios_are_taken_round_by_round():
    row = comparison.compare("work", "rival", [1.0, 2.0, 4.0], [3.0, 10.0, 16.0], target=4.0)
    assert row.reached == Spread(4.0, 3.0, 5.0)
    assert (row.ours, row.theirs, row.unit, row.met) == (2e6, 10e6, "x", True)
    share = comparison.share_of("work", "peak", [4.0, 2.0], [1.0, 1.0], target=0.4)
    assert share.reached == Spread(0.375, 0.25, 0.5)
    assert (share.unit, share.met) == ("%", False)


@pytest.mark.parametrize(
    ("reached", "target", "at_most", "met"),
    [
        (3.0, 3.0, True, True),
        (4.0, 3.0, True, False),
        (4.0, 3.0, False, True),
        (1.0, None, 0, None),
    ],
)
def test_a_target_is_a_floor_or_a_ceiling(reached, target, at_most, met):
    spread = Spread(reached, reached, reached)
    assert Row("work", "rival", spread, "", target=target, at_most=bool(at_most)).met is met


def test_curves_of_one_law_agree_and_of_another_do_not():
    """Differences of 64 pairs scatter with 0.01: 1e-5 of t with 63 degrees allows 4.8 / 8 of it."""
    rng = np.random.default_rng(0)
    start = rng.uniform(1.0, 2.0, (64, 1))
    ours = start + 0.01 * rng.standard_normal((64, 3))
    theirs = start + 0.01 * rng.standard_normal((64, 3))
    same = comparison.same_mean(ours.tolist(), theirs.tolist())
    assert same.agree
    spread = np.std(theirs - ours, axis=0, ddof=1).max() / 8
    assert same.bound * ours.mean() == pytest.approx(4.8 * spread, rel=0.15)
    other = comparison.same_mean(ours.tolist(), (theirs + np.array([0.0, 0.0, 0.02])).tolist())
    assert not other.agree
    assert other.difference * ours[:, 2].mean() == pytest.approx(0.02, abs=0.006)
    with pytest.raises(SystemExit, match="not the same work, nothing is timed"):
        comparison.insist(other, "loss")
    with pytest.raises(ValueError, match="curves: expected at least 4 replicas of both; got 3"):
        comparison.same_mean(ours[:3].tolist(), theirs.tolist())


def test_numbers_without_chance_are_held_to_a_tolerance():
    same = comparison.same_values([4.0, 1.0], [4.0, 1.2], 0.06)
    assert same.agree
    assert same.difference == pytest.approx(0.05)
    assert not comparison.same_values([4.0, 1.0], [4.0, 1.2], 0.04).agree


def test_repetitions_are_grown_until_they_last():
    done = []

    def work(count):
        done.append(count)
        return 0.001 + 0.01 * count

    count = turns.calibrate(work, 2.0)
    assert 150 <= count <= 220
    assert sum(done) < 400
    assert all(late > early for early, late in itertools.pairwise(done))


def test_contenders_take_turns_in_processes_of_their_own(tmp_path):
    """Order reversed every round, one at a time; what is missing is named, what fails ends all."""
    (tmp_path / "contest.py").write_text(
        textwrap.dedent("""
        import os
        from benchmarks.turns import Missing, Prepared

        def contender(name):
            def prepare(case):
                print("chatter that is no answer")
                def turn():
                    with open(case["log"], "a") as log:
                        log.write(f"{name} {os.getpid()}\\n")
                    return 6.0, 3.0
                return Prepared(turn, curve=[[1.0]], facts={"pid": os.getpid()})
            return prepare

        def absent(case):
            raise Missing("no such library")

        def broken(case):
            raise SystemExit(3)

        CONTENDERS = {"a": contender("a"), "b": contender("b"), "c": absent, "d": broken}
        """),
        encoding="utf-8",
    )
    log = tmp_path / "log"
    script = f"""
import json, sys
sys.path.insert(0, {str(tmp_path)!r})
from benchmarks import turns
turns_of = turns.take_turns("contest", ("a", "b", "c"), {{"log": {str(log)!r}}}, 2)
print(json.dumps({{k: [v.costs, v.missing, v.facts] for k, v in turns_of.items()}}))
turns.take_turns("contest", ("d",), {{}}, 2)
"""
    environment = {"PYTHONPATH": str(tmp_path), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=turns.ROOT,
        env=environment,
        check=False,
    )
    turns_of = json.loads(done.stdout)
    assert turns_of["c"] == [[], "no such library", {}]
    assert turns_of["a"][0] == turns_of["b"][0] == [2.0, 2.0]
    pids = {name: str(turns_of[name][2]["pid"]) for name in "ab"}
    lines = [line.split() for line in log.read_text(encoding="utf-8").splitlines()]
    assert lines == [[name, pids[name]] for name in "abba"]
    assert pids["a"] != pids["b"]
    assert done.returncode == 1
    assert "benchmarks: d ended with status 3" in done.stderr


def test_processor_time_of_a_process_and_of_the_machine():
    of_process, of_machine = turns._used(turns.os.getpid()), turns._busy()
    assert 0 < of_process <= of_machine
    assert turns._used(2**30) == 0.0


def test_without_pytorch_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(turns.Missing, match="PyTorch is not installed: pip install torch"):
        devices.use_torch()


@pytest.mark.slow
def test_unavoidable_products_are_counted():
    """B p, W^T h and their two derivatives: 4 K (K + N) operations a sample that is not empty."""
    import jax

    import jaxsup

    case = bottleneck.CASES["large"]
    x = jaxsup.PowerLawFeatures(1024, bottleneck.EXPONENT).sample_batch(jax.random.key(0), 20_000)
    occupied = float((x != 0).any(axis=1).mean())
    assert case.flops / (4.0 * 1024 * 256 * (256 + 1024)) == pytest.approx(occupied, abs=0.02)


def test_held_out_loss_is_that_of_the_formula():
    """Zero core and bias: the output is zero, the loss half the squared norm of the samples."""
    W, zero = np.ones((1, 2, 5), np.float32), np.zeros((1, 2, 2), np.float32)
    x = held_out.sparse_samples(held_out.frequencies(5, 1.5), 2.0)
    losses = held_out.losses(W, zero, np.zeros((1, 5), np.float32), np.array([1.5]))
    np.testing.assert_allclose(losses, 0.5 * np.mean(np.sum(x.astype(float) ** 2, axis=1)))
    rows = x.astype(float)
    expected = np.mean([np.sum((np.maximum(r.sum() + 0.1, 0) * np.ones(5) - r) ** 2) for r in rows])
    loss = held_out.autoencoder_loss(W[0, :1], np.full(5, 0.1, np.float32), x, 1.0)
    assert loss == pytest.approx(expected / 5, rel=1e-5)


def test_compilations_are_counted_where_xla_reports_them():
    import jax

    def successor(x):
        return x + 1

    compiled = jax.jit(successor)
    sizes = [np.zeros(size, np.float32) for size in (2, 3, 2)]
    compilations = first_result.count_compilations(lambda: [compiled(x) for x in sizes])
    assert [name for name, _ in compilations].count("successor") == 2
    assert all(seconds > 0 for _, seconds in compilations)


def test_the_table_and_the_report(tmp_path, capsys):
    rows = [
        Row(
            "work", "rival", Spread(2.0, 1.0, 3.0), "x", target=1.5, ours=1.0, theirs=2.0, note="n"
        ),
        Row("work", "peak", Spread(0.5, 0.5, 0.5), "%", target=0.75),
    ]
    report.print_rows(rows)
    text = capsys.readouterr().out
    assert "2x (1..3)" in text
    assert "at least 1.5x met" in text
    assert "50%" in text
    assert "at least 75% MISSED" in text
    report.write_json(tmp_path / "report.json", {"spectra": {"rows": []}})
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert set(written["environment"]) >= {"jax", "numpy", "cores", "threads", "processor"}
    assert written["environment"]["cores"] == report.cores()


LONG = ("bottleneck", "published_sweep", "scaling")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.extended if name in LONG else pytest.mark.slow)
        for name in NAMES
    ],
)
def test_every_script_runs(name):
    """At a tiny size, in this process; curves are compared where PyTorch is installed."""
    module = importlib.import_module(f"benchmarks.{name}")
    assert (module.__doc__ or "").startswith("Claim: ")
    for row in module.measure(tiny=True):
        assert np.isfinite([row.reached.median, row.reached.low, row.reached.high]).all()
        assert row.reached.low <= row.reached.median <= row.reached.high
        assert row.reached.median > 0


def test_curves_are_compared_before_anything_is_timed(monkeypatch):
    turned = []

    def contender(level):
        def turn():
            turned.append(level)
            return 1.0, 1.0

        return lambda case: turns.Prepared(turn, curve=[[level]])

    makers = {"a": contender(1.0), "b": contender(1.0), "c": contender(1.2)}
    monkeypatch.setitem(sys.modules, "contest", types.SimpleNamespace(CONTENDERS=makers))

    def close(ours, theirs):
        return comparison.same_values(ours, theirs, 0.1)

    notes = comparison.Notes("work", "a", close)
    turns_of = turns.take_turns("contest", ("a", "b"), {}, 2, check=notes, apart=False)
    assert (turns_of["a"].costs, notes["b"]) == ([1.0, 1.0], "curves differ by 0, allowed 0.1")
    turned.clear()
    with pytest.raises(SystemExit, match=r"work, c differ by 0\.2, allowed 0\.1: not the same"):
        turns.take_turns("contest", ("a", "b", "c"), {}, 2, check=notes, apart=False)
    assert not turned


def test_the_example_of_an_accelerator_is_the_sweep_that_its_title_names(monkeypatch, tmp_path):
    (stage,) = (stage for stage in contents.STAGES if stage.name == "example")
    monkeypatch.setattr(speed, "read_sweep", lambda file: pytest.fail(f"reads {file}"))
    with pytest.raises(pytest.fail.Exception, match=stage.title.split()[-1]):
        next(stage.run(Surroundings(tmp_path, True, [], 0.0)))
