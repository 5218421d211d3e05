"""`jaxsup spectrum`: names, lists, neighbors and geometries of single features."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import assert_spectrum_refuses, spectrum_here
from matplotlib.figure import Figure
from tight_frames import polygon, rotation, stack

WORDS = [*(f"word{i}" for i in range(40)), *"abcde", "[unused0]", "[unused1]", "5"]
PENTAGON = [40, 41, 42, 43, 44]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An embedding with a pentagon among other words and two rows of unused tokens."""
    rng = np.random.default_rng(0)
    words = stack(rng.standard_normal((4, 40)), polygon(5))
    W = rotation(rng, 6) @ np.concatenate([words, np.zeros((6, 2)), words[:, :1]], axis=1)
    np.save(tmp_path / "embed.npy", W.T.astype(np.float32))
    np.savez(tmp_path / "several.npz", one=np.eye(3), two=np.eye(4))
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    (tmp_path / "many.txt").write_text("\n".join([*WORDS, "more"]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_rows_of_unused_tokens_are_found_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spectrum_here(monkeypatch, "embed.npy", "--labels", "vocab.txt", "--top", "3")
    text = capsys.readouterr().out
    assert "labels         vocab.txt: 48 names\n" in text
    absent = text.split("\nnot represented\n")[1].splitlines()
    assert [line.split()[:2] for line in absent[1:3]] == [["45", "[unused0]"], ["46", "[unused1]"]]
    assert text.count("\n  feature  name ") == 6


@pytest.mark.usefixtures("folder")
def test_chosen_features_neighborhoods_and_clusters_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = ["--features", "a,b", "42:44", "=e", "--neighborhood", "a:4", "--neighbors", "c:2"]
    more = ["--neighbors", "[unused0]", "--cluster-cosine", "0.999", "--labels", "vocab.txt"]
    spectrum_here(monkeypatch, "embed.npy", *questions, *more, "--top", "0")
    text = capsys.readouterr().out
    assert "localization are those in the whole matrix" in text
    chosen = text.split("chosen features: 5 features")[1].splitlines()
    assert chosen[1].strip() == "a, b, c, d, e"
    assert chosen[3].split()[:3] == ["1", "pentagon", "5"]
    assert "neighborhood of a: 5 features, mean cosine -0.250" in text
    near = text.split("nearest to c by cosine")[1].splitlines()[2:5]
    assert {line.split()[1] for line in near[:2]} == {"b", "d"}
    assert near[2].strip().startswith("lowest cosine: ")
    assert "neighbors of [unused0]: none, it is not represented" in text
    assert "clusters of |cosine| above 0.999: 1 of 2 features in all; 44 in none" in text
    assert "cluster 0: 2 features, mean cosine 1.000\n  word0, 5\n" in text
    assert "most localized" not in text


@pytest.mark.usefixtures("folder")
def test_json_holds_names_and_what_was_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--labels", "vocab.txt", "--center", "--unit-norm", "--features", "=5", "--json"]
    spectrum_here(monkeypatch, "embed.npy", *options, "--neighbors", "0")
    record = json.loads(capsys.readouterr().out)
    assert (record["centered"], record["unit_norm"], record["labels"]) == (True, True, "vocab.txt")
    assert record["equal_to_mean"] == 0
    assert list(record["measures"]) == ["47"]
    assert record["chosen"]["names"] == ["5"]
    near = record["neighbors"][0]["nearest"][0]
    assert (near["name"], near["feature"]) == ("5", 47)
    assert near["cosine"] == pytest.approx(1)
    np.testing.assert_allclose(record["per_feature"]["norms"], 1, rtol=1e-6)
    assert "largest norm" not in record["lists"]  # they all are 1
    assert len(record["lists"]["most localized"]) == 10


def test_centering_is_said_and_leaves_no_feature_of_the_mean(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    W = 3 + np.concatenate([polygon(5), -polygon(5), np.zeros((2, 1))], axis=1)
    np.save(folder / "far.npy", W.astype(np.float32))
    spectrum_here(monkeypatch, "far.npy", "--center", "--unit-norm")
    text = capsys.readouterr().out
    assert "prepared       centered: the mean vector, of norm 4.243, subtracted (1 feature " in text
    assert "to it: now zero); columns divided by their norms\n" in text
    assert "features N     11, 1 of them not represented" in text
    assert "decagon" in text or "10-gon" in text


def test_fewer_names_than_features_are_no_mistake(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "few.txt").write_text("\n".join(WORDS[:-1]))
    spectrum_here(monkeypatch, "embed.npy", "--labels", "few.txt", "--neighbors", "47")
    text = capsys.readouterr().out
    assert "few.txt: 47 names of 48 features, the others are named by index" in text
    assert "nearest to #47 by cosine\n  feature  name    cosine\n  0        word0   1\n" in text


MISTAKES = [
    (("embed.npy", "--labels", "no.txt"), "no.txt: expected a file of names; got none there"),
    (("embed.npy", "--labels", "many.txt"), "names of at most 48 features, 0..47; got 49 names"),
    (("embed.npy", "--features", "0:49"), "--features: expected a range within 0:48; got '0:49'"),
    (("embed.npy", "--neighbors", "a"), "--neighbors: expected the index of a feature; got 'a'"),
    (
        ("embed.npy", "--labels", "vocab.txt", "--neighborhood", "wrd1"),
        "--neighborhood: expected a name in vocab.txt; got 'wrd1'; did you mean 'word1'?",
    ),
    (("embed.npy", "--neighborhood", "1:0"), "a positive count after the colon; got '1:0'"),
    (("embed.npy", "--cluster-cosine", "1"), "--cluster-cosine: expected a finite number > 0"),
    (("embed.npy", "--top", "-1"), "--top: expected a finite number >= 0; got -1"),
    (("embed.npy", "--absolute"), "--absolute: expected two matrices; got one; give a second"),
    (("embed.npy", "--other-tensor", "w"), "--other-tensor: expected two matrices; got one"),
    (("several.npz", "--center"), "--center: expected one matrix; got 2 of them; name one with"),
    (("several.npz", "--labels", "vocab.txt"), "--labels: expected one matrix; got 2 of them"),
    (("several.npz", "--top", "0"), "--top: expected one matrix; got 2 of them"),
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


def test_the_figure_draws_chosen_features_where_the_whole_has_no_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = []
    monkeypatch.setattr(
        "jaxsup.plot.inspection.inspection_figure", lambda *_: drawn.append("chosen") or Figure()
    )
    monkeypatch.setattr(
        "jaxsup.plot.diagnosis.diagnosis_figure", lambda *_, **__: drawn.append("whole") or Figure()
    )
    np.save(folder / "crowd.npy", np.random.default_rng(1).standard_normal((3, 30)))
    for file, more in [("crowd", []), ("crowd", ["--component", "0"]), ("embed", [])]:
        spectrum_here(
            monkeypatch, f"{file}.npy", "--features", "1", "--out", "w.svg", "--force", *more
        )
    assert drawn == ["chosen", "whole", "whole"]
    assert capsys.readouterr().out.count("figure   w.svg") == 3
