"""Loss curves from logs as trainers write them, and from JSON."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers import assert_one_line_error

from jaxsup.fit.tables.files import read_curves

EVALUATIONS = """tokens per iteration will be: 16,384
number of parameters: 10.65M
step 0: train loss 4.2037, val loss 4.2042
iter 0: loss 4.21, time 1210.40ms, mfu -100.00%
iter 10: loss 3.1, time 210.40ms, mfu 3.20%
step 250: train loss 2.0371, val loss 2.1042
saving checkpoint to out
iter 250: loss 2.05, time 1,210.40ms
"""
PRINTED = """{'loss': 2.31, 'grad_norm': 1.5, 'learning_rate': 5e-05, 'epoch': 0.1}
{'loss': 2.21, 'learning_rate': 4e-05, 'epoch': 0.2}
{'eval_loss': 2.25, 'eval_runtime': 3.2, 'epoch': 0.2}
{'loss': '2.01', 'learning_rate': '3e-05', 'epoch': '0.3'}
{'eval_loss': 2.15, 'eval_runtime': 3.1, 'epoch': 0.3}
{'train_runtime': 12.2, 'train_loss': 2.1, 'epoch': 0.3}
"""
STATE = {
    "best_metric": None,
    "global_step": 20,
    "log_history": [
        {"epoch": 0.1, "learning_rate": 2e-4, "loss": 1.0758, "step": 10},
        {"epoch": 0.2, "learning_rate": 1e-4, "loss": 1.0262, "step": 20},
        {"epoch": 0.2, "eval_loss": 1.1, "eval_runtime": 2.8, "step": 20},
        {"epoch": 0.3, "eval_loss": 1.0, "step": 30},
        {"epoch": 0.3, "step": 30, "train_loss": 1.05, "train_runtime": 3680.7},
    ],
}


def read(folder: Path, name: str, text: str, **options: object) -> xr.Dataset:
    (folder / name).write_text(text)
    return read_curves(folder / name, **options)  # pyright: ignore[reportArgumentType]


def rows(dataset: xr.Dataset) -> dict[str, dict[float, float]]:
    """What each curve recorded, by step."""
    curves = dataset["loss"].isel(seed=0)
    return {
        str(name): {
            float(t): float(v)
            for t, v in zip(dataset["step"], line, strict=True)
            if not np.isnan(v)
        }
        for name, line in zip(curves["curve"].values, curves, strict=True)
    }


def test_evaluations_and_updates_share_the_steps_that_they_call_differently(
    tmp_path: Path,
) -> None:
    dataset = read(tmp_path, "train.log", EVALUATIONS)
    assert rows(dataset) == {
        "train loss": {0: 4.2037, 250: 2.0371},
        "val loss": {0: 4.2042, 250: 2.1042},
        "loss": {0: 4.21, 10: 3.1, 250: 2.05},
    }
    assert (dataset["status"] == 0).all()
    # No unit, no percent sign is part of a number: neither time nor mfu is a column.
    assert dataset.attrs["left_out"] == []


def test_printed_dictionaries_are_ordered_by_epoch_and_the_lone_mean_at_the_end_left_out(
    tmp_path: Path,
) -> None:
    dataset = read(tmp_path, "train.log", PRINTED)
    assert rows(dataset) == {
        "loss": {0.1: 2.31, 0.2: 2.21, 0.3: 2.01},
        "eval_loss": {0.2: 2.25, 0.3: 2.15},
    }
    assert set(dataset.attrs["left_out"]) == {
        *("grad_norm", "learning_rate", "eval_runtime", "train_runtime", "train_loss"),
    }
    (note,) = dataset.attrs["notes"]
    assert note.startswith("took loss, eval_loss for losses, left out ")
    assert "--loss NAME" in note


@pytest.mark.parametrize("name", ["trainer_state.json", "state.txt"])
def test_a_trainers_state(tmp_path: Path, name: str) -> None:
    dataset = read(tmp_path, name, json.dumps(STATE, indent=2))
    expected = {"loss": {10: 1.0758, 20: 1.0262}, "eval_loss": {20: 1.1, 30: 1.0}}
    assert rows(dataset) == expected
    rates = rows(read(tmp_path, name, json.dumps(STATE), loss="learning_rate"))
    assert rates == {"learning_rate": {10: 2e-4, 20: 1e-4}}


@pytest.mark.parametrize(
    ("line", "step", "loss"),
    [
        ("epoch=1 step=300 loss=2.5", 300, 2.5),
        ("[2024-01-01 12:00:00,123][INFO] step: 1,000 | loss: 2.4e0 | lr: 1e-4", 1000, 2.4),
        ("2024-01-01T12:00:00 INFO step 3000/4000 loss 2.3 (avg 2.35)", 3000, 2.3),
        ("INFO:root:step 4000, loss = .5", 4000, 0.5),
        ("Train Epoch: 1 Step: 3 [ 4/ 60 (10.0%)]  Loss: 0.690000  lr_0: 0.01", 3, 0.69),
        ("step    7 | loss: +9.5E-01. | tokens 1.2B", 7, 0.95),
        (
            " iteration      100/  500000 | elapsed time per iteration (ms): 1000.0 | lr: "
            "1.5E-04 | lm loss: 9.6E+00 | loss scale: 1.0 | grad norm: 2.3 |",
            *(100, 9.6),
        ),
        (
            '2024-01-01 10:00:00 | INFO | inner | {"epoch": 1, "update": 0.01, "loss": "9.1", '
            '"num_updates": "200", "loss_scale": "128"}',
            *(200, 9.1),
        ),
        ("the model at global_step 12 has loss 2.", 12, 2),
        ("global_step=5 iter=80 loss=1", 5, 1),
        ('{"step": 8, "train": {"loss": 1.5}, "note": "loss 9", "grads": [1, 2]}', 8, 1.5),
        ('worker: {"trainer/global_step": 9, "loss": 1e-3}', 9, 1e-3),
    ],
)
def test_lines_of_many_trainers(tmp_path: Path, line: str, step: float, loss: float) -> None:
    found = rows(read(tmp_path, "a.log", f"started\r{line}\n\ndone\n"))
    losses = [curve for name, curve in found.items() if "loss" in name.lower()]
    assert losses == [{step: loss}]


def test_a_loss_that_is_nan_at_the_end_diverged(tmp_path: Path) -> None:
    text = "step 1 loss 2.0 val_loss 2.0\nstep 2 loss nan val_loss 1.9\n"
    dataset = read(tmp_path, "a.log", text)
    assert dataset["status"].values.tolist() == [[1], [0]]
    lines = '{"step": 1, "loss": 2.0, "b_loss": 1}\n{"step": 2, "loss": NaN, "b_loss": -Infinity}'
    assert (read(tmp_path, "a.jsonl", lines)["status"] == 1).all()


def test_what_one_line_says_twice_counts_once(tmp_path: Path) -> None:
    text = "step 1 loss 3.0 loss 9.0\nstep 2 loss 2.5\nstep 2 loss 2.5\n"
    assert rows(read(tmp_path, "a.log", text)) == {"loss": {1: 3.0, 2: 2.5}}


def test_runs_of_a_log_are_told_apart_by_a_number_or_a_word(tmp_path: Path) -> None:
    ranks = "rank 0 step 1 loss 2.0\nrank 1 step 1 loss 2.1\nrank 0 step 2 loss 1.9\n"
    assert rows(read(tmp_path, "a.log", ranks, by="rank")) == {"0": {1: 2.0, 2: 1.9}, "1": {1: 2.1}}
    words = "run=a.1 step=1 loss=2.0\nrun=b step=1 loss=2.1\n"
    assert set(rows(read(tmp_path, "a.log", words, by="run"))) == {"a.1", "b"}
    loss = read(tmp_path, "a.log", ranks, by="rank", seeds=True)["loss"]
    np.testing.assert_array_equal(loss, [[2.0, 1.9], [2.1, np.nan]])


def test_records_without_a_step_are_passed_over_and_told(tmp_path: Path) -> None:
    text = "step 1 loss 2.0\nfinal loss 1.5\nstep 2 loss 1.9\n"
    dataset = read(tmp_path, "a.log", text)
    assert rows(dataset) == {"loss": {1: 2.0, 2: 1.9}}
    assert dataset.attrs["notes"] == ["passed over 1 records with a loss and no step"]
    named = read(tmp_path, "a.log", "tick 1 step 9 loss 2\ntick 2 step 9 loss 3\n", step="tick")
    assert rows(named) == {"loss": {1: 2, 2: 3}}


def test_json_holds_lists_records_or_losses(tmp_path: Path) -> None:
    lists = {"step": [1, 2, 4], "loss": [3.0, None, 1], "config": {"lr": 0.1}}
    expected = {"loss": {1: 3.0, 4: 1.0}}
    assert rows(read(tmp_path, "a.json", json.dumps(lists))) == expected
    records = [{"step": 1, "loss": 3}, {"step": 2, "loss": None}, {"step": 4, "loss": 1.0}]
    assert rows(read(tmp_path, "a.json", json.dumps(records))) == expected
    lines = "\n".join(map(json.dumps, records))
    assert rows(read(tmp_path, "a.json", lines)) == expected
    assert rows(read(tmp_path, "a.jsonl", lines)) == expected
    alone = read(tmp_path, "a.json", "[3, 2, 1.5]")
    assert rows(alone) == {"loss": {0: 3, 1: 2, 2: 1.5}}
    assert alone.attrs["notes"] == ["took a list for losses at steps 0, 1, 2, ..."]
    other = read(tmp_path, "a.json", '[{"tokens": 1, "acc": 2}, {"tokens": 2, "acc": 3}]')
    assert rows(other) == {"acc": {1: 2, 2: 3}}


JSON_TABLE = "a dictionary of lists of one length, or a list of dictionaries; got"
BAD = {
    "nothing": ("a.log", "hello\nworld 5\n", "'step 250: loss 2.1', .* got none in 2 lines; name"),
    "steps only": ("a.log", "step 5\nstep 6\n", "got none in 2 lines"),
    "losses only": ("a.log", "loss 2\nloss 1\n", "got none in 2 lines"),
    "twice": (
        "a.log",
        "rank 0 step 1 loss 2\nrank 1 step 1 loss 2.5\n",
        r"step 1 twice, with 2 "
        r"and 2.5 in loss; name the column that tells runs apart with --by \(rank\)",
    ),
    "rounded": (
        "a.log",
        "{'loss': 2, 'epoch': 0.1}\n{'loss': 1, 'epoch': 0.1}\n",
        "got step 0.1 twice.*; log the step beside the epoch, which is rounded",
    ),
    "deep": ("a.json", "[" * 10**5, "expected JSON; got none .maximum recursion"),
    "deep line": ("a.jsonl", '{"a":' * 10**5, "got none in 1 lines"),
    "cut": ("a.json", '{"step": [1, 2', "expected JSON; got none .Expecting"),
    "digits": ("a.json", '{"step": [1], "loss": [' + "9" * 5000 + "]}", "expected JSON; got none"),
    "large": ("a.json", '{"step": [1], "loss": [' + "9" * 400 + "]}", "numbers; got a column with"),
    "lengths": ("a.json", '{"step": [1], "loss": [1, 2]}', f"{JSON_TABLE} lists of lengths step 1"),
    "scalars": ("a.json", '{"step": 1}', f"{JSON_TABLE} a dictionary without lists"),
    "mixed": ("a.json", '[1, {"step": 1}]', f"{JSON_TABLE} a list of dict and int; write"),
    "no list": ("a.json", "[]", f"{JSON_TABLE} a list of nothing"),
    "number": ("a.json", "5", f"{JSON_TABLE} a int"),
    "nested": ("a.json", '{"step": [1, 2], "loss": [[1], [2]]}', r"other things \(\[1\] in row 1"),
    "truth": ("a.json", '{"step": [1, 2], "loss": [1, true]}', r"things \(True in row 2\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_other_texts_are_refused(case: str, tmp_path: Path) -> None:
    name, text, message = BAD[case]
    assert_one_line_error(lambda: read(tmp_path, name, text), message)


def test_names_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxsup.fit.tables.logs._MOST_CELLS", 50)
    text = "\n".join(f'{{"step": {k}, "x{k}": 1}}' for k in range(10))
    message = "at most 50 cells of columns; got 11 in 10 records"
    assert_one_line_error(lambda: read(tmp_path, "a.jsonl", text), message)


@pytest.mark.parametrize("option", ["step", "loss", "by"])
def test_a_name_that_no_record_has(option: str, tmp_path: Path) -> None:
    text = "step 1 loss 2\nstep 2 loss 1\n"
    message = f"--{option}: expected a column of .*; got 'loss_'; did you mean 'loss'"
    assert_one_line_error(lambda: read(tmp_path, "a.log", text, **{option: "loss_"}), message)
