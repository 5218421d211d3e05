"""The command, interrupted: what it keeps, how it ends, and that going on changes no bit.

JAXSUP_KILLS sets how many times the sweep is killed or stopped; CI does it a few times.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import commands
import pytest
import xarray as xr
from helpers import assert_error_form
from sweep_cases import assert_same_bits

KILLS = int(os.environ.get("JAXSUP_KILLS", "2"))

# Two programs, six parts, a diverging network in each.
CONFIGURATION = """
steps = 2000
batch_size = 16
seeds = 18
[features]
kind = "power-law"
count = 32
exponent = 1.5
[teacher]
kind = "diagonal"
exponent = 0.0
[student]
latent = 8
[optimizer]
kind = "sgd"
learning_rate = 0.3
[record]
points = 16
evaluation_samples = 128
[axes]
"optimizer.learning_rate" = [0.1, 0.2, 0.3, 1e7]
"student.latent" = [4, 8, 16]
"""
OPTIONS = ("--chunk", "36", "--json", "--checkpoint", "0.2", "--devices", "2")


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "jaxsup", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def jaxsup(*arguments: object) -> tuple[int, str, str]:
    done = commands.jaxsup(*arguments, seconds=600)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("interrupted")
    (path / "sweep.toml").write_text(CONFIGURATION)
    began = time.perf_counter()
    status, _, err = jaxsup("sweep", path / "sweep.toml", "--out", path / "whole", *OPTIONS)
    assert status == 0, err
    (path / "seconds").write_text(str(time.perf_counter() - began))
    return path


@pytest.mark.extended
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "terminate"])
def test_interrupted_at_random_moments_it_ends_with_the_same_bits(folder, tmp_path, number):
    moments = random.Random(int(number))
    seconds = float((folder / "seconds").read_text())
    out = tmp_path / "out"
    # A kill leaves the most to chance; what a stop leaves is settled.
    interruptions = KILLS if number == signal.SIGKILL else -(-KILLS // 2)
    while True:
        process = start("sweep", folder / "sweep.toml", "--out", out, "--resume", *OPTIONS)
        try:
            moment = moments.uniform(0.2 * seconds, 0.8 * seconds) if interruptions else 600
            _, err = process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            _, err = process.communicate()
            interruptions -= 1
            # Early enough, nobody listens yet; late enough, all is done.
            ended = {signal.SIGKILL: {-9}, signal.SIGTERM: {143, 0, -15}}[number]
            assert process.returncode in ended, err
            if process.returncode == 143:
                assert re.search(r"stopped; .* go on with: jaxsup sweep .* --resume\n$", err)
            continue
        assert process.returncode == 0, err
        assert_same_bits(xr.open_zarr(out).load(), xr.open_zarr(folder / "whole").load())
        if not interruptions:
            break
        shutil.rmtree(out)
    status, text, _ = jaxsup("info", out, "--json")
    assert status == 0
    inventory = json.loads(text)
    assert inventory["networks_stored"] == inventory["networks"] == 216
    assert len(inventory["diverged"]) == 54
    assert inventory["damages"] == inventory["unfinished"] == []


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(folder, tmp_path):
    out = tmp_path / "out"
    process = start("sweep", folder / "sweep.toml", "--out", out, *OPTIONS)
    deadline = time.monotonic() + 120
    while not list(out.glob("journal/*/zarr.json")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert err.count("\n") == 1
    assert err.startswith("jaxsup: stopped; what is done is stored; go on with: jaxsup sweep ")
    status, text, _ = jaxsup("info", out)
    assert status == 0
    assert re.search(r"state +unfinished: [1-9]\d* of 216 networks", text)
    assert re.search(r"updates +\d+ settings at \d+ features, .*(sparse|dense) samples", text)
    status, text, err = jaxsup("fit", out)
    assert status == 0
    assert "tiles are stored; the others are missing (NaN)" in err


@pytest.mark.slow
def test_info_names_what_is_damaged(folder, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(folder / "whole", out)
    status, text, err = jaxsup("info", out)
    assert (status, err) == (0, "")
    assert "complete: 216 of 216 networks" in text
    assert "optimizer.learning_rate 10000000.0" in text
    chunk = next(out.glob("loss/c/*/*/*/*"))
    data = bytearray(chunk.read_bytes())
    data[-7] ^= 1
    chunk.write_bytes(data)
    status, text, _ = jaxsup("info", out)
    assert status == 1
    assert f"damaged   {chunk.relative_to(out)}: its checksum differs" in text
    status, text, err = jaxsup("fit", out)
    assert (status, text) == (2, "")
    assert_error_form(err.removesuffix("\n"))
    assert f"got {chunk.relative_to(out)}: its checksum differs" in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--memory", "much"), "memory: expected a size in bytes; got 'much'; write it like 4GiB"),
        (("--memory", "1MiB"), "memory: expected more than the"),
        (("--shard", "3/2"), "--shard: expected I/N with 1 <= I <= N; got '3/2'"),
        (("--coordinator", "a:1"), "--coordinator: expected --distributed with it"),
        (("--shard", "1/2", "--distributed"), "--shard: expected one of --shard and --distributed"),
        (("--checkpoint", "-1"), "checkpoint: expected a finite number >= 0; got -1.0"),
    ],
)
def test_a_mistake_is_one_line_before_training(folder, tmp_path, options, message):
    status, text, err = jaxsup(
        "sweep", folder / "sweep.toml", "--out", tmp_path / "out", "--json", *options
    )
    assert (status, text) == (2, "")
    assert_error_form(err.removesuffix("\n"))
    assert message in err
    assert not (tmp_path / "out").exists()


def contents(store: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_another_configuration_is_one_line(folder, tmp_path):
    (tmp_path / "other.toml").write_text(CONFIGURATION.replace("exponent = 1.5", "exponent = 1.6"))
    before = contents(folder / "whole")
    status, text, err = jaxsup(
        "sweep", tmp_path / "other.toml", "--out", folder / "whole", "--resume", "--json"
    )
    assert (status, text) == (2, "")
    assert_error_form(err.removesuffix("\n"))
    assert "features.exponent 1.6 instead of 1.5" in err
    assert contents(folder / "whole") == before
