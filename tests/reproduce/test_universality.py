"""The atlas as a figure: its scales, its claims and its picture, from tables that are made up."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jaxsup import plot
from jaxsup.fit.intervals import Estimate
from jaxsup.reproduce.analysis import atlas_panels
from jaxsup.reproduce.analysis.atlas_parts import Parts
from jaxsup.reproduce.analysis.atlas_table import Measured
from jaxsup.reproduce.figures import universality
from jaxsup.reproduce.figures.universality import SCALES, Scale, Universality

SMALL = Scale(
    steps={32: 100, 64: 100, 128: 100, 256: 100},
    base=64,
    large={256: (0.0,)},
    a=(1.1, 2.0),
    b=(0.0, 0.5),
    ratios=(2, 4),
    levels=SCALES["quick"].levels,
    seeds=2,
)


def measured(setting: Any) -> Measured:
    """Regimes that climb with N to 1 from below, as 1 - 2/N, and no law where N/K is 4."""
    level = 1 - 2 / setting.features + (0.5 * setting.slope if setting.part == "screen" else 0)
    if setting.embedding == "identity":
        level = (setting.a + 2 * setting.b - 1) / setting.a
    law = math.nan if setting.ratio == 4 and setting.part == "grid" else level
    time = float(setting.features) ** setting.a
    return Measured(
        0.5 * law, law, 0.01, 0.01, 1.0, 10.0, 0 if math.isnan(law) else 2, "plateau",
        level, 0.01, time, setting.features == 256 and setting.a == 2.0, 0,
    )  # fmt: skip


def table() -> pd.DataFrame:
    """What `tabulate` would make of it."""
    rows = [
        {**vars(setting), "rate": setting.rate, **vars(measured(setting))}
        for setting in SMALL.settings()
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def parts() -> Parts:
    return Parts.of(table(), SMALL.base)


def test_scales_are_as_large_as_the_figure_says() -> None:
    replicas = {name: len(scale.settings()) * scale.seeds for name, scale in SCALES.items()}
    assert replicas["quick"] == 10_352
    assert replicas["paper"] == 102_000
    assert max(SCALES["paper"].steps) == 4096
    for number in ("10,352", "102,000", "4,096"):
        assert number in (universality.__doc__ or "")


@pytest.mark.parametrize("name", SCALES)
def test_every_scale_has_a_ladder_and_the_grid_of_its_base(name: str) -> None:
    scale = SCALES[name]
    settings = scale.settings()
    grid = [each for each in settings if each.part == "grid"]
    ladder = {each.features for each in grid if each.embedding == "random" and each.ratio == 2}
    assert ladder == set(scale.steps)
    assert len(ladder) >= 3
    students = {(each.embedding, each.ratio) for each in grid if each.features == scale.base}
    assert students == {
        ("identity", 1),
        *((embedding, r) for embedding in ("random", "learned") for r in scale.ratios),
    }
    assert len({(each.step, each.density, each.slope, each.values) for each in grid}) == 1


def test_parts_are_the_rows_that_they_say(parts: Parts) -> None:
    assert len(parts.screen) == 1024
    assert len(parts.frozen) == 2 * 4
    assert len(parts.grid) == (1 + 2 + 2) * 4
    assert [(each.a, each.b) for each in parts.ladders] == [(1.1, 0), (1.1, 0.5), (2, 0), (2, 0.5)]
    assert parts.ladders[0].table["features"].tolist() == [32, 64, 128, 256]
    assert parts.ladders[1].table["features"].tolist() == [32, 64, 128]
    np.testing.assert_allclose(parts.pairs[:, 0], 1 - 2 / 64)


def test_the_planted_effect_decides_all(parts: Parts) -> None:
    effects = parts.effects["last"]
    assert effects is not None
    main = {each.factor: each for each in effects.main}
    assert main["slope"].change == pytest.approx(0.5, rel=1e-9)
    # N from 32 to 64 adds 1/32; variances are as the squares.
    assert main["features"].change == pytest.approx(1 / 32, rel=1e-9)
    assert main["slope"].share == pytest.approx(256 / 257, rel=1e-9)
    assert effects.pairs == pytest.approx(0, abs=1e-12)


def test_what_is_still_rising_belongs_to_no_limit(parts: Parts) -> None:
    reached, rising = parts.ladders[0], parts.ladders[2]
    assert reached.limits["1/N"].value == pytest.approx(1, rel=1e-9)
    assert "N = 32, 64, 128, 256" in reached.limits["1/N"].basis
    assert rising.limits["1/N"].basis.endswith("N = 32, 64, 128")
    assert reached.growth is not None
    assert reached.growth.value == pytest.approx(1.1, rel=1e-9)


def test_claims_follow_from_the_table(parts: Parts) -> None:
    claims = Universality().claims(parts)
    shares = [claim.measured for claim in claims[:3]]
    # Screen: ReLU 0.94 or 0.97; linear 0.5 more. Frozen: four of eight have a power law.
    assert [share.value for share in shares if share] == [0.5, 0.5, 1.0]
    assert claims[0].verdict == "differs"
    assert claims[3].measured is not None
    assert claims[3].measured.value == pytest.approx(1 - 2 / 64, rel=1e-9)
    spread = claims[4].measured
    assert spread is not None
    assert spread.value == pytest.approx(0, abs=1e-12)
    limits = claims[5:]
    assert [claim.quantity.rpartition(", a = ")[2] for claim in limits] == [
        "1.1, b = 0",
        "2, b = 0",
    ]
    assert all(claim.measured is not None for claim in limits)


def test_claims_without_power_laws_are_not_claimed() -> None:
    nothing = table()
    for name in ("first", "last", "steepest"):
        nothing[name] = np.nan
    parts = Parts.of(nothing, SMALL.base)
    claims = Universality().claims(parts)
    assert {claim.verdict for claim in claims[3:]} == {"not claimed"}
    assert claims[3].explanation == "fewer than two settings have a power law"
    lines = Universality().summarize(parts)
    assert "steepest local exponent: too few settings have one" in lines
    assert any(line.endswith("N -> infinity, fewer than three sizes") for line in lines)


def test_lines_say_what_was_counted(parts: Parts) -> None:
    lines = Universality().summarize(parts)
    assert lines[0].startswith("screen, 11 factors: 1024 settings, 1024 with a power law")
    frozen = next(line for line in lines if line.startswith("grid, N = 64, frozen"))
    assert "8 settings, 4 with a power law, 4 with two or more, 0 rising" in frozen
    assert "within 0.8..1.2: first 0, last 4, steepest 8" in frozen
    activation = next(line for line in lines if line.startswith("  activation"))
    assert activation.split()[1:6] == ["ReLU", "→", "linear", "+0.25", "(+0.25"]


def test_the_picture_shows_the_grid_the_effects_and_the_sizes(parts: Parts) -> None:
    figure = Universality().draw(parts)
    atlas, decides, sizes, times, *_ = figure.axes
    rows = [label.get_text() for label in atlas.get_yticklabels()]
    assert rows == ["W = I", "frozen, N/K = 2", "frozen, N/K = 4", "learned, N/K = 2",
                    "learned, N/K = 4"]  # fmt: skip
    assert [label.get_text() for label in atlas.get_xticklabels()] == ["1.1", "2", "1.1", "2"]
    first = decides.get_yticklabels()[0].get_text()
    assert first == "activation:  ReLU → linear"
    assert len(decides.get_yticklabels()) == 11
    assert sizes.get_xticklabels()[-1].get_text() == "→ ∞"
    legend = times.get_legend()
    assert legend is not None
    assert legend.get_texts()[0].get_text() == "a = 1.1: N^1.1 (1.1 to 1.1)"


def test_the_atlas_frames_what_is_about_one_and_hatches_what_is_not_there() -> None:
    columns = pd.Index([(1.1, 0.0), (2.0, 0.0), (1.1, 0.5)], tupleize_cols=False)
    grid = pd.DataFrame([[0.79, 0.8, 1.0], [1.2, 1.21, np.nan]], ["one", "two"], columns)
    ax = atlas_panels.draw_atlas(grid, plot.new_figure()[1], near=(0.8, 1.2))
    frames = sorted((patch.get_x(), patch.get_y()) for patch in ax.patches)  # pyright: ignore
    assert frames == [(0, 1), (1, 0), (2, 0)]
    words = [text.get_text() for text in ax.texts]
    assert words == [".79", ".80", "1.00", "1.20", "1.21", "b = 0", "b = 0.5"]
    assert ax.patch.get_hatch()


def test_sizes_that_follow_no_model_leave_a_limit_too_wide_to_agree() -> None:
    made_up = table()
    rows = (made_up["part"] == "grid") & (made_up["features"] == 128)
    made_up.loc[rows, "steepest"] = 0.5
    claim = Universality().claims(Parts.of(made_up, SMALL.base))[5]
    assert isinstance(claim.measured, Estimate)
    assert claim.measured.low < 0.8 < 1.2 < claim.measured.high
    assert claim.verdict != "differs"
