"""The command's ways to a configuration: `--set`, `--dry-run`, `--version`."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import jaxlib.version
import pytest
import xarray as xr
from commands import jaxsup
from helpers import assert_error_form
from table_cases import BASE, write

from jaxsup import __version__
from jaxsup.cli import version


@pytest.mark.slow
def test_set_changes_what_is_trained_and_the_last_one_counts(tmp_path: Path) -> None:
    file, out = write(tmp_path, BASE), tmp_path / "run"
    changes = ("--set", "experiment.steps=9", "--set", "steps=4", "--set", "seeds=2")
    axis = ("--set", 'axes."student.latent"={range=[3, 5]}')
    done = jaxsup("sweep", file, "--out", out, *changes, *axis, "--json")
    assert done.returncode == 0, done.stderr
    dataset = xr.open_zarr(out, consolidated=False)
    assert dataset["student.latent"].values.tolist() == [3, 4]
    assert dataset.sizes["seed"] == 2
    assert int(dataset["step"][-1]) == 4
    assert json.loads(dataset.attrs["configuration"])["axes"] == {"student.latent": [3, 4]}
    again = jaxsup("sweep", file, "--out", out, *changes, *axis, "--resume", "--json")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimizer.lerning_rate=1", "optimizer: expected a known key; got 'lerning_rate'; did"),
        ("steps=-1", "steps: expected a positive integer; got -1"),
    ],
)
def test_a_mistake_in_set_is_one_line_that_names_it(
    tmp_path: Path, text: str, message: str
) -> None:
    done = jaxsup("sweep", write(tmp_path, BASE), "--out", tmp_path / "run", "--set", text)
    assert done.returncode == 2
    assert done.stderr.startswith(f"jaxsup: --set {text}: {message}")
    assert_error_form(done.stderr.strip())
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_dry_run_tells_what_a_sweep_will_take_and_writes_nothing(tmp_path: Path) -> None:
    file = write(tmp_path, BASE + '[axes]\n"features.exponent" = {linspace = [1, 2, 4]}\n')
    done = jaxsup("sweep", file, "--dry-run", "--json", "--set", "steps=40", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert (plan["settings"], plan["seeds"], plan["networks"]) == (4, 3, 12)
    (program,) = plan["programs"]
    assert (program["latent"], program["updates"], program["at_once"]) == (8, 40, 12)
    assert 0 < plan["seconds"] < 60
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    shown = jaxsup("sweep", file, "--dry-run", "--chunk", 2, cwd=tmp_path)
    lines = shown.stdout.splitlines()
    assert lines[0] == "networks  12: 4 settings, 3 seeds"
    assert lines[2].strip() == "program 1 of 1: latent 8; 2 of 12 networks at once"
    assert "in 6 parts; 50 updates" in lines[3]
    assert lines[5].startswith("time      about ")
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--out: expected a folder for the dataset; got a call without it; add --out DIR"),
        (("--dry-run", "--resume"), "--dry-run: expected a plan of the whole sweep; got a call"),
        (("--dry-run", "--shard", "1/2"), "--dry-run: expected a plan of the whole sweep; got"),
        (("--dry-run", "--memory", "much"), "memory: expected a size in bytes; got 'much'"),
        (("--dry-run", "--chunk", "0"), "chunk: expected a positive integer; got 0"),
        (("--dry-run", "--widths", "0"), "widths: expected a positive integer; got 0"),
        (("--dry-run", "--set", "steps=0"), "--set steps=0: steps: expected a positive"),
    ],
)
def test_mistakes_in_the_options_are_one_line(
    tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    done = jaxsup("sweep", write(tmp_path, BASE), *options)
    assert done.returncode == 2
    assert done.stderr.startswith(f"jaxsup: {message}")
    assert_error_form(done.stderr.strip())
    assert done.stdout == ""


def test_version_names_the_package_jax_and_jaxlib() -> None:
    done = jaxsup("--version")
    expected = [
        f"jaxsup {__version__}",
        f"jax {jax.__version__}",
        f"jaxlib {jaxlib.version.__version__}",
    ]
    assert done.stdout.splitlines() == expected


def test_version_says_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise version.PackageNotFoundError(name)

    monkeypatch.setattr(version, "version", absent)
    assert version.format_versions().splitlines()[1:] == [
        "jax not installed",
        "jaxlib not installed",
    ]


def test_version_does_not_load_jax() -> None:
    code = (
        "import sys; sys.argv = ['jaxsup', '--version']; import jaxsup.cli.main as m; m.main(); "
        "sys.exit('jax' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
