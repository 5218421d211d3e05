"""What a compiler for GPUs finds out lies beside the journal, for whoever goes on."""

import types
from pathlib import Path
from typing import Any

import jax
import pytest

import jaxsup
from jaxsup.sweep import compiled, run
from jaxsup.sweep.compiled import kernel_options
from jaxsup.sweep.trainer import Trainer

OPTION = "xla_gpu_per_fusion_autotune_cache_dir"


def test_only_gpus_are_given_the_folder(tmp_path: Path) -> None:
    assert kernel_options("gpu", tmp_path) == {OPTION: str(tmp_path)}
    assert kernel_options("gpu", None) == {}
    assert kernel_options("cpu", tmp_path) == {}


@pytest.mark.parametrize("message", ["No such compile option: 'x'", "something else"])
def test_a_compiler_without_the_option_is_asked_without_it(message: str) -> None:
    asked = []

    def compile(compiler_options: dict[str, str] | None = None) -> str:
        asked.append(compiler_options)
        if compiler_options:
            raise jax.errors.JaxRuntimeError(message)
        return "compiled"

    lowered: Any = types.SimpleNamespace(compile=compile)
    # What stands in for a program is no program to a type checker.
    compiled_with = getattr(compiled.compiled_with, "__wrapped__", compiled.compiled_with)
    assert compiled_with(lowered, {}) == "compiled"
    if message == "something else":
        with pytest.raises(jax.errors.JaxRuntimeError, match=message):
            compiled_with(lowered, {OPTION: "f"})
        return
    assert compiled_with(lowered, {OPTION: "f"}) == "compiled"
    assert asked == [None, {OPTION: "f"}, None]


def test_a_store_gives_its_folder_and_a_folder_there_disturbs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    class Noting(Trainer):
        def __init__(self, devices: jax.sharding.Mesh, kernels: Path | None = None) -> None:
            given.append(kernels)
            super().__init__(devices, kernels)

    monkeypatch.setattr(run, "Trainer", Noting)
    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(8, 1.5), jaxsup.DiagonalTeacher(0.0), jaxsup.Student(4),
        jaxsup.SGD(0.5), steps=4,
    )  # fmt: skip
    sweep, store = jaxsup.Sweep(experiment, seeds=2), tmp_path / "run"
    jaxsup.run(sweep)
    first = jaxsup.run(sweep, store).load()
    assert given == [None, store / "journal" / "kernels"]
    (given[1] / "v1").mkdir(parents=True)
    (given[1] / "v1" / "0.pb").write_bytes(b"?")
    again = jaxsup.run(sweep, store, resume=True).load()
    assert first.identical(again)
    assert bool(jaxsup.open_store(store)["complete"].all())
