"""`jaxsup spectrum`: what it prints and draws, and one line for each mistake."""

import json
import os
import subprocess
import sys
from pathlib import Path

import commands
import matplotlib.image
import numpy as np
import pytest
from commands import assert_spectrum_refuses, spectrum_here
from helpers import assert_error_form

ANGLES = 2 * np.pi * np.arange(5) / 5
PENTAGON = np.stack([np.cos(ANGLES), np.sin(ANGLES)])


def spectrum_elsewhere(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as notebooks and Matplotlib's users have it: it needs neither to draw."""
    command = [sys.executable, "-m", "jaxsup", "spectrum", *map(str, arguments)]
    (cwd / "matplotlibrc").write_text("text.usetex: True\n")
    environment = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.not_installed"}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, env=environment
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a pentagon beside a digon: as such, and turned in an archive of two."""
    W = np.zeros((3, 7), np.float32)
    W[:2, :5] = PENTAGON
    W[2, 5:] = 1, -1
    np.save(tmp_path / "w.npy", W)
    np.savez(tmp_path / "two.npz", embed=W.T, other=np.eye(2))
    np.save(tmp_path / "nan.npy", np.asarray([[np.nan, 1.0]]))
    np.save(tmp_path / "three.npy", np.zeros((2, 2, 2)))
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "there.png").write_text("a picture")
    (tmp_path / "folder.png").mkdir()
    return tmp_path


@pytest.mark.slow
def test_the_table_names_the_file_and_what_it_holds(folder: Path) -> None:
    done = spectrum_elsewhere("w.npy", "--out", "w.png", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["file", "w.npy"]
    assert lines[1].split(maxsplit=2)[2] == "3 x 7, float32"
    assert lines[2].split(maxsplit=1)[1].startswith("rows are latent, columns are features (assum")
    rows = [line.split() for line in lines]
    assert ["1", "pentagon", "5", "2", "2/5", "2.5", "0.001"] in rows
    assert ["1", "digon", "2", "1", "1/2", "2", "0.001"] in rows
    assert lines[-1] == "figure   w.png"
    picture = matplotlib.image.imread(folder / "w.png")
    assert picture.shape[:2] == (1520, 3100)
    for panel in (picture[:760, :1030], picture[760:, :1030], picture[760:, 2070:]):
        assert len(np.unique(panel.reshape(-1, panel.shape[-1]), axis=0)) > 50


@pytest.mark.slow
def test_json_holds_every_field_for_programs(folder: Path) -> None:
    options = ("--tensor", "embed", "--features", 0, 6, "--x64", "--out", "two.svg", "--json")
    done = commands.jaxsup("spectrum", "two.npz", *options, "--component", 1, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    record = json.loads(done.stdout)
    assert record["file"] == "two.npz"
    assert record["tensor"] == "embed"
    assert record["shape"] == [7, 3]
    assert record["orientation"] == "features-latent"
    assert record["orientation_assumed"] is True
    assert record["precision"] == "float64"
    assert record["geometry"]["names"] == {"pentagon": 1, "digon": 1}
    assert record["dimensions_per_feature"] == pytest.approx(3 / 7)
    np.testing.assert_allclose(record["measures"]["6"], [0, 1], atol=1e-12)
    assert (folder / "two.svg").read_text().startswith("<?xml")


MISTAKES = [
    (("absent.npy",), "absent.npy: expected a file; got none there; check the path"),
    (
        (".",),
        "expected a folder with one file of weights; got 5 of them; give one of them: nan.npy",
    ),
    (("text.npz",), "text.npz: expected the content of a .npz file; got a file of unknown"),
    (("nan.npy",), "nan.npy: expected finite real numbers; got 1 NaN or infinite"),
    (("three.npy",), "three.npy: expected a matrix, 2 axes; got a tensor of shape (2, 2, 2)"),
    (("two.npz", "--features", "1"), "--features: expected one matrix; got 2 of them; name one wi"),
    (("two.npz", "--component", "1"), "--component: expected one matrix; got 2 of them; name one"),
    (("two.npz", "--cluster-tolerance", "1"), "--cluster-tolerance: expected a finite number >= 0"),
    (("two.npz", "--tensor", "[ab]*"), "tensor: expected a pattern that fits a tensor in two.npz"),
    (("two.npz", "--tensor", "embde"), "got 'embde'; did you mean 'embed'?"),
    (("w.npy", "--tensor", "w"), "expected no name"),
    (("w.npy", "--out", "w.gif"), "w.gif: expected .png, .pdf or .svg"),
    (("w.npy", "--out", "no/w.png"), "expected a folder that is there"),
    (("w.npy", "--out", "there.png"), "there.png: expected a new file; got one that is there; cho"),
    (
        ("w.npy", "--out", "folder.png", "--force"),
        "expected a new file; got a folder; choose anoth",
    ),
    (
        (
            "w.npy",
            "--out=s3://bucket/w.png",
        ),
        "out: expected a path on this machine; got 's3:/buck",
    ),
    (("w.npy", "--features", "7"), "--features: expected features 0..6; got 7; count from 0"),
    (("w.npy", "--features", "-1"), "--features: expected features 0..6; got -1"),
    (("w.npy", "--component", "-1"), "--component: expected a component 0, 1, ...; got -1"),
    (("w.npy", "--tolerance", "0.3"), "--tolerance: expected a finite number > 0 and < 0.25"),
    (("w.npy", "--cluster-tolerance", "1"), "--cluster-tolerance: expected a finite number >= 0"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
def test_a_mistake_is_one_line_before_anything_is_computed(
    folder: Path,
    arguments: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    assert_spectrum_refuses(arguments, message, monkeypatch, capsys)


def test_a_component_that_is_not_there_is_one_line(folder: Path) -> None:
    done = commands.jaxsup("spectrum", "w.npy", "--out", "w.png", "--component", 2, cwd=folder)
    assert done.returncode == 2
    assert "component: expected 0..1; got 2; count from 0" in done.stderr
    assert_error_form(done.stderr.strip())
    assert done.stdout == ""
    assert not (folder / "w.png").exists()


def test_all_tensors_are_listed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spectrum_here(monkeypatch, str(folder / "two.npz"), "--list")
    assert capsys.readouterr().out == "embed  7 x 3  float32\nother  2 x 2  float64\n"


def test_a_picture_that_cannot_be_drawn_leaves_the_table(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("figure: expected room; got none; make some")

    monkeypatch.setattr("jaxsup.plot.diagnosis.diagnosis_figure", refuse)
    with pytest.raises(SystemExit):
        spectrum_here(monkeypatch, str(folder / "w.npy"), "--out", str(folder / "new.png"))
    output = capsys.readouterr()
    assert "pentagon" in output.out
    assert output.err == "jaxsup: figure: expected room; got none; make some\n"


def test_force_replaces_a_picture_in_the_home_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    spectrum_here(monkeypatch, "~/w.npy", "--out", "~/there.png", "--force")
    assert capsys.readouterr().out.endswith(f"figure   {folder}/there.png\n")
    assert (folder / "there.png").read_bytes().startswith(b"\x89PNG")
