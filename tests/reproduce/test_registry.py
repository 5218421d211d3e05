"""Figures by name: found, run, resumed, drawn."""

import ast
import importlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes

import jaxsup
from jaxsup import Sweep, plot, read_weights
from jaxsup.cli.reproduce import ReproduceCommand
from jaxsup.fit.intervals import Estimate
from jaxsup.reproduce import registry
from jaxsup.reproduce.claims import Claim, Published
from jaxsup.weights.read import Weights

TITLES = registry.figure_titles()
TRAINED = [name for name in TITLES if not registry.needs_weights(name)]


def test_every_file_of_the_folder_is_a_figure_with_a_title() -> None:
    folder = Path(registry.__file__).parent / "figures"
    files = {path.stem.replace("_", "-") for path in folder.glob("*.py")} - {"--init--"}
    assert set(TITLES) == files
    assert {"energy-levels", "toy-geometry", "toy-phase-diagram", "transition"} <= files
    assert all(30 < len(title) <= 100 and title.endswith(".") for title in TITLES.values())


@pytest.mark.parametrize("name", TRAINED)
def test_every_figure_has_three_scales_that_are_valid(name: str) -> None:
    module = registry.find_figure(name)
    assert isinstance(module, registry.FigureModule)
    assert list(module.SCALES) == ["smoke", "quick", "paper"]
    sweeps = [module.configure(scale) for scale in module.SCALES.values()]
    assert all(isinstance(sweep, Sweep) for sweep in sweeps)
    work = [sweep.replicas * sweep.experiment.steps for sweep in sweeps]
    assert work == sorted(work)


def test_figures_use_public_names_only() -> None:
    public = set(vars(jaxsup)["__all__"])
    for path in (Path(registry.__file__).parent / "figures").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not [n.name for n in node.names if n.name.startswith("jaxsup.")], path
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("jaxsup"):
                continue
            owner = importlib.import_module(node.module or "")
            names = {alias.name for alias in node.names}
            assert not {name for name in names if name.startswith("_")}, path
            if owner is jaxsup:
                assert names <= public, path
            else:
                assert (node.module or "").removeprefix("jaxsup.") in public, path
                assert all(hasattr(owner, name) for name in names), path


def test_the_phase_diagram_has_a_hundred_by_a_hundred_points() -> None:
    module = registry.find_figure("toy-phase-diagram")
    assert isinstance(module, registry.FigureModule)
    assert module.configure(module.SCALES["quick"]).shape == (100, 100)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in TRAINED if name != "transition"])
def test_a_figure_at_its_smallest_and_again_from_its_dataset(name: str, tmp_path: Path) -> None:
    report = registry.reproduce(name, "smoke", tmp_path / "out")
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == sorted(["dataset.zarr", f"{name}.json", f"{name}.png", f"{name}.txt"])
    table = json.loads((tmp_path / "out" / f"{name}.json").read_text())
    assert table == report.to_dict()
    assert table["claims"]
    assert (tmp_path / "out" / f"{name}.txt").read_text() == "\n".join(report.lines()) + "\n"
    with pytest.raises(FileExistsError, match="expected a new folder"):
        registry.reproduce(name, "smoke", tmp_path / "out")
    counted: list[int] = []
    again = registry.reproduce(
        name,
        "smoke",
        tmp_path / "out",
        resume=True,
        progress=lambda p: counted.append(p.network_steps_done),
    )
    assert again.lines() == report.lines()
    assert not counted  # nothing was trained
    assert again.seconds["training"] == report.seconds["training"]


ADDED = '''"""A figure of one's own: the loss of a linear student after fifty steps."""
from jaxsup.reproduce.claims import Claim, Published
from jaxsup import DiagonalTeacher, Experiment, GaussianFeatures, SGD, Student, Sweep, plot
from jaxsup.reproduce.registry import Findings
from jaxsup.fit import intervals

SCALES = {"smoke": 8, "quick": 64, "paper": 512}


def configure(scale):
    student = Student(scale, "identity", core_scale=0.1, activation="identity", bias=False)
    experiment = Experiment(GaussianFeatures(scale, 1.0), DiagonalTeacher(0.0), student, SGD(0.5),
                            steps=50, gradient="exact")
    return Sweep(experiment, seeds=3)


def measure(dataset, sweep):
    losses = dataset["loss"].isel(step=-1).values
    figure, ax = plot.new_figure()
    plot.loss_curves(dataset, ax)
    claim = Claim("final loss", "It is of order one.", "no paper", Published(10.0, 20.0, "large"),
                  intervals.from_samples(losses))
    return Findings([{"loss": float(losses.mean())}], ["measured"], figure, [claim])
'''


def test_a_figure_is_added_by_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import jaxsup.reproduce.figures

    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "my_own_loss.py").write_text(ADDED)
    folders = [*jaxsup.reproduce.figures.__path__, str(tmp_path / "figures")]
    monkeypatch.setattr(jaxsup.reproduce.figures, "__path__", folders)
    assert registry.figure_titles()["my-own-loss"].startswith("A figure of one's own")
    command = ReproduceCommand("my-own-loss", "smoke", tmp_path / "out", strict=True)
    monkeypatch.setattr("jaxsup.cli.reproduce.configure_devices", lambda count: None)
    with pytest.raises(SystemExit) as caught:
        command.run()
    assert caught.value.code == 1  # its claim is off by far
    assert "DIFFERS: final loss" in capsys.readouterr().out
    assert (tmp_path / "out" / "my-own-loss.png").stat().st_size > 10_000
    ReproduceCommand("my-own-loss", "smoke", tmp_path / "out", resume=True).run()


def report(name: str, verdict: str) -> registry.Report:
    measured = {"agrees": 1.0, "differs": 9.0}[verdict]
    claim = Claim(
        f"number of {name}",
        "It is one.",
        "a paper",
        Published.about(1.0, 0.5),
        Estimate(measured, measured, measured, "by hand"),
    )
    findings = registry.Findings([], [], plot.new_figure()[0], [claim, claim])
    return registry.Report(name, "smoke", findings, {"training": 1.5, "measuring": 1.5})


def test_the_summary_has_a_line_for_every_claim_and_one_for_what_was_skipped() -> None:
    reports = {"one": report("one", "agrees"), "two": report("two", "differs"), "weights": None}
    lines = registry.summarise(reports)
    assert len(lines) == 6
    head = ["figure", "claim", "published", "measured (95% interval)", "verdict", "seconds"]
    assert re.split(" {2,}", lines[0]) == head
    assert re.fullmatch(r"one +number of one +0.5 to 1.5 +1 \(1 to 1\) +agrees +3", lines[1])
    assert lines[4].split()[-4:] == ["(9", "to", "9)", "differs"]
    assert re.fullmatch(r"weights +skipped: give --weights FILE .*not claimed +-", lines[5])


def test_the_smallest_energy_levels_show_the_pentagon(tmp_path: Path) -> None:
    (ground, *_) = registry.reproduce("energy-levels", "smoke", tmp_path / "out").findings.records
    assert ground["loss"] == pytest.approx(0.01582563, rel=1e-3)
    assert ground["geometry"] == "pentagon"


MISTAKES = {
    "weights": (
        lambda out: registry.reproduce("transition", "smoke", out, weights=a_matrix(out)),
        "weights: expected none, as transition trains its own; got a matrix; leave them out",
    ),
    "figure": (lambda out: registry.reproduce("transitoin", "smoke", out), "'transition'?"),
    "scale": (lambda out: registry.reproduce("transition", "quik", out), "did you mean 'quick'?"),
}


def a_matrix(out: Path) -> Weights:
    np.save(out.parent / "W.npy", np.eye(3, 5, dtype=np.float32))
    return read_weights(out.parent / "W.npy")


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


ABOUT_WEIGHTS = '''"""A figure of one's own about weights that the user brings along with it."""
from jaxsup.reproduce.registry import Findings
from jaxsup import plot

SCALES = {"smoke": 1, "quick": 1, "paper": 1}


def inspect(weights, scale):
    return Findings([{"shape": list(weights.shape)}], ["inspected"], plot.new_figure()[0], [])
'''


def test_all_figures_end_in_one_table_and_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import jaxsup.reproduce.figures

    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "first_of_two.py").write_text(ADDED)
    (folder / "second_with_weights.py").write_text(ABOUT_WEIGHTS)
    monkeypatch.setattr(jaxsup.reproduce.figures, "__path__", [str(folder)])
    monkeypatch.setattr("jaxsup.cli.reproduce.configure_devices", lambda count: None)
    ReproduceCommand("all", "smoke", tmp_path / "out").run()
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"first-of-two +final loss +10 to 20 .* differs +\d+", lines[-2])
    assert lines[-1].startswith("second-with-weights  skipped: give --weights FILE")
    assert not (tmp_path / "out" / "second-with-weights").exists()
    np.save(tmp_path / "W.npy", np.eye(3, 5, dtype=np.float32))
    again = ReproduceCommand(
        "all", "smoke", tmp_path / "out", resume=True, weights=tmp_path / "W.npy", json=True
    )
    again.run()
    tables = json.loads(capsys.readouterr().out)
    assert tables["second-with-weights"]["records"] == [{"shape": [3, 5]}]
    assert tables["first-of-two"]["claims"][0]["verdict"] == "differs"
