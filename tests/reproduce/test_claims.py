"""Verdicts and estimates, against cases worked out by hand and textbook numbers."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import assert_one_line_error

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
    "no end": (lambda: claim((-INF, INF), (1.0, 0.0, 2.0)), "published: expected low <= high"),
    "turned": (lambda: claim((1.0, 0.0), (1.0, 0.0, 2.0)), "published: expected low <= high"),
    "no scale": (
        lambda: claim((0.0, INF), (1.0, 0.9, 1.1)),
        "published: expected a positive scale",
    ),
}


@pytest.mark.parametrize("case", BAD_CLAIMS)
def test_what_cannot_be_judged_is_a_one_line_error(case: str) -> None:
    make, words = BAD_CLAIMS[case]
    assert_one_line_error(make, re.escape(words))


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
