"""Figures by name and from outside: listed, run, resumed, drawn."""

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers import assert_one_line_error

import jaxsup
from jaxsup import (
    SGD,
    DiagonalTeacher,
    Experiment,
    GaussianFeatures,
    Student,
    Sweep,
    plot,
    reproduce,
)
from jaxsup.cli.reproduce import ReproduceCommand
from jaxsup.fit import intervals
from jaxsup.fit.intervals import Estimate
from jaxsup.reproduce import (
    AbstractFigure,
    AbstractWeightsFigure,
    Claim,
    Findings,
    Published,
    registry,
    run,
)
from jaxsup.weights.files.read import Weights, read_weights

FOLDER = Path(registry.__file__).parent / "figures"
FIGURES = {name: registry.find_figure(name) for name in registry.figure_titles()}
TRAINED = [name for name, figure in FIGURES.items() if isinstance(figure, AbstractFigure)]


def test_the_table_and_the_folder_agree() -> None:
    files = {path.stem.replace("_", "-") for path in FOLDER.glob("*.py")} - {"--init--"}
    assert list(FIGURES) == sorted(files)
    assert {"energy-levels", "toy-geometry", "toy-phase-diagram", "transition"} <= files


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_the_one_of_its_file(name: str) -> None:
    figure = FIGURES[name]
    title = registry.figure_titles()[name]
    assert (figure.name, figure.title) == (name, title)
    assert 30 < len(title) <= 100
    assert title.endswith(".")
    module = inspect.getmodule(type(figure))
    assert module is not None
    assert (module.__doc__ or "").startswith(title)
    classes = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, AbstractFigure | AbstractWeightsFigure)
        and not inspect.isabstract(member)
    ]
    assert classes == [type(figure)]
    assert all(callable(getattr(figure, word)) for word in ("summarize", "draw", "claims"))


def test_the_figures_are_listed_before_jax_is_loaded() -> None:
    code = "import sys; from jaxsup.reproduce import figure_titles as titles; "
    code += "assert len(titles()) > 10; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# The paper scale of universality has 5,100 settings, each of which is made and checked.
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.extended] * (n == "universality")) for n in TRAINED],
)
def test_every_figure_has_three_scales_that_are_valid(name: str) -> None:
    figure = FIGURES[name]
    assert isinstance(figure, AbstractFigure)
    published = [name for name in figure.scales if name not in ("first", "standard", "large")]
    assert published == ["smoke", "quick", "paper"]
    sweeps = [figure.configure(scale) for scale in figure.scales.values()]
    assert all(isinstance(sweep, Sweep) for sweep in sweeps)
    # "large" has larger networks, not more of them.
    work = [
        sweep.replicas * sweep.experiment.steps * sweep.experiment.features.count**2
        for name, sweep in zip(figure.scales, sweeps, strict=True)
        if name != "large"
    ]
    assert work == sorted(work)


def test_figures_use_public_names_only() -> None:
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not [n.name for n in node.names if n.name.startswith("jaxsup")], path
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("jaxsup"):
                continue
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            assert not [name for name in names if name.startswith("_")], path
            owner = importlib.import_module(node.module or "")
            assert all(hasattr(owner, alias.name) for alias in node.names), path
            if owner in (jaxsup, reproduce):
                assert {alias.name for alias in node.names} <= set(dir(owner)), path


class OwnLoss(AbstractFigure[int]):
    """The loss of a linear student after fifty steps."""

    name = "own-loss"
    title = "A figure of one's own: the loss of a linear student after fifty steps."
    scales = {"smoke": 8, "quick": 64, "paper": 512}  # noqa: RUF012 - as a user would

    def configure(self, scale: int) -> Sweep:
        student = Student(scale, "identity", core_scale=0.1, activation="identity", bias=False)
        features, teacher = GaussianFeatures(scale, 1.0), DiagonalTeacher(0.0)
        experiment = Experiment(features, teacher, student, SGD(0.5), steps=50, gradient="exact")
        return Sweep(experiment, seeds=3)

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        losses = dataset["loss"].isel(step=-1).values
        figure, ax = plot.new_figure()
        plot.loss_curves(dataset, ax)
        claim = Claim(
            "final loss",
            "It is of order one.",
            "no paper",
            Published(10.0, 20.0, "large"),
            intervals.from_samples(losses),
        )
        return Findings([{"loss": float(losses.mean())}], ["measured"], figure, [claim])


class OwnShape(AbstractWeightsFigure[None]):
    """The shape of a matrix."""

    name = "own-shape"
    title = "A figure of one's own about weights that the user brings along with it."
    scales = {"smoke": None}  # noqa: RUF012 - as a user would

    def inspect(self, weights: Weights, scale: None) -> Findings:
        records = [{"shape": list(weights.shape)}]
        return Findings(records, ["inspected"], plot.new_figure()[0], [])


def test_a_figure_from_outside_is_reproduced_like_the_others(tmp_path: Path) -> None:
    report = reproduce.reproduce(OwnLoss(), "smoke", str(tmp_path / "out"))
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["dataset.zarr", "own-loss.json", "own-loss.png", "own-loss.txt"]
    assert (tmp_path / "out" / "own-loss.png").stat().st_size > 10_000
    table = json.loads((tmp_path / "out" / "own-loss.json").read_text())
    assert table == report.to_dict()
    assert table["title"] == OwnLoss.title
    assert table["claims"][0]["verdict"] == "differs"  # its claim is off by far


def test_a_figure_from_outside_about_weights_inspects_them(tmp_path: Path) -> None:
    weights = a_matrix(tmp_path / "out")
    report = reproduce.reproduce(OwnShape(), "smoke", tmp_path / "out", weights=weights)
    assert report.findings.records == [{"shape": [3, 5]}]
    assert report.seconds["training"] == 0


def test_what_a_figure_has_to_be_given_is_abstract() -> None:
    assert AbstractFigure.__abstractmethods__ == {"configure", "measure"}
    assert AbstractWeightsFigure.__abstractmethods__ == {"inspect"}


@pytest.fixture
def own_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command with two figures of one's own in place of those of the package."""
    figures = {figure.name: figure for figure in (OwnLoss(), OwnShape())}
    titles = {name: figure.title for name, figure in figures.items()}
    monkeypatch.setattr("jaxsup.cli.reproduce.figure_titles", lambda: titles)
    monkeypatch.setattr("jaxsup.reproduce.registry.find_figure", figures.__getitem__)
    monkeypatch.setattr("jaxsup.cli.reproduce.configure_devices", lambda count: None)


@pytest.mark.usefixtures("own_figures")
def test_a_claim_that_differs_is_a_failure_if_strict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ReproduceCommand("own-loss", "smoke", tmp_path / "out", strict=True)
    with pytest.raises(SystemExit) as caught:
        command.run()
    assert caught.value.code == 1
    assert "DIFFERS: final loss" in capsys.readouterr().out
    ReproduceCommand("own-loss", "smoke", tmp_path / "out", resume=True).run()


@pytest.mark.usefixtures("own_figures")
def test_all_figures_end_in_one_table_and_can_be_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ReproduceCommand("all", "smoke", tmp_path / "out").run()
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"own-loss +final loss +10 to 20 .* differs +\d+", lines[-2])
    assert lines[-1].startswith("own-shape  skipped: give --weights FILE")
    assert not (tmp_path / "out" / "own-shape").exists()
    np.save(tmp_path / "W.npy", np.eye(3, 5, dtype=np.float32))
    again = ReproduceCommand(
        "all", "smoke", tmp_path / "out", resume=True, weights=tmp_path / "W.npy", json=True
    )
    again.run()
    tables = json.loads(capsys.readouterr().out)
    assert tables["own-shape"]["records"] == [{"shape": [3, 5]}]
    assert tables["own-loss"]["claims"][0]["verdict"] == "differs"


@pytest.mark.usefixtures("own_figures")
def test_a_scale_that_a_figure_lacks_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    command = ReproduceCommand("all", "standard", tmp_path / "out")
    assert_one_line_error(command.run, "scale: expected one of .*; got 'standard'")
    assert not (tmp_path / "out").exists()


def report(name: str, verdict: str) -> run.Report:
    measured = {"agrees": 1.0, "differs": 9.0}[verdict]
    claim = Claim(
        f"number of {name}",
        "It is one.",
        "a paper",
        Published.about(1.0, 0.5),
        Estimate(measured, measured, measured, "by hand"),
    )
    findings = Findings([], [], plot.new_figure()[0], [claim, claim])
    return run.Report(name, "A title.", "smoke", findings, {"training": 1.5, "measuring": 1.5})


def test_the_summary_has_a_line_for_every_claim_and_one_for_what_was_skipped() -> None:
    reports = {"one": report("one", "agrees"), "two": report("two", "differs"), "weights": None}
    lines = run.summarize(reports)
    assert len(lines) == 6
    head = ["figure", "claim", "published", "measured (95% interval)", "verdict", "seconds"]
    assert re.split(" {2,}", lines[0]) == head
    assert re.fullmatch(r"one +number of one +0.5 to 1.5 +1 \(1 to 1\) +agrees +3", lines[1])
    assert lines[4].split()[-4:] == ["(9", "to", "9)", "differs"]
    assert re.fullmatch(r"weights +skipped: give --weights FILE .*not claimed +-", lines[5])


MISTAKES = {
    "weights": (
        lambda out: reproduce.reproduce("transition", "smoke", out, weights=a_matrix(out)),
        "weights: expected none, as transition trains its own; got a matrix; leave them out",
    ),
    "figure": (lambda out: reproduce.reproduce("transitoin", "smoke", out), "'transition'?"),
    "scale": (lambda out: reproduce.reproduce("transition", "quik", out), "did you mean 'quick'?"),
}


def a_matrix(out: Path) -> Weights:
    np.save(out.parent / "W.npy", np.eye(3, 5, dtype=np.float32))
    return read_weights(out.parent / "W.npy")


@pytest.mark.parametrize("case", MISTAKES)
def test_a_wrong_name_is_a_one_line_error_that_makes_nothing(case: str, tmp_path: Path) -> None:
    make, words = MISTAKES[case]
    assert_one_line_error(lambda: make(tmp_path / "out"), re.escape(words))
    assert not (tmp_path / "out").exists()
