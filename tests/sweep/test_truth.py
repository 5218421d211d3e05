"""What a store says of itself is held to its manifest, and that to the configuration."""

import json
import logging
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from helpers import assert_one_line_error
from sweep_cases import assert_same_bits, rate_sweep, run_into, trained_parts

from jaxsup.sweep.programs import plan_programs
from jaxsup.sweep.store import journal
from jaxsup.sweep.store.identity import canonical, differences, identity_of
from jaxsup.sweep.store.read import open_store, take_inventory
from jaxsup.sweep.store.schema import Layout


def edit(store: Path, name: str, pattern: str, text: str) -> None:
    before = (store / name).read_text()
    after = re.sub(pattern, text, before)
    assert after != before
    (store / name).write_text(after)


def warnings_of(caplog: pytest.LogCaptureFixture, act: Any) -> str:
    caplog.clear()
    with caplog.at_level(logging.WARNING, "jaxsup"):
        act()
    return "\n".join(record.getMessage() for record in caplog.records)


def attributes_of(store: Path, name: str) -> dict[str, Any]:
    return json.loads((store / name).read_text())["attributes"]


# A pattern in the root, what it becomes, and what is named.
EDITS = {
    "fingerprint": ('("fingerprint": ")', r"\1f", "fingerprint"),
    "configuration": ("(exponent..: )1.1", r"\g<1>1.9", "configuration"),
    "plan": (r"(tile..: .)3", r"\g<1>1", "plan"),
    "layout version": ("layout_version", "mayout_version", "layout_version"),
    "chunk shape": ('"chunk_shape"', '"chunk_shapm"', "metadata are not those of the arrays"),
    "updates": ("width 2", "width 3", "updates"),
    "dtype": ("float32", "float64", "dtype"),
    "seconds": (r'("seconds": )', r"\g<1>9", "seconds"),
    "device": ('("device": ")cpu', r"\g<1>gpu", "device"),
}


@pytest.mark.parametrize("case", EDITS)
def test_an_edited_root_is_named_not_believed_and_mended(case, copy, whole, caplog, monkeypatch):
    pattern, text, named = EDITS[case]
    written = attributes_of(copy, "zarr.json")
    edit(copy, "zarr.json", pattern, text)
    (damage,) = take_inventory(copy).damages
    assert damage.path == "zarr.json"
    assert named in damage.why
    dataset = open_store(copy)
    assert named in warnings_of(caplog, lambda: open_store(copy))
    truth = {n: v for n, v in written.items() if n not in ("coordinates", "plan", "schema")}
    assert {name: dataset.attrs.get(name) for name in truth} == truth
    sizes = trained_parts(monkeypatch)
    run_into(copy, resume=True)
    assert sizes == []
    assert written.items() <= attributes_of(copy, "zarr.json").items()
    assert take_inventory(copy).damages == []
    assert_same_bits(open_store(copy).load(), xr.open_zarr(whole).load())


def test_a_manifest_whose_fingerprint_is_not_that_of_its_configuration_is_damaged(copy, whole):
    """As one that another program wrote: its seal is right."""
    attributes = attributes_of(copy, journal.MANIFEST)
    attributes["configuration"] = attributes["configuration"].replace("1.1", "1.9")
    journal.write_group(copy / journal.MANIFEST, attributes)
    assert_one_line_error(lambda: open_store(copy), "got journal/zarr.json: it is missing, or not")
    run_into(copy, resume=True)
    assert_same_bits(open_store(copy).load(), xr.open_zarr(whole).load())


def test_totals_are_those_of_the_records_also_before_the_end(copy):
    shutil.rmtree(copy / "journal/0.1")
    edit(copy, "zarr.json", r',\n  "seconds": [0-9.]+', "")
    inventory = take_inventory(copy)
    assert (inventory.tiles_stored, inventory.damages) == (2, [])
    edit(copy, "zarr.json", '("device_count": )1', r"\g<1>2")
    assert "device_count" in str(take_inventory(copy).damages[0])


@pytest.mark.parametrize("consolidated", [False, True])
def test_a_variable_that_xarray_adds_stays(copy, whole, caplog, consolidated):
    """xarray rewrites the root: without attributes where the added dataset has none."""
    opened = xr.open_zarr(copy)
    attrs = opened.attrs if consolidated else {}
    added = (2 * opened["loss"]).to_dataset(name="twice").assign_attrs(attrs).load()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        added.to_zarr(copy, mode="a", consolidated=consolidated)
    assert take_inventory(copy).networks_stored == 9
    dataset = open_store(copy)
    assert dataset.attrs["configuration"] == opened.attrs["configuration"]
    np.testing.assert_array_equal(dataset["twice"], 2 * dataset["loss"])
    assert set(dataset.coords) == set(opened.coords)
    warnings_of(caplog, lambda: run_into(copy, resume=True))
    assert take_inventory(copy).damages == []
    plain = xr.open_zarr(copy).load()
    np.testing.assert_array_equal(plain["twice"], 2 * plain["loss"])
    assert_same_bits(plain.drop_vars("twice"), xr.open_zarr(whole).load())


def test_a_note_of_the_user_is_no_damage_and_stays(copy):
    document = json.loads((copy / "zarr.json").read_text())
    document["attributes"]["note"] = "the one of figure 2"
    (copy / "zarr.json").write_text(json.dumps(document))
    assert take_inventory(copy).damages == []
    edit(copy, "zarr.json", "layout_version", "mayout_version")
    run_into(copy, resume=True)
    assert xr.open_zarr(copy).attrs["note"] == "the one of figure 2"


def record(copy: Path, **changes: Any) -> None:
    """Write the record of tile 0.1 with some attributes changed, and a right seal."""
    name = "journal/0.1/zarr.json"
    journal.write_group(copy / name, {**attributes_of(copy, name), **changes})


RECORDS = {
    "of another tile": lambda copy: shutil.copy(
        copy / "journal/0.0/zarr.json", copy / "journal/0.1/zarr.json"
    ),
    "without files": lambda copy: record(copy, files={}),
    "without seconds": lambda copy: record(copy, seconds=None),
    "of a file elsewhere": lambda copy: record(copy, files={"/etc/passwd": "0"}),
    "of a file above": lambda copy: record(copy, files={"../secret": "0"}),
    "deleted": lambda copy: (copy / "journal/0.1/zarr.json").unlink(),
    "a list": lambda copy: (copy / "journal/0.1/zarr.json").write_text("[]"),
}


@pytest.mark.parametrize("case", RECORDS)
def test_a_record_is_that_of_its_tile_and_of_all_its_files(case, copy, whole, monkeypatch):
    RECORDS[case](copy)
    (copy / "loss/c/0/1/0").unlink()
    damages = take_inventory(copy).damages
    assert [damage.path for damage in damages] == ["journal/0.1/zarr.json"]
    assert_one_line_error(lambda: open_store(copy), r"got journal/0\.1/zarr\.json")
    sizes = trained_parts(monkeypatch)
    run_into(copy, resume=True)
    assert sizes == [3]
    assert_same_bits(open_store(copy).load(), xr.open_zarr(whole).load())


@pytest.mark.parametrize("absolute", [True, False])
def test_a_manifest_leads_to_no_file_elsewhere(copy, whole, tmp_path, absolute):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    secret.chmod(0o600)
    attributes = attributes_of(copy, journal.MANIFEST)
    attributes["files"][str(secret) if absolute else "../secret"] = "0" * 64
    journal.write_group(copy / journal.MANIFEST, attributes)
    assert "it lies outside of the store" in str(take_inventory(copy).damages[0])
    run_into(copy, resume=True)
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("mine", 0o600)
    assert take_inventory(copy).damages == []
    assert_same_bits(open_store(copy).load(), xr.open_zarr(whole).load())


@pytest.mark.parametrize("name", ["step", "loss", "journal"])
def test_nothing_is_written_through_a_link(copy, tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    shutil.move(copy / name, elsewhere)
    (copy / name).symlink_to(elsewhere)
    assert take_inventory(copy).damages == []  # as data management by links has it
    before = {path: path.stat().st_mtime_ns for path in elsewhere.rglob("*") if path.is_file()}
    damaged = {"step": "step/c/0", "loss": "loss/c/0/1/0", "journal": "journal/zarr.json"}[name]
    (copy / damaged).write_bytes(b"damaged")
    before[elsewhere / damaged.partition("/")[2]] = (copy / damaged).stat().st_mtime_ns
    assert_one_line_error(
        lambda: run_into(copy, resume=True), "expected a place inside of the store; got a link out"
    )
    assert before == {p: p.stat().st_mtime_ns for p in elsewhere.rglob("*") if p.is_file()}


def test_a_group_of_an_older_format_is_not_read(tmp_path):
    old = tmp_path / "old"
    xr.Dataset({"loss": ("step", [1.0])}, attrs={"configuration": "{}"}).to_zarr(old, zarr_format=2)
    (old / "zarr.json").write_text("{}")
    assert_one_line_error(lambda: open_store(old), "expected a dataset with a loss")


def test_one_and_one_point_zero_are_the_same_sweep(tmp_path, monkeypatch):
    floats, whole_numbers = (
        rate_sweep([kind(1), kind(2)], seeds=1, importance=kind(1)) for kind in (float, int)
    )
    store = tmp_path / "store"
    before = run_into(store, floats).load()
    (store / "optimizer.learning_rate/c/0").unlink()
    sizes = trained_parts(monkeypatch)
    assert_same_bits(run_into(store, whole_numbers, resume=True).load(), before)
    assert sizes == []


def test_a_difference_is_never_nameless():
    """What differs in the fingerprint's text differs in what is named, and nothing else does."""
    same = [({"a": 1}, {"a": 1.0}), ({"a": [1, 0]}, {"a": [1.0, -0.0]}), ({}, {})]
    other = [
        ({"a": 1}, {"a": True}),
        ({"a": None}, {}),
        ({"a": {}}, {}),
        ({"a": "1"}, {"a": 1}),
        ({"a": [1]}, {"a": [[1]]}),
        ({"a": 2**60}, {"a": 2**60 + 1}),
    ]
    for cases, equal in ((same, True), (other, False)):
        for stored, ours in cases:
            texts = [json.dumps(canonical(table), sort_keys=True) for table in (stored, ours)]
            assert (texts[0] == texts[1]) is equal
            assert (differences(stored, ours) == "") is equal


def test_nothing_that_a_sweep_depends_on_hides_another():
    """The configuration has no field of the name of what stands beside it."""
    sweep = rate_sweep()
    attributes = Layout(sweep, plan_programs(sweep, 2)).attributes()
    identity = identity_of(attributes)
    assert len(identity) == len(json.loads(attributes["configuration"])) + 3
