"""`jaxsup spectrum A B`: what two matrices share, in words, as JSON and drawn."""

import json
from pathlib import Path

import commands
import matplotlib.image
import numpy as np
import pytest
from commands import assert_spectrum_refuses, spectrum_here
from tight_frames import rotation

ORDER = np.random.default_rng(1).permutation(60)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dictionary, the same one permuted under another name, and a rotated one of more rows."""
    rng = np.random.default_rng(0)
    W = rng.standard_normal((8, 60))
    np.savez(tmp_path / "a.npz", decoder=W, other=np.eye(2))
    np.savez(tmp_path / "b.npz", weight=W[:, ORDER].T, decoder=np.ones((3, 4)))
    np.save(tmp_path / "c.npy", rotation(rng, 10)[:, :8] @ W)
    np.save(tmp_path / "d.npy", np.ones((3, 4)))
    (tmp_path / "names.json").write_text(json.dumps([f"n{i}" for i in range(60)]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_two_dictionaries_are_compared_in_a_process_of_their_own(folder: Path) -> None:
    names = ("--tensor", "decoder", "--other-tensor", "weight", "--labels", "names.json")
    done = commands.jaxsup("spectrum", "a.npz", "b.npz", *names, "--out", "ab.png", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "A file         a.npz"
    assert "B stored as    60 x 8, float64" in lines
    assert "A              8 latent dimensions, 60 features, rank 8 in float64" in lines
    assert "               60 of 0.9 or more; 60 are each other's best" in lines
    assert lines[-1] == "figure   ab.png"
    assert matplotlib.image.imread(folder / "ab.png").shape[:2] == (1520, 2200)


@pytest.mark.usefixtures("folder")
def test_json_holds_matches_and_angles(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["--tensor", "decoder", "--other-tensor", "weight"]
    spectrum_here(monkeypatch, "a.npz", "b.npz", *names, "--absolute", "--unit-norm", "--json")
    record = json.loads(capsys.readouterr().out)
    assert [file["tensor"] for file in record["files"]] == ["decoder", "weight"]
    assert (record["unit_norm"], record["centered"], record["absolute"]) == (True, False, True)
    partners = record["matches"][0]["partners"]
    np.testing.assert_array_equal(ORDER[partners], np.arange(60))
    assert record["assignment"]["partners"] == partners
    assert record["latent_angles"]["forced"] is True
    assert record["ranks"] == [8, 8]


@pytest.mark.usefixtures("folder")
def test_other_latent_sizes_are_compared_by_their_features(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spectrum_here(monkeypatch, "a.npz", "c.npy", "--tensor", "decoder", "--center")
    text = capsys.readouterr().out
    assert "A prepared     centered: the mean vector" in text
    assert "latent space   not compared: the latent sizes differ" in text
    assert "mean squared cosine 1.0000; random: 0.1333" in text


MISTAKES = [
    (("a.npz", "no.npy", "--tensor", "decoder"), "no.npy: expected a file; got none there"),
    (("a.npz", "b.npz"), "a.npz: expected one matrix; got 2 of them; name one with --tensor"),
    (("d.npy", "b.npz"), "b.npz: expected one matrix; got 2 of them; name one with --tensor"),
    (
        ("a.npz", "b.npz", "--tensor", "decoder", "--other-tensor", "wieght"),
        "tensor: expected the name of a tensor in b.npz; got 'wieght'; did you mean 'weight'?",
    ),
    (("c.npy", "d.npy", "--features", "1"), "--features: expected one matrix; got two of them"),
    (("c.npy", "d.npy", "--cluster-cosine", "0.8"), "--cluster-cosine: expected one matrix; got"),
    (("c.npy", "d.npy", "--component", "0"), "--component: expected one matrix; got two of them"),
    (("c.npy", "d.npy", "--list"), "--list: expected one matrix; got two of them"),
    (("c.npy", "d.npy", "--out", "x.gif"), "x.gif: expected .png, .pdf or .svg"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
@pytest.mark.usefixtures("folder")
def test_a_mistake_is_one_line_before_anything_is_computed(
    arguments: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert_spectrum_refuses(arguments, message, monkeypatch, capsys)


@pytest.mark.usefixtures("folder")
def test_matrices_without_a_size_in_common_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        spectrum_here(monkeypatch, "c.npy", "d.npy", "--json")
    output = capsys.readouterr()
    assert output.out == ""
    assert (
        "A, B: expected matrices with as many latent dimensions, or as many features; got 10 x"
        in (output.err)
    )
