"""The command, as a process: what it prints, what it writes, and one line for each mistake."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from commands import jaxsup
from helpers import assert_error_form

SMALL = """
steps = 60
batch_size = 16
seeds = 2
[features]
kind = "power-law"
count = 12
exponent = 1.5
[teacher]
kind = "diagonal"
exponent = 0.0
[student]
latent = 4
[optimizer]
kind = "sgd"
learning_rate = 0.3
[record]
points = 20
evaluation_samples = 64
[axes]
"student.latent" = [3, 4, 6]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration and the sweep that the command made of it."""
    path = tmp_path_factory.mktemp("command")
    (path / "small.toml").write_text(SMALL)
    done = jaxsup("sweep", path / "small.toml", "--out", path / "run")
    assert done.returncode == 0, done.stderr
    assert "6 networks" in done.stdout
    (path / "progress.txt").write_text(done.stderr)
    return path


def test_sweep_writes_a_dataset_that_xarray_opens(folder: Path) -> None:
    dataset = xr.open_zarr(folder / "run", consolidated=False)
    recorded = 1 + len(np.unique(np.rint(np.geomspace(1, 60, 19))))
    assert dict(dataset["loss"].sizes) == {"student.latent": 3, "seed": 2, "step": recorded}
    assert dataset["superposition_ratio"].values.tolist() == [4.0, 3.0, 2.0]
    assert int(dataset["status"].sum()) == 0


@pytest.mark.slow
def test_two_runs_of_one_command_give_the_same_bits(folder: Path) -> None:
    jaxsup("sweep", folder / "small.toml", "--out", folder / "again", "--json")
    first, second = (xr.open_zarr(folder / name, consolidated=False) for name in ("run", "again"))
    assert first["loss"].values.tobytes() == second["loss"].values.tobytes()


@pytest.mark.slow
def test_sweep_prints_a_summary_for_programs(folder: Path) -> None:
    out = folder / "summary"
    options = ("--seeds", 1, "--devices", 1, "--x64", "--json")
    done = jaxsup("sweep", folder / "small.toml", "--out", out, *options)
    summary = json.loads(done.stdout)
    assert summary["replicas"] == 3
    assert summary["diverged"] == 0
    assert done.stderr == ""
    dataset = xr.open_zarr(out, consolidated=False)
    assert dataset.attrs["dtype"] == "float64"
    assert dataset.attrs["device_count"] == 1


def test_fit_prints_a_row_a_setting(folder: Path) -> None:
    done = jaxsup("fit", folder / "run")
    header, *rows = done.stdout.strip().splitlines()
    assert header.split() == ["K", "N/K", "exponent", "theory", "limit", "window", "seeds"]
    assert [row.split()[0] for row in rows] == ["3", "4", "6"]
    assert all("0.333" in row for row in rows)


def test_fit_prints_json_for_programs(folder: Path) -> None:
    done = jaxsup("fit", folder / "run", "--json", "--window", 2, 60)
    records = json.loads(done.stdout)
    assert [record["student.latent"] for record in records] == [3, 4, 6]
    for record in records:
        assert record["theory_limit"] == pytest.approx(1 / 3, abs=1e-6)
        assert (record["exponent"] is None) == (not record["found"])
        assert bool(record["reason"]) == (not record["found"])


@pytest.mark.parametrize("kind", ["loss", "ratio"])
@pytest.mark.parametrize(
    "ending",
    [
        "png",
        pytest.param("pdf", marks=pytest.mark.slow),
        pytest.param("svg", marks=pytest.mark.slow),
    ],
)
def test_plot_writes_a_picture(folder: Path, kind: str, ending: str) -> None:
    picture = folder / f"{kind}.{ending}"
    done = jaxsup("plot", folder / "run", "--out", picture, "--kind", kind)
    assert done.returncode == 0, done.stderr
    assert picture.stat().st_size > 5000


def test_plot_selects_positions(folder: Path) -> None:
    options = ("--at", "student.latent=1")
    done = jaxsup("plot", folder / "run", "--out", folder / "one.png", *options)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_reproduce_transition_at_its_smallest(tmp_path: Path) -> None:
    done = jaxsup("reproduce", "transition", "--scale", "smoke", "--out", tmp_path / "t", "--json")
    report = json.loads(done.stdout)
    assert len(report["records"]) == 2 * 6  # laws x students
    assert {claim["verdict"] for claim in report["claims"]} <= {"agrees", "differs", "not claimed"}
    written = sorted(path.name for path in (tmp_path / "t").iterdir())
    assert written == ["dataset.zarr", "transition.json", "transition.png", "transition.txt"]


@pytest.mark.parametrize(
    "arguments", [(), ("sweep",), ("fit",), ("plot",), ("spectrum",), ("reproduce",)]
)
def test_help_teaches_by_example_at_once(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "jaxsup", *arguments, "--help"]
    seconds = []
    while len(seconds) < 5 and min(seconds, default=2.0) >= 2.0:  # a busy machine may be slow
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds.append(time.perf_counter() - began)
        assert done.returncode == 0
        assert "  jaxsup " in done.stdout
    assert min(seconds) < 2.0


def test_help_does_not_load_jax() -> None:
    code = """
import sys
sys.argv = ["jaxsup", "sweep", "--help"]
from jaxsup.cli.main import main
try:
    main()
except SystemExit as end:
    sys.exit(end.code or "jax" in sys.modules or "numpy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--dry-run" in done.stdout


def test_progress_goes_to_standard_error_in_plain_lines(folder: Path) -> None:
    progress = (folder / "progress.txt").read_text()
    assert progress.splitlines()[-1].startswith("100%  6/6 networks, ")
    assert "network-steps/s" in progress
    assert "\x1b" not in progress


MISTAKES = [
    ("steps = 60", "steps = 0", "steps: expected a positive integer; got 0"),
    ("steps = 60", "stpes = 60", "expected a known key; got 'stpes'; did you mean 'steps'?"),
    ("latent = 4", "latent = 40", "student.latent: expected 1 <= K <= N = 12; got 40"),
    ("latent = 4", "latnet = 4", "got 'latnet'; did you mean 'latent'?"),
    ("count = 12", "count = -1", "features.count: expected a positive integer; got -1"),
    ("exponent = 1.5", "exponent = nan", "features.exponent: expected a finite number; got nan"),
    ("exponent = 1.5", "density = 1.0", "features: expected the key 'exponent'"),
    ("exponent = 1.5", "exponent = 1.5\ndensity = 0", "features.density: expected a finite number"),
    ('kind = "sgd"', 'kind = "adm"', "got 'adm'; did you mean 'adam'?"),
    ('"student.latent" =', '"student.latnt" =', "did you mean 'student.latent'?"),
    ('"student.latent" = [3, 4, 6]', '"student.latent" = 3', "expected a list of values; got 3"),
    ("[features]", "[features", "expected TOML; got"),
    ("latent = 4", 'latent = "four"', "student.latent: expected a whole number; got 'four'"),
]


@pytest.mark.parametrize(("right", "wrong", "message"), MISTAKES)
def test_a_mistake_in_the_file_is_one_line(
    tmp_path: Path, right: str, wrong: str, message: str
) -> None:
    (tmp_path / "wrong.toml").write_text(SMALL.replace(right, wrong, 1))
    done = jaxsup("sweep", tmp_path / "wrong.toml", "--out", tmp_path / "run")
    assert_one_line(done, message)
    assert not (tmp_path / "run").exists()


def assert_one_line(done: subprocess.CompletedProcess[str], message: str) -> None:
    """The command failed with one line on standard error that holds the message."""
    assert done.returncode == 2
    assert message in done.stderr
    assert_error_form(done.stderr.strip())
    assert done.stdout == ""


def test_an_output_folder_that_exists_is_refused(folder: Path) -> None:
    done = jaxsup("sweep", folder / "small.toml", "--out", folder / "run")
    assert_one_line(done, "expected a new folder; got one that exists")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_folder_that_cannot_be_written_is_refused(folder: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = jaxsup("sweep", folder / "small.toml", "--out", tmp_path / "run")
    assert_one_line(done, "expected a folder that can be written")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_an_output_folder_where_nothing_can_be_made_is_refused(folder: Path) -> None:
    done = jaxsup("sweep", folder / "small.toml", "--out", "/proc/nowhere/run")
    assert_one_line(done, "expected a folder that can be written; got 'No such file")


def test_a_damaged_dataset_is_one_line(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "run", tmp_path / "damaged")
    (tmp_path / "damaged" / "zarr.json").write_text("{ not json")
    assert_one_line(
        jaxsup("fit", tmp_path / "damaged"), "zarr.json: it is missing, or not as it was written"
    )


def test_an_output_folder_below_a_file_is_refused(folder: Path) -> None:
    done = jaxsup("sweep", folder / "small.toml", "--out", folder / "small.toml" / "run")
    assert_one_line(done, "expected a folder that can be written")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sweep", "absent.toml", "--out", "run"), "expected a TOML file; got none there"),
        (("info", "file"), "file: expected the folder of a sweep; got a file; give the folder"),
        (("fit", "absent"), "expected the folder of a sweep; got none there"),
        (("fit", "."), "expected the folder of a sweep; got one without zarr.json"),
        (("plot", "absent", "--out", "a.gif"), "expected .png, .pdf or .svg; got '.gif'"),
        (("plot", "absent", "--out", "no/a.png"), "expected a folder that is there"),
        (("sweep", "absent.toml", "--out", "run", "--devices", "0"), "absent.toml"),
        (("reproduce", "transitoin"), "got 'transitoin'; did you mean 'transition'?"),
    ],
)
def test_other_mistakes_are_one_line(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "file").touch()
    assert_one_line(jaxsup(*arguments, cwd=tmp_path), message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--at", "student.laten=0"), "did you mean"),
        pytest.param(
            ("--at", "student.latent=7"),
            "expected a position 0..2 of student.latent",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ("--kind", "map"),
            "expected the axes features.exponent and teacher.exponent",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ("--window", "60", "2"), "window: expected (first, last)", marks=pytest.mark.slow
        ),
    ],
)
def test_mistakes_in_a_plot_are_one_line(
    folder: Path, options: tuple[str, ...], message: str
) -> None:
    assert_one_line(jaxsup("plot", folder / "run", "--out", folder / "no.png", *options), message)
