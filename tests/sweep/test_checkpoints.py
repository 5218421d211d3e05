"""A checkpoint goes on only where it is one of that part, trained where it would go on."""

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from sweep_cases import Stop, assert_same_bits, run_into

from jaxsup.sweep.callbacks import Stopped
from jaxsup.sweep.store import machine, store
from jaxsup.sweep.store.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose first part is on its way."""
    path = tmp_path_factory.mktemp("stopped") / "store"
    with pytest.raises(Stopped):
        run_into(path, stop=Stop(2))
    return path


def checkpoint_of(path: Path) -> Checkpoint:
    from safetensors import safe_open

    file = next(path.rglob("unfinished*"))
    with safe_open(file, framework="np") as opened:
        header = opened.metadata()
    return Checkpoint(file, {name: text for name, text in header.items() if name != "sha256"})


def without(name: str) -> Any:
    return lambda arrays: arrays.pop(name)


def put(name: str, change: Any) -> Any:
    return lambda arrays: arrays.update({name: change(arrays[name])})


CRAFTED = {
    "no step": (without("step"), "step"),
    "step far out": (put("step", lambda step: np.asarray(10**9)), "step"),
    "last step": (put("step", lambda step: np.asarray(8)), "step"),
    "negative step": (put("step", lambda step: np.asarray(-1)), "step"),
    "text for a step": (put("step", lambda step: step.astype(float)), "step"),
    "no state": (without("state.0"), "it has no state.0"),
    "another shape": (put("state.0", lambda leaf: leaf[..., :1]), "its state.0 is"),
    "another type": (put("state.0", lambda leaf: leaf.astype(np.float16)), "its state.0 is"),
    "no results": (without("block.loss"), "it has no block.loss"),
    "other results": (put("block.loss", lambda loss: loss[:1]), "its block.loss is"),
    "no losses": (put("losses", lambda losses: losses[:1]), "no losses of this part"),
    "no lanes": (without("lanes"), "it has no lanes"),
    "ragged lanes": (put("lanes", lambda lanes: np.append(lanes, 0)), "do not fit"),
    "too many": (put("members", lambda m: np.repeat(m, 9, axis=1)), "more lanes or slots"),
    "a row twice": (put("members", lambda m: np.zeros_like(m)), "twice, or not at all"),
    "a strange row": (put("members", lambda m: m + 7), "none of this part"),
    "nothing": (put("members", lambda m: m - 9), "no replica"),
}


def go_on(path: Path, whole: Path, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Resume, compare with the uninterrupted sweep, and return what was warned of."""
    caplog.clear()
    with caplog.at_level(logging.WARNING, "jaxsup"):
        run_into(path, resume=True)
    assert_same_bits(xr.open_zarr(path).load(), xr.open_zarr(whole).load())
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("case", CRAFTED)
def test_a_crafted_checkpoint_is_refused(case, stopped, whole, tmp_path, caplog):
    """Its checksum and its marks are right."""
    change, reason = CRAFTED[case]
    path = tmp_path / "store"
    shutil.copytree(stopped, path)
    file = checkpoint_of(path)
    arrays = file.load()
    assert arrays is not None
    change(arrays)
    file.save(arrays)
    (warning,) = go_on(path, whole, caplog)
    assert reason in warning
    assert "this part starts again" in warning


def test_an_untouched_checkpoint_goes_on(stopped, whole, tmp_path, caplog):
    shutil.copytree(stopped, tmp_path / "store")
    assert go_on(tmp_path / "store", whole, caplog) == []


def test_a_checkpoint_of_another_kind_of_device_is_refused(
    stopped, whole, tmp_path, monkeypatch, caplog
):
    """Its bits would be those of no machine."""
    shutil.copytree(stopped, tmp_path / "store")
    usual = machine.machine
    other = {"platform": "gpu"}
    monkeypatch.setattr(store, "machine", lambda *trains: usual(*trains) | other)
    (warning,) = go_on(tmp_path / "store", whole, caplog)
    assert "it has platform 'cpu cpu', not 'gpu cpu'; this part starts again" in warning


def test_a_checkpoint_of_other_compiler_flags_is_refused(
    stopped, whole, tmp_path, monkeypatch, caplog
):
    shutil.copytree(stopped, tmp_path / "store")
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    (warning,) = go_on(tmp_path / "store", whole, caplog)
    assert "it has flags" in warning
