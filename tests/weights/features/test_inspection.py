"""All questions about single features at once, in words and as JSON."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_one_line_error
from tight_frames import polygon, rotation, stack

from jaxsup.weights.diagnosis import diagnose
from jaxsup.weights.features.inspection import Questions, inspect_features
from jaxsup.weights.features.labels import Labels

# A crowd of 40 directions around a pentagon in two dimensions of their own, and two unused rows.
NAMES = [*(f"word{i}" for i in range(40)), *"abcde", "[unused0]", "[unused1]"]
LABELS = Labels(NAMES, Path("vocab.txt"))
PENTAGON = [40, 41, 42, 43, 44]


def crowd() -> np.ndarray:
    rng = np.random.default_rng(0)
    W = np.concatenate([stack(rng.standard_normal((4, 40)), polygon(5)), np.zeros((6, 2))], axis=1)
    return rotation(rng, 6) @ W


DIAGNOSIS = diagnose(crowd())
EVERYTHING = Questions(3, PENTAGON, [(41, 10), (45, 10)], [(40, 4), (46, 4)], 0.97)


def test_each_question_has_its_answer() -> None:
    found = inspect_features(DIAGNOSIS, EVERYTHING, LABELS)
    assert found.ranking is not None
    assert found.ranking.lists["not represented"].tolist() == [45, 46]
    assert found.chosen is not None
    assert found.chosen.geometry is not None
    assert found.chosen.geometry.names == {"pentagon": 1}
    near, absent = found.neighbors[41], found.neighbors[45]
    assert near is not None
    assert absent is None
    assert set(near.features[:2]) == {40, 42}
    around, none = found.neighborhoods[40], found.neighborhoods[46]
    assert around is not None
    assert none is None
    assert set(around.features) == set(PENTAGON)
    assert around.geometry is not None
    assert around.geometry.names == {"pentagon": 1}
    assert found.clusters is not None
    assert found.clusters.single + sum(c.features.size for c in found.clusters.clusters) == 45


def test_the_text_names_features_and_says_what_is_of_the_whole_matrix() -> None:
    text = inspect_features(DIAGNOSIS, EVERYTHING, LABELS).describe(DIAGNOSIS)
    blocks = text.split("\n\n")
    assert blocks[5].splitlines()[2].split() == ["45", "[unused0]", "0", "0", "0", "0"]
    assert blocks[6].startswith("nearest to b by cosine\n  feature  name")
    assert "lowest cosine: " in blocks[6]
    assert blocks[7] == "neighbors of [unused0]: none, it is not represented"
    assert blocks[8].startswith(
        "Spectrum, norms, capacities and localization are those in the whol"
    )
    measures = [line.split() for line in blocks[9].splitlines()]
    assert measures[0] == ["measures"]
    assert measures[2] == ["40", "a", "1", "0.4", "0.4", "1"]
    assert blocks[10].startswith("chosen features: 5 features, mean cosine -0.250\n  a, b, c, d, e")
    assert blocks[11].startswith("neighborhood of a: 5 features, mean cosine -0.250")
    assert blocks[12] == "neighborhood of [unused1]: none, it is not represented"
    assert blocks[13].startswith("clusters of |cosine| above 0.97: ")
    many = inspect_features(DIAGNOSIS, Questions(features=range(40)))
    assert "and 16 more (--json: all)" in many.describe(DIAGNOSIS)


def test_json_names_every_feature() -> None:
    found = inspect_features(DIAGNOSIS, EVERYTHING, LABELS)
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert record["chosen"]["names"] == list("abcde")
    assert record["chosen"]["geometry"]["names"] == {"pentagon": 1}
    near = record["neighbors"][0]
    assert (near["name"], len(near["nearest"])) == ("b", 10)
    assert {entry["name"] for entry in near["nearest"][:2]} == {"a", "c"}
    assert near["opposite"]["name"] in "de"
    assert record["neighbors"][1]["nearest"] is None
    assert record["neighborhoods"][0]["subset"]["features"][0] == 40
    assert record["neighborhoods"][1] == {"feature": 46, "name": "[unused1]", "subset": None}
    clusters = record["clusters"]["clusters"]
    for cluster in clusters:
        assert cluster["names"] == [NAMES[i] for i in cluster["features"]]


def test_unused_tokens_that_decayed_to_one_direction_are_found() -> None:
    rng = np.random.default_rng(5)
    words, common = rng.standard_normal((48, 300)), rng.standard_normal((48, 1))
    unused = 0.4 * (common + 0.3 * rng.standard_normal((48, 40)))
    order = rng.permutation(340)
    W = np.concatenate([words, unused], axis=1)[:, order]
    names = [f"[unused{i}]" if i >= 300 else f"word{i}" for i in order]
    diagnosis = diagnose(W)
    questions = Questions(listed=40, cluster_cosine=0.8)
    found = inspect_features(diagnosis, questions, Labels(names, Path("vocab.txt"))).to_dict()
    planted = {name for name in names if name.startswith("[unused")}
    assert set(found["clusters"]["clusters"][0]["names"]) == planted
    for title in ("smallest norm", "most crowded (smallest capacity)"):
        assert {entry["name"] for entry in found["lists"][title]} == planted


def test_nothing_asked_is_nothing_said() -> None:
    found = inspect_features(DIAGNOSIS, Questions())
    assert found.describe(DIAGNOSIS) == ""
    record = found.to_dict()
    assert not any(record.values())


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        (Questions(features=[47]), r"features: expected features 0\.\.46; got 47; count from 0"),
        (Questions(neighbors=[(47, 2)]), r"neighbors: expected features 0\.\.46; got 47"),
        (Questions(neighborhoods=[(-1, 2)]), r"neighborhoods: expected features 0\.\.46; got -1"),
        (Questions(listed=-1), "count: expected an integer >= 0; got -1"),
        (Questions(cluster_cosine=1.0), "cosine: expected a finite number > 0 and < 1"),
        (Questions(neighbors=[(40, 0)]), "count: expected a positive integer"),
        (Questions(neighborhoods=[(40, 0)]), "count: expected a positive integer"),
    ],
)
def test_what_cannot_be_answered_is_one_line(questions: Questions, message: str) -> None:
    assert_one_line_error(lambda: inspect_features(DIAGNOSIS, questions), message)


def test_a_feature_alone_has_no_neighbors_to_name() -> None:
    diagnosis = diagnose(np.eye(2)[:, :1])
    found = inspect_features(diagnosis, Questions(neighbors=[(0, 2)], neighborhoods=[(0, 3)]))
    assert "lowest" not in found.describe(diagnosis)
    assert "neighborhood of 0: 1 feature\n" in found.describe(diagnosis)
    assert found.to_dict()["neighbors"][0]["opposite"] is None
