"""`jaxsup init`: the file explains every key, is right as it stands and with every key in use."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from commands import jaxsup
from helpers import assert_error_form

import jaxsup as package
from jaxsup.cli.listing import settings_of
from jaxsup.cli.sweep import SweepCommand
from jaxsup.sweep.amendments import amend_sweep, parse_amendment
from jaxsup.sweep.tables import read_sweep, sweep_to_tables


@pytest.mark.slow
def test_the_file_runs(tmp_path: Path) -> None:
    done = jaxsup("init", "first", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "jaxsup sweep first.toml --dry-run\n" in done.stdout
    command = done.stdout.strip().partition("train it: jaxsup ")[2].split()
    assert command == ["sweep", "first.toml", "--out", "runs/first"]
    trained = jaxsup(*command, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    dataset = xr.open_zarr(tmp_path / "runs" / "first", consolidated=False)
    assert dataset["loss"].sizes["optimizer.learning_rate"] == 4
    rates = dataset["optimizer.learning_rate"].values
    np.testing.assert_allclose(rates, 10.0 ** np.array([-1.5, -1, -0.5, 0]), rtol=1e-12)
    loss = dataset["loss"].values
    assert bool(dataset["complete"].all())
    assert not dataset["status"].values.any()
    assert (loss[..., -1] < loss[..., 0]).all()


def test_the_change_of_a_key_that_it_names_is_one(tmp_path: Path) -> None:
    jaxsup("init", "first.toml", cwd=tmp_path)
    text = (tmp_path / "first.toml").read_text()
    (change,) = re.findall(r"--set (\S+)` changes", text)
    amended = amend_sweep(tomllib.loads(text), [parse_amendment(change)])
    assert f"{amended.experiment.batch_size}" == change.removeprefix("batch_size=") != "32"


def test_what_the_help_begins_another_sweep_from_keeps_its_last_parameters() -> None:
    (first,) = re.findall(r"sweep (\S+) .*--initial", SweepCommand.__doc__ or "")
    experiment = read_sweep(Path(__file__).parents[2] / first).experiment
    assert experiment.record.parameter_steps[-1] == experiment.steps


def test_every_key_of_its_classes_is_explained(tmp_path: Path) -> None:
    jaxsup("init", "first.toml", cwd=tmp_path)
    text = (tmp_path / "first.toml").read_text()
    sections = dict(re.findall(r"^\[(\w+)\](.*?)(?=^\[|\Z)", "[top]" + text, re.M | re.S))
    classes = {
        "top": package.Experiment,
        "features": package.PowerLawFeatures,
        "teacher": package.DiagonalTeacher,
        "student": package.Student,
        "optimizer": package.SGD,
        "record": package.Record,
    }
    for section, kind in classes.items():
        for setting in settings_of(kind):
            if section == "top" and setting.name in sections:
                continue
            line = re.search(rf"^(# )?{setting.name} = (.*)$", sections[section], re.M)
            assert line, (section, setting.name)
            assert "#" in line[2] or section == "teacher" or setting.name == "kind", line[0]
            explained = not line[1] or setting.default is None or setting.name == "steps"
            if not explained:  # what may be left out shows what leaving it out means
                value = tomllib.loads(f"value = {line[2]}")["value"]
                assert value == setting.default, setting.name


def test_the_keys_that_are_commented_out_are_keys(tmp_path: Path) -> None:
    jaxsup("init", "first.toml", cwd=tmp_path)
    text = (tmp_path / "first.toml").read_text()
    in_use, count = re.subn(r"^# (\w+ = .*)$", r"\1", text, flags=re.M)
    assert count > 15
    file = tmp_path / "all.toml"
    file.write_text(in_use.replace("embedding_scale", "# embedding_scale", 1))
    scaled = in_use.replace("randomness", "# randomness", 1)
    (tmp_path / "scaled.toml").write_text(scaled)
    student = sweep_to_tables(read_sweep(tmp_path / "scaled.toml"))["student"]
    assert student["embedding_scale"] == 0.3
    tables = sweep_to_tables(read_sweep(file))
    assert tables["student"]["randomness"] == 0.5
    assert tables["optimizer"]["schedule"]["warmup"] == 50
    assert tables["record"]["steps"] == [1, 10, 100]


def test_a_file_that_is_there_is_replaced_only_when_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("mine")
    refused = jaxsup("init", file)
    assert refused.returncode == 2
    assert "expected a new file; got one that exists; choose another" in refused.stderr
    assert_error_form(refused.stderr.strip())
    assert file.read_text() == "mine"
    assert jaxsup("init", file, "--force").returncode == 0
    assert "[features]" in file.read_text()


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    for words in ((tmp_path / "nowhere" / "a.toml",), (tmp_path, "--force")):
        (tmp_path.parent / f"{tmp_path.name}.toml").mkdir(exist_ok=True)
        refused = jaxsup("init", *words)
        assert refused.returncode == 2
        assert "expected a file that can be written; got" in refused.stderr
        assert_error_form(refused.stderr.strip())


def test_init_does_not_load_jax(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['jaxsup', 'init', sys.argv[1]]; import jaxsup.cli.main as m; "
        "m.main(); sys.exit('jax' in sys.modules or 'numpy' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.toml")]
    assert subprocess.run(command, check=False).returncode == 0
    assert (tmp_path / "a.toml").is_file()
