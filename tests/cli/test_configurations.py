"""The command's ways to a configuration: `--set`, `--version`."""

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
