"""Every figure at its smallest scale, and again from the dataset that it left."""

import functools
import json
from pathlib import Path

import pytest
from helpers import assert_one_line_error

from jaxsup import reproduce
from jaxsup.reproduce import AbstractFigure
from jaxsup.reproduce.registry import figure_titles, find_figure

TRAINED = [name for name in figure_titles() if isinstance(find_figure(name), AbstractFigure)]

# They take the longest; their own files test what they measure.
LONG = ("acceleration", "capacity", "formation", "frontier", "universality")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.extended if name in LONG else pytest.mark.slow)
        for name in TRAINED
        if name != "transition"
    ],
)
def test_a_figure_at_its_smallest(name: str, tmp_path: Path) -> None:
    report = reproduce.reproduce(name, "smoke", tmp_path / "out")
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == sorted(["dataset.zarr", f"{name}.json", f"{name}.png", f"{name}.txt"])
    table = json.loads((tmp_path / "out" / f"{name}.json").read_text())
    assert table == report.to_dict()
    assert table["claims"]
    assert (tmp_path / "out" / f"{name}.txt").read_text() == "\n".join(report.lines()) + "\n"


# Going on is the same for all figures, whatever they measure.
@pytest.mark.slow
@pytest.mark.parametrize("name", ["energy-levels", "no-superposition", "toy-intro"])
def test_a_figure_again_from_its_dataset(name: str, tmp_path: Path) -> None:
    report = reproduce.reproduce(name, "smoke", tmp_path / "out")
    once_more = functools.partial(reproduce.reproduce, name, "smoke", tmp_path / "out")
    assert_one_line_error(once_more, "expected a new folder", FileExistsError)
    told: list[object] = []
    again = once_more(resume=True, progress=told.append)
    assert again.lines() == report.lines()
    assert not told  # nothing was trained
    assert again.seconds["training"] == report.seconds["training"]


def test_the_smallest_energy_levels_show_the_pentagon(tmp_path: Path) -> None:
    (ground, *_) = reproduce.reproduce("energy-levels", "smoke", tmp_path / "out").findings.records
    assert ground["loss"] == pytest.approx(0.01582563, rel=1e-3)
    assert ground["geometry"] == "pentagon"
