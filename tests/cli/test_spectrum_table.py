"""`jaxsup spectrum` of a checkpoint: what it prints and draws of all its matrices."""

import io
import json
import re
import sys
from pathlib import Path

import commands
import matplotlib.image
import numpy as np
import pytest
from commands import spectrum_here
from weight_files import write_safetensors

from jaxsup.cli.spectrum_table import counted
from jaxsup.weights.files.shards import list_checkpoint
from jaxsup.weights.table import measure_checkpoint

RNG = np.random.default_rng(8)
GAUSSIAN = RNG.standard_normal((64, 160)).astype(np.float32)
TENSORS = {
    "wte.weight": RNG.standard_normal((160, 64)).astype(np.float32),
    "wpe.weight": RNG.standard_normal((12, 64)).astype(np.float32),
    "h.0.fc.weight": GAUSSIAN,
    "h.0.fc.bias": np.zeros(160, np.float32),
    "h.0.sick.weight": np.full((64, 64), np.nan, np.float32),
    "h.1.fc.weight": 2 * GAUSSIAN,
    "h.1.fc.bias": np.zeros(160, np.float32),
    "conv.weight": np.zeros((2, 3, 4), np.float32),
}
HEAD = ["matrix", "stored", "as", "features", "rank", "saturation", "null", "localization"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model in two files, with one matrix that has diverged."""
    names = list(TENSORS)
    places = {}
    for part, chosen in enumerate((names[:3], names[3:])):
        file = f"model-{part}.safetensors"
        stored = {n: ("F32", TENSORS[n].shape, TENSORS[n].tobytes()) for n in chosen}
        write_safetensors(tmp_path / file, stored)
        places |= dict.fromkeys(chosen, file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    return tmp_path


@pytest.mark.slow
def test_every_matrix_has_a_line_and_the_footer_says_what_was_assumed(folder: Path) -> None:
    done = commands.jaxsup("spectrum", ".", "--out", "all.png", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    head, table, footer, figure = done.stdout.rstrip().split("\n\n")
    assert head == "checkpoint  ."
    columns, *lines = table.splitlines()
    assert columns.split()[: len(HEAD)] == HEAD
    rows = {line.split()[0]: re.split(r" {2,}", line) for line in lines}
    assert list(rows) == [name for name in TENSORS if name.endswith("t") and name != "conv.weight"]
    # 160 / 223 for the null of a Gaussian matrix, which these are.
    assert rows["wte.weight"][1:4] == ["160 x 64", "rows (name)", "64"]
    assert rows["h.1.fc.weight"][1:4] == ["64 x 160", "columns (longer)", "64"]
    assert rows["wpe.weight"][1:4] == ["12 x 64", "rows (name)", "12"]
    assert {rows[name][5] for name in ("wte.weight", "h.0.fc.weight")} == {"0.7175"}
    for name in ("wte.weight", "h.0.fc.weight"):
        assert float(rows[name][4]) == pytest.approx(160 / 223, abs=0.02)
    assert rows["h.0.fc.weight"][4:] == rows["h.1.fc.weight"][4:]  # a factor changes nothing
    assert re.fullmatch(r"\d+\.\d\d \[\d\.\d\d, \d+\.\d\d\]", rows["wte.weight"][8])
    assert rows["wpe.weight"][8:11] == ["-", "-", "-"]
    assert rows["h.0.sick.weight"][-1].startswith(
        "not measured: expected finite real numbers; got 4,096 NaN or infinite entries"
    )
    assert "assumed: rows, by a name that is an embedding's (name); the longer side (longer)" in (
        footer
    )
    assert "--orientation features-latent" in footer
    assert "fewer than 50 eigenvalues that are not zero (1)" in footer
    assert footer.splitlines()[-1] == (
        "left out       3 tensors: 2 of one dimension (biases, scales); 1 of 3 axes (convolution "
        "kernels and the like)"
    )
    assert figure == "figure   all.png"
    picture = matplotlib.image.imread(folder / "all.png")
    for panel in np.array_split(picture, 3, axis=1):
        assert len(np.unique(panel.reshape(-1, panel.shape[-1]), axis=0)) > 50


def test_json_holds_every_row_for_programs(folder: Path) -> None:
    options = ("--tensor", "h.*", "--tensor", "wpe.weight", "--json", "--x64", "--out", "t.svg")
    index = "model.safetensors.index.json"
    done = commands.jaxsup("spectrum", index, *options, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    table = json.loads(done.stdout)
    assert table["checkpoint"] == index
    assert table["precision"] == {"spectrum": "float64", "cosines": "float64"}
    assert table["left_out"] == {"of one dimension (biases, scales)": 2}
    assert table["figure"] == "t.svg"
    assert (folder / "t.svg").read_text().startswith("<?xml")
    rows = {row["tensor"]: row for row in table["matrices"]}
    assert list(rows) == ["wpe.weight", "h.0.fc.weight", "h.0.sick.weight", "h.1.fc.weight"]
    fc = rows["h.1.fc.weight"]
    sigma = np.linalg.svd(2 * GAUSSIAN.astype(float), compute_uv=False)
    shares = sigma / sigma.sum()
    assert fc["effective_rank"] == pytest.approx(np.exp(-shares @ np.log(shares)), rel=1e-9)
    assert fc["tail"]["interval"][0] <= fc["tail"]["interval"][1]
    assert fc["tail"]["plausible"] is False  # a Gaussian matrix has none
    assert fc["orientation_by"] == "longer side"
    assert rows["h.0.sick.weight"]["saturation"] is None
    assert rows["h.0.sick.weight"]["problem"].startswith("expected finite real numbers")
    assert rows["wpe.weight"]["no_tail"].startswith("fewer than 50")


def test_a_pattern_that_fits_one_matrix_is_diagnosed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spectrum_here(monkeypatch, str(folder), "--tensor", "h.0.fc.*")
    output = capsys.readouterr().out
    assert output.splitlines()[0] == f"file           {folder}/model-0.safetensors"
    assert output.splitlines()[1] == "tensor         h.0.fc.weight"
    assert "float64 check" in output


def test_orientation_holds_for_all_and_the_footer_has_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--tensor", "w*", "--orientation", "latent-features")
    spectrum_here(monkeypatch, str(folder), *options)
    output = capsys.readouterr().out
    assert len(re.findall(r"columns \(given\)", output)) == 2
    assert "features       as --orientation says" in output
    assert "assumed" not in output


def test_a_bound_of_the_coherence_is_said_to_be_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jaxsup.weights.coherence._COHERENCE_WORK", 64 * 160 * 20)
    spectrum_here(monkeypatch, str(folder), "--tensor", "w*")
    bound = capsys.readouterr().out
    assert len(re.findall(r">= 0\.\d{4}", bound)) == 1  # that of wte
    assert "coherence >=   of some features against all; --full: all pairs" in bound
    spectrum_here(monkeypatch, str(folder), "--tensor", "w*", "--full")
    assert ">=" not in capsys.readouterr().out


def test_names_that_command_the_terminal_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "w.npz", **{"a\x1b[2J\nb": np.eye(3), "c": np.eye(3)})  # pyright: ignore
    spectrum_here(monkeypatch, str(tmp_path / "w.npz"))
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"a\\x1b\[2J b +3 x 3  columns \(square\)", lines[3])


def test_tensors_of_all_files_are_listed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spectrum_here(monkeypatch, str(folder), "--list")
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(TENSORS)


class Terminal(io.StringIO):
    """Somebody looks at it."""

    def isatty(self) -> bool:
        return True


def test_a_count_is_shown_on_a_terminal_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = [stored for stored in list_checkpoint(folder) if len(stored.shape) == 2]
    quiet = counted(measure_checkpoint(tensors), len(tensors))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", Terminal())
    shown = counted(measure_checkpoint(tensors), len(tensors))
    assert f"{len(tensors)}/{len(tensors)}" in sys.stderr.getvalue()  # pyright: ignore
    assert [row.to_dict() for row in shown] == [row.to_dict() for row in quiet]
