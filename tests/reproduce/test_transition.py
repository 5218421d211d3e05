"""The transition: its students, what is measured of known curves, and the verdicts that follow."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from jaxsup import Student, Sweep
from jaxsup.reproduce.analysis import transition_limits, transition_panels, transition_table
from jaxsup.reproduce.analysis.transition_table import Row
from jaxsup.reproduce.figures import transition

FIGURE = transition.Transition()
SMALL = transition.Scale(24, 20_000, 8, 3, ((1.5, 0.0), (2.0, 0.0)), (1, 2), (0.5,))


def test_the_claims_of_each_scale_are_of_students_that_tell_overlap_from_bottleneck() -> None:
    for name in ("quick", "standard", "paper"):
        scale = transition.SCALES[name]
        students = transition.arrangements(scale)
        whole = [s for s in students if s.latent == scale.features]
        assert {(s.embedding, s.randomness) for s in whole} >= {
            ("identity", None),
            ("random", 0.0),
            ("random", 1.0),
        }, name
        assert any(s.latent == scale.features // 2 for s in students), name
        assert {a for a, b in scale.laws if b == 0} >= {1.1, 1.5, 2.0}, name
        assert scale.seeds >= 3, name


def test_the_paper_scale_has_the_published_laws_and_is_fine_near_one() -> None:
    scale = transition.SCALES["paper"]
    assert scale.features == 1024
    assert scale.seeds >= 5
    assert set(scale.laws) >= {(1.1, 0), (1.3, 0), (1.5, 0), (2, 0), (1.5, 0.25), (1.5, 0.5)}
    assert sum(ratio < 1.5 for ratio in scale.ratios) >= 4
    assert transition.SCALES["large"].features == 4096


def synthetic(sweep: Sweep, exponents: dict[str, tuple[float, float]]) -> xr.Dataset:
    """Curves with a law until t = 1,000 and another one later, by how the columns lie."""
    steps = np.unique(np.round(np.geomspace(1, 20_000, 120)))
    steps = np.concatenate([[0.0], steps]).astype(int)
    shape = (*sweep.shape, len(sweep.seeds), len(steps))
    noise = np.random.default_rng(0).normal(size=shape) * 0.01
    loss = np.empty(shape)
    for arrangement in range(sweep.shape[1]):
        student = sweep.experiment_at((0, arrangement)).student
        assert isinstance(student, Student)
        kind = "identity" if student.embedding == "identity" else f"{student.randomness:g}"
        first, last = exponents[kind]
        t = np.maximum(steps, 0.5) / 1000
        loss[:, arrangement] = np.where(t < 1, t**-first, t**-last)
    return xr.Dataset(
        {
            "loss": (("law", "arrangement", "seed", "step"), loss * np.exp(noise)),
            "status": (("law", "arrangement", "seed"), np.zeros(shape[:-1], np.int8)),
        },
        coords={"step": steps, "seed": list(sweep.seeds)},
    )


@pytest.fixture(scope="module")
def measured() -> tuple[Sweep, xr.Dataset, list[Row]]:
    sweep = FIGURE.configure(SMALL)
    laws = {"identity": (0.4, 0.4), "0": (0.4, 0.4), "0.5": (0.4, 1.5), "1": (0.4, 1.0)}
    dataset = synthetic(sweep, laws)
    # One seed that never learns, and one that diverged.
    dataset["loss"][0, -1, 0] = 1.0
    dataset["status"][1, -1, 2] = 1
    return sweep, dataset, transition_table.measure(dataset, sweep)


def test_both_regimes_of_known_curves_are_found(measured) -> None:
    _, _, table = measured
    assert [row.kind for row in table[:6]] == [
        "identity",
        "identity",
        "rotation",
        "between",
        "random",
        "random",
    ]
    for row in table:
        assert row.first is not None
        assert row.last is not None
        assert row.steepest is not None
        expected = {"between": 1.5, "random": 1.0}.get(row.kind, 0.4)
        low, high = row.last.interval
        assert low - 0.02 < expected < high + 0.02, row.name
        assert row.first.exponent == pytest.approx(0.4, abs=0.05), row.name
        # From eta t = 100 on: what W = I shows there is still the first law.
        assert row.steepest.exponent == pytest.approx(expected, abs=0.06), row.name


def test_seeds_that_never_learn_and_those_that_diverge_belong_to_no_curve(measured) -> None:
    _, _, table = measured
    random = [row for row in table if row.kind == "random" and row.ratio == 2]
    assert [(row.silent, row.diverged, len(row.loss)) for row in random] == [(1, 0, 2), (0, 1, 2)]
    others = [row for row in table if row.kind != "random" or row.ratio != 2]
    assert all((row.silent, row.diverged, len(row.loss)) == (0, 0, 3) for row in others)
    assert "(1 seeds silent, 0 diverged)" in "\n".join(transition_table.lines(table))
    assert "steepest local exponent from eta t = 100 on" in transition_table.lines(table)[0]


def test_nothing_is_claimed_of_a_student_of_which_no_seed_learned(measured) -> None:
    sweep, dataset, _ = measured
    lost = dataset.copy(deep=True)
    lost["loss"][0, -1] = 1.0
    table = transition_table.measure(lost, sweep)
    row = table[sweep.shape[1] - 1]
    assert row.regimes is None
    assert row.to_dict()["regimes"] is None
    claims = [c for c in FIGURE.claims(table) if c.reason == "no seed learned"]
    assert [claim.verdict for claim in claims] == ["not claimed"]
    assert transition_table.summary(table)
    transition_panels.draw(table, 2)


def test_overlaps_are_those_of_the_columns(measured) -> None:
    _, _, table = measured
    overlaps = {(row.kind, row.ratio): row.overlap for row in table}
    assert overlaps["identity", 1.0] == 0.0
    assert overlaps["rotation", 1.0] == pytest.approx(0.0, abs=1e-6)
    assert 0.0 < overlaps["between", 1.0] < overlaps["random", 1.0]
    assert overlaps["random", 1.0] == pytest.approx(1 / 24, rel=0.15)
    assert overlaps["random", 2.0] == pytest.approx(1 / 12, rel=0.15)


def test_the_theory_of_a_row_is_that_of_its_window(measured) -> None:
    _, _, table = measured
    row = dataclasses.replace(table[0], linear_loss=3.0 * table[0].steps ** -0.3)
    assert row.theory == pytest.approx(0.3)
    # N = 24, eta = 1: the closed form has reached 0 before the window ends.
    assert table[0].linear_loss[0] > 0
    assert np.isnan(table[0].theory)
    assert np.isnan(dataclasses.replace(row, regimes=None).theory)


def test_few_features_say_what_they_cannot_show(measured) -> None:
    _, _, table = measured
    assert "decides nothing" in "\n".join(FIGURE.summarize(table))
    said = {}
    for count in (128, 256):
        rows = [dataclasses.replace(row, latent=round(count / row.ratio)) for row in table]
        said[count] = "\n".join(transition_limits.limits(rows))
    assert said[128].startswith("This size (128 features, 3 seeds) shows: which stretches")
    assert "cannot show whether they reach 1" in said[128]
    assert not said[256]
    assert transition.SCALES["first"].features == 128


def test_verdicts_follow_the_exponents(measured) -> None:
    _, _, table = measured
    claims = FIGURE.claims(table)
    within = [claim for claim in claims if "about 1" in claim.statement]
    assert [claim.verdict for claim in within] == ["agrees", "agrees"]
    without = [claim for claim in claims if "Without superposition" in claim.statement]
    assert len(without) == 4
    assert {claim.verdict for claim in without} <= {"differs", "not claimed"}
    slow = [
        dataclasses.replace(row, linear_loss=row.steps**-0.4)
        for row in table
        if row.kind == "identity"
    ]
    rest = [row for row in table if row.kind == "random"]
    without = [c for c in FIGURE.claims([*slow, *rest]) if "Without superposition" in c.statement]
    assert [claim.verdict for claim in without] == ["agrees"] * 4
    control = [claim for claim in claims if "Control" in claim.statement]
    assert [claim.verdict for claim in control] == ["not claimed"] * 2
    assert all("does not have this student" in claim.explanation for claim in control)


def test_exponents_that_follow_the_data_differ_from_the_claim() -> None:
    sweep = FIGURE.configure(SMALL)
    laws = {"identity": (0.4, 0.4), "0": (0.4, 0.4), "0.5": (0.4, 0.4), "1": (0.4, 0.4)}
    table = transition_table.measure(synthetic(sweep, laws), sweep)
    within = [claim for claim in FIGURE.claims(table) if "about 1" in claim.statement]
    assert [claim.verdict for claim in within] == ["differs", "differs"]


def test_the_picture_has_four_panels_that_say_what_they_show(measured) -> None:
    _, _, table = measured
    axes = transition_panels.draw(table, 2).axes
    assert len(axes) == 4
    assert all(ax.get_title() and ax.get_xlabel() and ax.get_ylabel() for ax in axes)
    legend = axes[3].get_legend()
    assert legend is not None
    assert "a = 1.5" in [text.get_text() for text in legend.get_texts()]
    # Both laws' curves, with superposition and without.
    curves = [line for line in axes[0].lines if line.get_linewidth() == 1.0]
    assert sum(len(np.asarray(line.get_xdata())) > 0 for line in curves) == 4
