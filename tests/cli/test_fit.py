"""`jaxsup fit` and `jaxsup plot`: regimes, local exponents, files, settings that are lost."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from commands import jaxsup as command
from helpers import assert_error_form

import jaxsup

STEPS = np.unique(np.round(np.geomspace(1, 1e4, 80)))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Linear students at rates of which the last is too large: all its seeds diverge."""
    experiment = jaxsup.Experiment(
        jaxsup.GaussianFeatures(64, 2.0),
        jaxsup.DiagonalTeacher(0.5),
        jaxsup.Student(64, "identity", core_scale=1e-3, activation="identity", bias=False),
        jaxsup.SGD(1.0),
        steps=2000,
        gradient="exact",
        record=jaxsup.Record(points=60),
    )
    path = tmp_path_factory.mktemp("fit") / "run"
    jaxsup.run(jaxsup.Sweep(experiment, {"optimizer.learning_rate": [1.0, 50.0]}, 2), path)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two curves: t^-0.5, and t^-0.3 that becomes t^-1."""
    curves = STEPS**-0.5, STEPS**-0.3 / (1 + (STEPS / 300) ** 4) ** 0.175
    noise = np.random.default_rng(0).standard_normal((2, STEPS.size))
    columns = np.column_stack([STEPS, *(np.stack(curves) * np.exp(0.01 * noise))])
    path = tmp_path_factory.mktemp("curves") / "losses.csv"
    np.savetxt(path, columns, delimiter=",", header="step,one,two", comments="")
    return path


def test_a_setting_that_diverged_has_its_row_beside_the_others(store: Path) -> None:
    assert (xr.open_zarr(store)["status"][1] == 1).all()
    done = command("fit", store)
    assert done.returncode == 0, done.stderr
    header, first, second = done.stdout.splitlines()
    assert header.split()[-5:] == ["exponent", "theory", "limit", "window", "seeds"]
    assert "+-" in first
    assert "none: all seeds diverged" in second
    assert second.split()[-3:] == ["0", "(2", "diverged)"]


def test_json_holds_both_theories_and_where_the_fit_begins(store: Path) -> None:
    first, second = json.loads(command("fit", store, "--json").stdout)
    assert first["theory_limit"] == second["theory_limit"] == 1.0
    assert first["theory"] == pytest.approx(first["exponent"], rel=0.01)
    assert first["window_first"] >= first["fit_after"] > 20
    assert second["reason"] == "no power law here: all seeds diverged, 2 of 2"
    (early, _) = json.loads(command("fit", store, "--json", "--after", 3).stdout)
    assert early["fit_after"] == 3


def test_regimes_of_a_file(file: Path) -> None:
    one, two = json.loads(command("fit", file, "--regimes", "--json").stdout)
    assert (one["curve"], two["curve"]) == ("one", "two")
    assert one["first_exponent"] == pytest.approx(0.5, abs=0.02)
    assert two["first_exponent"] == pytest.approx(0.3, abs=0.05)
    assert two["last_exponent"] == pytest.approx(1.0, abs=0.05)
    text = command("fit", file, "--regimes").stdout.splitlines()
    assert sum("power-law" in line for line in text) >= 3


def test_local_exponents_of_seeds_in_a_file(file: Path) -> None:
    (record,) = json.loads(command("fit", file, "--local", "--seeds", "--json").stdout)
    assert record["seeds_used"] == 2
    mean = np.loadtxt(file, delimiter=",", skiprows=1)[:, 1:].mean(1)
    expected = jaxsup.fit.local_exponent(STEPS, mean).exponent
    np.testing.assert_allclose(record["exponent"], expected, rtol=1e-6)
    header = command("fit", file, "--local", "--seeds").stdout.splitlines()[0]
    assert header.split() == ["step", "local", "exponent", "theory", "limit"]


@pytest.mark.parametrize(
    "options", [("--kind", "local"), ("--kind", "loss", "--regimes"), ("--regimes",)]
)
def test_pictures_of_a_file(file: Path, options: tuple[str, ...], tmp_path: Path) -> None:
    done = command("plot", file, "--out", tmp_path / "a.png", *options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "FILE", "--regimes", "--local"), "--regimes: expected one kind of table"),
        (("fit", "FILE", "--regimes", "--floor"), "--floor: expected a single fit"),
        (("fit", "FILE", "--local", "--window", 1, 9), "--window: expected a single fit"),
        (("fit", "STORE", "--seeds"), "--seeds: expected a file of curves; got a sweep"),
        (("fit", "absent.csv"), "expected a file of curves; got none there"),
        (("plot", "FILE", "--out", "a.png", "--kind", "local", "--regimes"), "expected loss"),
        (("plot", "FILE", "--out", "a.png", "--window", 1, 9), "expected a picture of fits"),
        (("plot", "FILE", "--out", "a.png", "--at", "step=0"), "with an axis of the sweep; got"),
        (("plot", "FILE", "--out", "a.png", "--regimes", "--after", 1e9), "recorded steps 1 to 1"),
        (("fit", "FILE", "--after", 1e9), "after: expected a part of the record; got 1000000000.0"),
        (("fit", "FILE", "--window", 1e5, 1e6), "part of the record; got (100000.0, 1000000.0)"),
        (("fit", "FILE", "--after", "nan"), "after: expected a finite number"),
        (("fit", "FOLDER"), "got a folder; name a file in it"),
    ],
)
def test_mistakes_are_one_line(
    file: Path, store: Path, tmp_path: Path, arguments: tuple[object, ...], message: str
) -> None:
    places = {"FILE": file, "STORE": store, "FOLDER": tmp_path / "folder.csv"}
    places["FOLDER"].mkdir()
    done = command(*(places.get(str(argument), argument) for argument in arguments))
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert_error_form(done.stderr.strip())
