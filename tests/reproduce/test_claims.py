"""Verdicts and estimates, against cases worked out by hand and textbook numbers."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_one_line_error

from jaxsup import fit_power_law
from jaxsup.fit import intervals
from jaxsup.fit.intervals import Estimate
from jaxsup.reproduce.claims import Claim, Published, format_claims


def claim(
    published: tuple[float, float] | None,
    measured: tuple[float, float, float] | None,
    reason: str = "",
    scale: float | None = None,
) -> Claim:
    return Claim(
        "exponent",
        "It is about 1.",
        "a paper",
        None if published is None else Published(*published, "about 1", scale),
        None if measured is None else Estimate(*measured, "by hand"),
        reason,
    )


def share(published: tuple[float, float], hits: int, trials: int) -> Claim:
    return claim(published, intervals.from_share(hits, trials)[:3])


INF = math.inf
CASES = {
    "inside": (claim((0.8, 1.2), (1.0, 0.9, 1.1)), "agrees"),
    "the range itself": (claim((0.8, 1.2), (1.0, 0.8, 1.2)), "agrees"),
    "value inside, reaches out": (claim((0.8, 1.2), (1.0, 0.7, 1.1)), "not claimed"),
    "value outside, reaches in": (claim((0.8, 1.2), (0.7, 0.5, 0.85)), "not claimed"),
    "spread of exponents, outside": (claim((0.0, 0.5), (0.5437, 0.45, 0.62)), "not claimed"),
    "touches": (claim((0.8, 1.2), (0.7, 0.6, 0.8)), "not claimed"),
    "below": (claim((0.8, 1.2), (0.7, 0.6, 0.79)), "differs"),
    "above": (claim((0.8, 1.2), (1.3, 1.21, 1.4)), "differs"),
    "beyond on both sides": (claim((0.8, 1.2), (1.0, 0.7, 1.3)), "not claimed"),
    "far below, wide": (claim((0.8, 1.2), (0.2, -0.4, 0.7)), "differs"),
    "above the end of an open range": (claim((0.5, INF), (0.8, 0.6, 1.0)), "agrees"),
    "wider than an open range's end": (claim((0.5, INF), (1.0, 0.7, 9.0)), "not claimed"),
    "within a stated scale": (claim((0.5, INF), (1.0, 0.7, 9.0), scale=10.0), "agrees"),
    "wider than a stated scale": (claim((0.5, INF), (1.0, 0.7, 1.0), scale=0.2), "not claimed"),
    "open below": (claim((-INF, 0.75), (0.5, 0.4, 0.6)), "agrees"),
    "reaches out of an open range": (claim((-INF, 0.75), (0.7, 0.6, 0.8)), "not claimed"),
    "below an open range": (claim((0.5, INF), (0.2, 0.1, 0.3)), "differs"),
    "all of a million": (share((0.95, 1.0), 1_000_000, 1_000_000), "agrees"),
    "one of two, most": (share((0.5, 1.0), 1, 2), "not claimed"),
    "one of two, nearly all": (share((0.95, 1.0), 1, 2), "not claimed"),
    "one of two, nearly none": (share((0.0, 0.05), 1, 2), "not claimed"),
    "two of two, most": (share((0.5, 1.0), 2, 2), "not claimed"),
    "six of six, most": (share((0.5, 1.0), 6, 6), "agrees"),
    "none of six, most": (share((0.5, 1.0), 0, 6), "differs"),
    "with a reason": (claim((0.8, 1.2), (1.0, 0.9, 1.1), "too small"), "not claimed"),
    "nothing published": (claim(None, (1.0, 0.9, 1.1), "no number"), "not claimed"),
    "nothing measured": (claim((0.8, 1.2), None, "no power law"), "not claimed"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_follows_from_interval_and_range(case: str) -> None:
    judged, verdict = CASES[case]
    assert judged.verdict == verdict
    assert bool(judged.explanation) == (verdict == "not claimed")
    table = json.loads(json.dumps(judged.to_dict(), allow_nan=False))
    assert table["verdict"] == verdict
    assert format_claims([judged])[0] == f"{verdict.upper()}: exponent"


BAD_CLAIMS = {
    "no range": (lambda: claim(None, (1.0, 0.9, 1.1)), "published: expected a number, or a reason"),
    "no estimate": (lambda: claim((0.8, 1.2), None), "measured: expected a number, or a reason"),
    "interval": (lambda: claim((0, 1), (2.0, 0.0, 1.0)), "measured: expected low <= value <= high"),
    "nan": (lambda: claim((0, 1), (math.nan, 0.0, 1.0)), "measured: expected low <= value"),
    "one sample": (lambda: intervals.from_samples([1.0]), "samples: expected two or more finite"),
    "not finite": (lambda: intervals.from_samples([1.0, np.nan]), "leave out what diverged"),
    "no end": (lambda: claim((-INF, INF), (1.0, 0.0, 2.0)), "published: expected low <= high"),
    "turned": (lambda: claim((1.0, 0.0), (1.0, 0.0, 2.0)), "published: expected low <= high"),
    "no scale": (
        lambda: claim((0.0, INF), (1.0, 0.9, 1.1)),
        "published: expected a positive scale",
    ),
    "outside": (
        lambda: intervals.from_samples([0.5, 1.5], ends=(0.0, 1.0)),
        "samples: expected numbers in 0..1; got 0.5 to 1.5",
    ),
    "no trials": (lambda: intervals.from_share(0, 0), "trials: expected a positive integer"),
    "hits": (lambda: intervals.from_share(3, 2), "hits: expected a count in 0..2; got 3"),
    "one draw": (lambda: intervals.from_bootstrap([1.0], np.mean), "samples: expected two or more"),
    "statistic": (
        lambda: intervals.from_bootstrap([np.nan, 1.0], np.mean),
        "statistic: expected a finite number; got nan",
    ),
}


@pytest.mark.parametrize("case", BAD_CLAIMS)
def test_what_cannot_be_judged_is_a_one_line_error(case: str) -> None:
    make, words = BAD_CLAIMS[case]
    assert_one_line_error(make, re.escape(words))


def test_student_intervals_have_the_textbook_quantile() -> None:
    # t_{0.975} = 2.776445 at 4 degrees of freedom; s = sqrt(2.5), n = 5.
    estimate = intervals.from_samples([1.0, 2.0, 3.0, 4.0, 5.0])
    reach = 2.776445 * math.sqrt(2.5 / 5)
    np.testing.assert_allclose(estimate[:3], [3.0, 3.0 - reach, 3.0 + reach], rtol=1e-6)


def test_intervals_of_samples_end_where_their_quantity_does() -> None:
    estimate = intervals.from_samples([0.9, 1.0, 1.0], ends=(0.0, 1.0))
    plain = intervals.from_samples([0.9, 1.0, 1.0])
    assert plain.high > 1.0
    assert estimate[:3] == (plain.value, plain.low, 1.0)


def test_shares_have_the_exact_interval() -> None:
    # Clopper and Pearson's ends of k = 0 and k = n are closed forms: 1 - (0.025)^(1/n).
    end = 1 - 0.025 ** (1 / 10)
    np.testing.assert_allclose(intervals.from_share(0, 10)[:3], [0.0, 0.0, end], rtol=1e-6)
    np.testing.assert_allclose(intervals.from_share(10, 10)[:3], [1.0, 1 - end, 1.0], rtol=1e-6)
    # One of two: 1 - (1 - p)^2 = 0.025 below, and its mirror image above.
    low = 1 - 0.975**0.5
    np.testing.assert_allclose(intervals.from_share(1, 2)[:3], [0.5, low, 1 - low], rtol=1e-6)


@pytest.mark.parametrize("trials", [1, 2, 5, 20])
def test_intervals_of_shares_hold_the_share_in_95_percent_of_cases(trials: int) -> None:
    estimates = [intervals.from_share(hits, trials) for hits in range(trials + 1)]
    for true in np.linspace(0.001, 0.999, 500):
        odds = [
            math.comb(trials, k) * true**k * (1 - true) ** (trials - k)
            for k, estimate in enumerate(estimates)
            if estimate.low <= true <= estimate.high
        ]
        assert sum(odds) >= 0.95 - 1e-12


def test_bootstrap_intervals_of_a_mean_are_those_of_its_standard_error() -> None:
    # 400 normals: the interval is mean +- 1.96 / 20 up to the scatter of 1,000 draws (5%).
    values = np.random.default_rng(0).normal(size=400)
    estimate = intervals.from_bootstrap(values, np.mean)
    error = values.std() / 20
    assert estimate.high - estimate.value == pytest.approx(1.96 * error, rel=0.12)
    assert estimate.value - estimate.low == pytest.approx(1.96 * error, rel=0.12)


def test_a_fit_gives_its_interval_and_a_refusal_gives_none() -> None:
    t = np.arange(1, 2001)
    estimate = intervals.from_fit(fit_power_law(t, 3.0 * t**-0.5))
    assert estimate is not None
    assert estimate.low <= 0.5 <= estimate.high
    assert estimate.value == pytest.approx(0.5, abs=1e-6)
    assert intervals.from_fit(fit_power_law(t, np.exp(-t / 300))) is None


def test_the_page_of_claims_says_what_the_reports_hold(tmp_path: Path) -> None:
    report = {
        "figure": "a-figure",
        "title": "What it shows.",
        "scale": "quick",
        "seconds": {"training": 61.0, "measuring": 2.0},
        "claims": [CASES[case][0].to_dict() for case in ("inside", "below an open range")],
        "records": [],
    }
    (tmp_path / "a-figure.json").write_text(json.dumps(report))
    (tmp_path / "other.json").write_text("[]")
    script = Path(__file__).parents[2] / "scripts" / "claims.py"
    command = [sys.executable, str(script), str(tmp_path), "--out", str(tmp_path / "page.md")]
    subprocess.run(command, check=True)
    page = (tmp_path / "page.md").read_text()
    assert "2 claims of 1 figures: 1 agrees, 1 differs, 0 not claimed." in page
    assert "`jaxsup reproduce a-figure --scale quick`" in page
    assert "| 0.8 to 1.2 (about 1) | 1 (0.9 to 1.1), by hand | **agrees** |" in page
    assert "| ≥ 0.5 (about 1) | 0.2 (0.1 to 0.3), by hand | **differs** |" in page
    other = {**report, "figure": "b-figure", "claims": [CASES["inside"][0].to_dict()]}
    (tmp_path / "a-figure.json").unlink()
    (tmp_path / "b-figure.json").write_text(json.dumps(other))
    for _ in range(2):  # the second time b-figure's own section is replaced
        subprocess.run([*command, "--keep"], check=True)
        kept = (tmp_path / "page.md").read_text()
        assert "3 claims of 2 figures: 2 agrees, 1 differs, 0 not claimed." in kept
        assert page[page.index("## a-figure") :].strip() in kept
        assert kept.index("## a-figure") < kept.index("## b-figure")
    (tmp_path / "b-figure.json").write_text(json.dumps({**other, "scale": "paper"}))
    for _ in range(2):
        subprocess.run([*command, "--keep"], check=True)
    both = (tmp_path / "page.md").read_text()
    heads = [line for line in both.splitlines() if line.startswith("## ")]
    assert sorted(heads) == ["## a-figure", "## b-figure, paper", "## b-figure, quick"]
    assert "4 claims of 2 figures: 3 agrees, 1 differs, 0 not claimed." in both
    assert "b-figure --scale quick`" in both
    assert "b-figure --scale paper`" in both
