"""A stranger's first hour: a curve of one's own, a scan, an interruption, a checkpoint.

Every step is what a reader of the first page would type, and beside it stands a mistake that a
tired one makes: it is answered by one line that says what to do, and costs nothing that is there.
"""

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from commands import jaxsup as command
from helpers import assert_error_form, assert_one_line_error
from safetensors.numpy import save_file
from sweep_cases import assert_same_bits

import jaxsup
from jaxsup.sweep.tables import read_sweep

CONFIGURATION = """
steps = 4000
batch_size = 8
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
learning_rate = 0.1

[record]
points = 6
evaluation_samples = 32

[axes]
"optimizer.learning_rate" = { logspace = [-2, -1, 3] }
"""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with what the stranger brings: a curve, a configuration, a model."""
    steps = np.unique(np.round(np.geomspace(1, 1e5, 120)))
    noise = np.random.default_rng(0).standard_normal(steps.size)
    loss = steps**-0.3 / (1 + (steps / 1000) ** 4) ** 0.175 * np.exp(0.01 * noise)
    rows = [f"{step:.0f},{value:.7g}" for step, value in zip(steps, loss, strict=True)]
    (tmp_path / "run.csv").write_text("\n".join(["step,loss", *rows]))
    (tmp_path / "scan.toml").write_text(CONFIGURATION)
    rng = np.random.default_rng(1)
    tensors = {
        "embed.weight": rng.standard_normal((40, 8)),
        "mlp.weight": rng.standard_normal((8, 16)),
        "norm.weight": np.ones(8),
    }
    save_file({k: v.astype(np.float32) for k, v in tensors.items()}, tmp_path / "model.safetensors")
    return tmp_path


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One line, in the form that all of them have, with these words; no traceback."""
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stdout == ""
    assert_error_form(done.stderr.strip().removeprefix("jaxsup: "))
    for word in words:
        assert word in done.stderr


def test_a_curve_of_ones_own_has_two_regimes(desk: Path) -> None:
    done = command("fit", "run.csv", "--regimes", "--json", cwd=desk)
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)
    for which, law in (("first", 0.3), ("last", 1.0)):
        low, high = (record[f"{which}_interval_{end}"] for end in ("low", "high"))
        assert low <= law <= high, record
    refused(command("fit", "run.csv", "--loss", "los", cwd=desk), "los", "loss")
    refused(command("fit", "rnu.csv", cwd=desk), "rnu.csv")


@pytest.mark.slow
def test_a_scan_is_spaced_amended_interrupted_and_resumed(desk: Path) -> None:
    refused(command("sweep", "scan.toml", "--out", "runs", "--set", "step=30", cwd=desk), "steps")
    misspelled = CONFIGURATION.replace("logspace", "logspase")
    (desk / "typo.toml").write_text(misspelled)
    refused(command("sweep", "typo.toml", "--out", "runs", cwd=desk), "logspace")
    assert not (desk / "runs").exists()

    done = command("sweep", "scan.toml", "--out", "runs", "--set", "steps=30", cwd=desk)
    assert done.returncode == 0, done.stderr
    with xr.open_zarr(desk / "runs", consolidated=False) as dataset:
        assert np.allclose(dataset["optimizer.learning_rate"], [0.01, 10**-1.5, 0.1])
        assert int(dataset["step"][-1]) == 30
        assert dataset["loss"].notnull().all()
    refused(command("sweep", "scan.toml", "--out", "runs", cwd=desk), "--resume")

    sweep = read_sweep(desk / "scan.toml")
    segments = 0

    def press(_: object) -> None:
        nonlocal segments
        segments += 1
        if segments == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match=r"go on with: jaxsup\.run") as stopped:
        jaxsup.run(sweep, desk / "mine", progress=press)
    assert "\n" not in str(stopped.value)
    assert_one_line_error(lambda: jaxsup.run(sweep, desk / "mine"), "resume", FileExistsError)
    resumed = jaxsup.run(sweep, desk / "mine", resume=True).load()
    assert_same_bits(resumed, jaxsup.run(sweep, desk / "whole").load())


def test_a_checkpoint_is_read(desk: Path) -> None:
    done = command("spectrum", "model.safetensors", cwd=desk)
    assert done.returncode == 0, done.stderr
    assert "embed.weight" in done.stdout
    assert "mlp.weight" in done.stdout
    wrong = command("spectrum", "model.safetensors", "--tensor", "embed.wieght", cwd=desk)
    refused(wrong, "embed.weight")
    (desk / "page.safetensors").write_text("<html>not found</html>")
    refused(command("spectrum", "page.safetensors", cwd=desk), "page.safetensors")
