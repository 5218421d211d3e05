"""What is said about a TOML file that is wrong."""

import codecs

import pytest
from helpers import assert_one_line_error
from table_cases import BASE, experiment, write

from jaxsup.experiment.tables import experiment_from_table, to_table
from jaxsup.sweep.tables import read_sweep, sweep_to_tables


def replaced(old: str, new: str) -> str:
    assert old in BASE
    return BASE.replace(old, new)


BAD = {
    "misspelt key": (
        lambda: replaced("batch_size", "batchsize"),
        "experiment: expected a known key; got 'batchsize'; did you mean 'batch_size'",
    ),
    "misspelt axes": (
        lambda: BASE + "[axis]\nsteps = [1]",
        "experiment: expected a known key; got 'axis'; did you mean 'axes'",
    ),
    "misspelt section": (
        lambda: replaced("[optimizer]", "[optimiser]"),
        "experiment: expected a known key; got 'optimiser'; did you mean 'optimizer'",
    ),
    "misspelt inner key": (
        lambda: replaced("learning_rate", "learning_rte"),
        "optimizer: expected a known key; got 'learning_rte'; did you mean 'learning_rate'",
    ),
    "misspelt student": (
        lambda: replaced("latent = 8", "latents = 8"),
        "student: expected a known key; got 'latents'; did you mean 'latent'",
    ),
    "misspelt axis": (
        lambda: BASE + '[axes]\n"feature.exponent" = [1.0]',
        "axes: .*got 'feature.exponent'; did you mean 'features.exponent'",
    ),
    "missing key": (
        lambda: replaced("count = 32\n", ""),
        "features: expected the key 'count'; got a table without it; add count",
    ),
    "missing section": (
        lambda: replaced('[teacher]\nkind = "diagonal"\nexponent = 0.0\n', ""),
        r"experiment: expected the key 'teacher'; got a table without it; add",
    ),
    "no kind": (
        lambda: replaced('kind = "sgd"\n', ""),
        "optimizer.kind: expected one of 'sgd', 'adam', 'adamw', 'norm-adamw'; got a table without",
    ),
    "unknown kind": (
        lambda: replaced('"sgd"', '"adamm"'),
        "optimizer.kind: expected one of .*; got 'adamm'; did you mean 'adam'",
    ),
    "unknown features": (
        lambda: replaced('"power-law"', '"powerlaw"'),
        "features.kind: .*got 'powerlaw'; did you mean 'power-law'",
    ),
    "no table": (
        lambda: replaced("steps = 50", "steps = 50\nrecord = 3"),
        r"record: expected a table; got 3; write a section \[record\]",
    ),
    "axes no table": (
        lambda: replaced("seeds = 3", "seeds = 3\naxes = 3"),
        r"axes: expected a table; got 3; write a section \[axes\]",
    ),
    "size as text": (lambda: replaced("latent = 8", 'latent = "8"'), "student.*: expected "),
    "number as text": (
        lambda: replaced("exponent = 1.5", 'exponent = "x"'),
        "features.*: expected",
    ),
    "broken size": (lambda: replaced("steps = 50", "steps = 50.5"), "(steps|experiment): expected"),
    "seeds as text": (lambda: replaced("seeds = 3", 'seeds = "many"'), "seeds: expected"),
    "broken seeds": (lambda: replaced("seeds = 3", "seeds = 1.5"), "seeds: expected"),
    "list for a number": (
        lambda: replaced("learning_rate = 0.5", "learning_rate = [0.5, 1.0]"),
        "optimizer.*: expected",
    ),
    "density zero": (
        lambda: replaced("exponent = 1.5", "exponent = 1.5\ndensity = 0"),
        "features.density: expected a finite number > 0; got 0; give the expected number",
    ),
    "nan": (
        lambda: replaced("exponent = 1.5", "exponent = nan"),
        "features.exponent: expected a finite number; got nan",
    ),
    "K above N": (
        lambda: replaced("latent = 8", "latent = 33"),
        "student.latent: expected 1 <= K <= N = 32; got 33",
    ),
    "not TOML": (lambda: replaced("steps = 50", "steps = = 50"), r"sweep.toml: expected TOML; got"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_one_line_errors(case, tmp_path):
    text, match = BAD[case]
    file = write(tmp_path, text())
    assert_one_line_error(lambda: read_sweep(file), match)


def test_a_wrong_type_is_a_value_error():
    table = to_table(experiment())
    table["student"]["core"] = [1]
    with pytest.raises(ValueError, match=r"student.*: expected"):
        experiment_from_table(table)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    file = tmp_path / "sweep.toml"
    file.write_bytes(b"\xff\xfe\x00")
    assert_one_line_error(lambda: read_sweep(file), "expected TOML in UTF-8; got UTF-16")


def test_a_byte_order_mark_is_read(tmp_path):
    file = tmp_path / "sweep.toml"
    file.write_bytes(BASE.encode())
    plain = read_sweep(file)
    file.write_bytes(codecs.BOM_UTF8 + BASE.replace("\n", "\r\n").encode())
    assert sweep_to_tables(read_sweep(file)) == sweep_to_tables(plain)


MALFORMED = {
    "UTF-16": (BASE.encode("utf-16"), "expected TOML in UTF-8; got UTF-16; save it as UTF-8"),
    "Latin-1": ("# ä\n".encode("latin-1"), "expected TOML in UTF-8; got 'utf-8' codec"),
    "deep lists": (b"x = " + b"[" * 10**5, "expected TOML; got tables or lists that are nested"),
    "deep tables": (b"x = " + b"{a=" * 5000, "expected TOML; got tables or lists that are nested"),
    "5,000 digits": (b"steps = " + b"9" * 5000, "expected TOML; got Exceeds the limit"),
    "400 digits": (
        BASE.replace("= 0.5", "= 1" + "0" * 400).encode(),
        "optimizer.learning_rate: expected a (finite|whole) number",
    ),
    "a date": (BASE.replace("= 0.5", "= 2026-11-26").encode(), "optimizer.learning_rate: expected"),
    "a float as a size": (
        BASE.replace("steps = 50", "steps = 1e3").encode(),
        "steps: expected a whole number; got 1000.0",
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_files_are_one_line_errors(case, tmp_path):
    content, match = MALFORMED[case]
    (tmp_path / "sweep.toml").write_bytes(content)
    assert_one_line_error(lambda: read_sweep(tmp_path / "sweep.toml"), match)


def test_an_absent_file_is_refused(tmp_path):
    for path in (tmp_path / "absent.toml", tmp_path):
        assert_one_line_error(
            lambda path=path: read_sweep(path),
            "expected a TOML file; got none there; check the",
            FileNotFoundError,
        )
