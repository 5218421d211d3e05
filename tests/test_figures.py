"""Figures by name: found, run, resumed, drawn."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes

from jaxsup import figures, plot
from jaxsup.sweep import Sweep

NAMES = ("energy-levels", "toy-geometry", "toy-phase-diagram", "transition")


def test_every_file_of_the_folder_is_a_figure_with_a_title() -> None:
    titles = figures.figure_titles()
    assert tuple(titles) == NAMES
    assert all(30 < len(title) <= 100 and title.endswith(".") for title in titles.values())


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_three_scales_that_are_valid(name: str) -> None:
    module = figures.find_figure(name)
    assert list(module.SCALES) == ["smoke", "quick", "paper"]
    sweeps = [module.configure(scale) for scale in module.SCALES.values()]
    assert all(isinstance(sweep, Sweep) for sweep in sweeps)
    work = [sweep.replicas * sweep.experiment.steps for sweep in sweeps]
    assert work == sorted(work)


def test_the_phase_diagram_has_a_hundred_by_a_hundred_points() -> None:
    module = figures.find_figure("toy-phase-diagram")
    assert module.configure(module.SCALES["quick"]).shape == (100, 100)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "transition"])
def test_a_figure_at_its_smallest_and_again_from_its_dataset(name: str, tmp_path: Path) -> None:
    findings = figures.reproduce(name, "smoke", tmp_path / "out")
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == sorted(["dataset.zarr", f"{name}.json", f"{name}.png", f"{name}.txt"])
    assert json.loads((tmp_path / "out" / f"{name}.json").read_text()) == findings.records
    assert (tmp_path / "out" / f"{name}.txt").read_text() == "\n".join(findings.text) + "\n"
    with pytest.raises(FileExistsError, match="expected a new folder"):
        figures.reproduce(name, "smoke", tmp_path / "out")
    counted: list[int] = []
    again = figures.reproduce(
        name,
        "smoke",
        tmp_path / "out",
        resume=True,
        progress=lambda p: counted.append(p.network_steps_done),
    )
    assert again.text == findings.text
    assert not counted  # nothing was trained


def test_the_smallest_energy_levels_show_the_pentagon(tmp_path: Path) -> None:
    (ground, *_) = figures.reproduce("energy-levels", "smoke", tmp_path / "out").records
    assert ground["loss"] == pytest.approx(0.01582563, rel=1e-3)
    assert ground["geometry"] == "pentagon"


MISTAKES = {
    "figure": (lambda out: figures.reproduce("transitoin", "smoke", out), "'transition'?"),
    "scale": (lambda out: figures.reproduce("transition", "quik", out), "did you mean 'quick'?"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_wrong_name_is_a_one_line_error_that_makes_nothing(case: str, tmp_path: Path) -> None:
    make, words = MISTAKES[case]
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        make(tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


BAD_PICTURES = {
    "losses": (lambda ax: plot.energy_levels([np.nan], [], ax), "losses: expected at least one"),
    "shares": (lambda ax: plot.geometry_shares([1.0, 2.0], [{}], ax), "expected 2 instances"),
    "falling": (lambda ax: plot.geometry_shares([2.0, 1.0], [{}, {}], ax), "sort them"),
    "not recorded": (
        lambda ax: plot.observable_curves(recorded(), "rank", ax),
        "name: expected a variable of the dataset; got 'rank'; record it",
    ),
    "too many axes": (
        lambda ax: plot.observable_curves(recorded(), "capacities", ax),
        "name: expected one axis beside seed and step; got a variable over features.density",
    ),
    "values": (
        lambda ax: plot.phase_map([0.1, 0.2], [1, 2], np.ones(2), ax, bound=1.0, label=""),
        "values: expected a number for each of 2 importances x 2 densities",
    ),
}


@pytest.mark.parametrize("case", BAD_PICTURES)
def test_bad_data_for_a_picture_is_a_one_line_error(case: str) -> None:
    draw, words = BAD_PICTURES[case]
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        draw(plot.new_figure()[1])
    assert "\n" not in str(caught.value)


def legend_words(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def recorded() -> xr.Dataset:
    """Saturation of ten settings and two seeds at three steps, one seed of the last diverged."""
    values = np.arange(60.0).reshape(10, 2, 3)
    values[-1, 1] = np.nan
    attrs = {"long_name": "capacity saturation"}
    return xr.Dataset(
        {
            "saturation": (("features.density", "seed", "step"), values, attrs),
            "capacities": (("features.density", "seed", "step", "feature"), values[..., None]),
        },
        coords={"features.density": np.linspace(0.1, 1, 10), "step": [0, 1, 10]},
    )


def test_curves_are_medians_over_seeds_of_six_settings() -> None:
    ax = plot.observable_curves(recorded(), "saturation", plot.new_figure()[1])
    lines = ax.get_lines()
    assert len(lines) == len(legend_words(ax)) == 6
    np.testing.assert_array_equal(lines[0].get_xdata(), [1, 10])
    np.testing.assert_array_equal(lines[0].get_ydata(), [2.5, 3.5])
    np.testing.assert_array_equal(lines[5].get_ydata(), [55, 56])
    assert ax.get_ylabel() == "capacity saturation"


def test_levels_beyond_the_named_ones_are_counted() -> None:
    losses = np.repeat(np.arange(1.0, 9.0), [9, 8, 7, 6, 5, 1, 1, 1])
    levels = [(loss, f"shape {loss:g}", int((losses == loss).sum())) for loss in range(1, 9)]
    ax = plot.energy_levels(losses, levels, plot.new_figure()[1])
    words = legend_words(ax)
    assert words[0] == "1 (24%): shape 1"
    assert len(words) == 6
    assert words[-1] == "3 rarer levels"


def test_bars_of_shares_fill_the_whole() -> None:
    shares = [{"digon": 0.25, "irregular": 0.75}, {"pentagon": 1.0}]
    ax = plot.geometry_shares([1.0, 2.0], shares, plot.new_figure()[1])
    heights = np.sum([[bar.get_height() for bar in layer] for layer in ax.containers], axis=0)
    np.testing.assert_allclose(heights, 100)
    assert set(legend_words(ax)) == {"digon", "pentagon", "irregular"}
