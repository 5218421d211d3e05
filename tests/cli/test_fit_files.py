"""`jaxsup fit` of one's own curves: logs, runs that stand below each other, pipes, figures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from commands import jaxsup as command
from helpers import assert_error_form, assert_one_line_error
from matplotlib.image import imread

from jaxsup.cli.fit import check_panels

STEPS = np.unique(np.round(np.geomspace(1, 1e4, 80)))
TOLD = "jaxsup: took train_loss for losses, left out lr; --loss NAME takes what it names\n"


def two_laws(seed: int) -> np.ndarray:
    """t^-0.3 that becomes t^-1 at t = 300, with noise of 1%."""
    noise = np.random.default_rng(seed).standard_normal(STEPS.size)
    return STEPS**-0.3 / (1 + (STEPS / 300) ** 4) ** 0.175 * np.exp(0.01 * noise)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trainer's log of the two laws, with other lines."""
    lines = ["number of parameters: 10.65M"]
    for t, loss in zip(STEPS, two_laws(0), strict=True):
        lines.append(f"[12:00:01] step {t:.0f}: train loss {loss:.6f}, time 210ms")
    path = tmp_path_factory.mktemp("log") / "train.log"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight runs below each other: of number k the losses are t^-(0.2 + 0.1 k)."""
    lines = ["run,step,train_loss,lr"]
    for k in range(8):
        lines += [f"r{k},{t:.0f},{t ** -(0.2 + 0.1 * k):.9g},0.1" for t in STEPS]
    path = tmp_path_factory.mktemp("runs") / "runs.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("ending", ["log", "csv"])
def test_two_regimes_are_found_in_a_log_and_a_table(log: Path, ending: str, tmp_path: Path) -> None:
    if ending == "csv":
        rows = [f"{t:.0f},{loss:.6f}" for t, loss in zip(STEPS, two_laws(0), strict=True)]
        log = tmp_path / "losses.csv"
        log.write_text("\n".join(["step,train loss", *rows]))
    done = command("fit", log, "--regimes", "--json")
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)
    assert record["curve"] == "train loss"
    for which, law in (("first", 0.3), ("last", 1.0)):
        ends = [record[f"{which}_interval_{end}"] for end in ("low", "high")]
        assert ends[0] <= law <= ends[1], ends
        assert record[f"{which}_exponent"] == pytest.approx(law, abs=0.05)


def test_runs_are_fitted_apart_and_what_was_left_out_is_told(runs: Path) -> None:
    done = command("fit", runs, "--by", "run", "--json")
    assert done.stderr == TOLD
    records = json.loads(done.stdout)
    assert [record["curve"] for record in records] == [f"r{k}" for k in range(8)]
    exponents = [record["exponent"] for record in records]
    np.testing.assert_allclose(exponents, 0.2 + 0.1 * np.arange(8), rtol=1e-4)
    named = command("fit", runs, "--by", "run", "--loss", "train_loss", "--loss", "lr", "--json")
    assert named.stderr == ""
    assert len(json.loads(named.stdout)) == 16


@pytest.mark.slow
def test_a_pipe_brings_curves(runs: Path) -> None:
    with runs.open() as stream:
        done = subprocess.run(
            [sys.executable, "-m", "jaxsup", "fit", "-", "--by", "run", "--seeds"],
            stdin=stream,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    assert done.returncode == 0, done.stderr
    assert done.stderr == TOLD
    header, row = done.stdout.splitlines()
    assert header.split() == ["exponent", "theory", "limit", "window", "seeds"]
    assert row.split()[-1] == "8"


@pytest.mark.parametrize("options", [(), ("--regimes",), ("--local",), ("--seeds",)])
def test_a_figure_of_two_panels(runs: Path, options: tuple[str, ...], tmp_path: Path) -> None:
    picture = tmp_path / "fit.png"
    done = command("fit", runs, "--by", "run", "--out", picture, *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"\n\nfigure   {picture}\n")
    ink = imread(picture)[..., :3].min(-1) < 0.95
    left, right = np.array_split(ink, 2, axis=1)
    assert min(left.mean(), right.mean()) > 0.01


def test_a_figure_is_replaced_by_force_alone(runs: Path, tmp_path: Path) -> None:
    picture = tmp_path / "fit.png"
    picture.write_text("mine")
    done = command("fit", runs, "--by", "run", "--out", picture)
    assert done.returncode == 2
    assert "add --force to replace it" in done.stderr
    assert picture.read_text() == "mine"
    assert command("fit", runs, "--by", "run", "--out", picture, "--force").returncode == 0
    assert picture.stat().st_size > 5000


def test_a_figure_has_no_room_for_two_axes() -> None:
    loss = (("width", "rate", "seed", "step"), np.ones((2, 2, 1, 3)))
    message = "--out: expected at most one axis in a figure; got width, rate; draw one position"
    assert_one_line_error(lambda: check_panels(xr.Dataset({"loss": loss})), message)


def test_other_pictures_take_the_same_columns(runs: Path, tmp_path: Path) -> None:
    done = command("plot", runs, "--by", "run", "--out", tmp_path / "a.png", "--kind", "local")
    assert done.returncode == 0, done.stderr
    assert done.stderr == TOLD


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "RUNS"), "got step 2 twice"),
        (("fit", "RUNS", "--by", "rum"), "--by: expected a column of"),
        (("fit", "RUNS", "--loss", "zzzz"), "choose one of run, step, train_loss, lr"),
        (("fit", "RUNS", "--step", "lr", "--by", "run"), "got step 0.1 twice"),
        (("fit", "LOG", "--out", "a.gif"), "expected .png, .pdf or .svg; got '.gif'"),
        (("fit", "notes.docx"), "expected"),
        (("fit", "none.jsonl"), "expected a file of curves; got none there"),
        (("fit", "FOLDER", "--by", "run"), "--by: expected a file of curves; got a sweep's folder"),
        (("fit", "FOLDER", "--step", "t"), "--step: expected a file of curves"),
        (("plot", "FOLDER", "--out", "a.png", "--loss", "l"), "--loss: expected a file of curves"),
    ],
)
def test_mistakes_are_one_line(
    runs: Path, log: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    places = {"RUNS": runs, "LOG": log, "FOLDER": tmp_path}
    done = command(*(places.get(word, word) for word in arguments), cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert done.stdout == ""
    assert message in done.stderr
    assert_error_form(done.stderr.strip())
