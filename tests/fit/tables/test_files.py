"""Loss curves from CSV files."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_one_line_error

import jaxsup
from jaxsup.fit.tables.files import read_curves

TEXT = """one, Step, other
1.0, 1, 2.0
0.25, 100, 0.2
0.5, 10,
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "losses.csv"
    path.write_text(TEXT)
    return path


def test_columns_are_curves_and_rows_are_sorted(file: Path) -> None:
    dataset = read_curves(file)
    assert dataset["loss"].dims == ("curve", "seed", "step")
    assert dataset["curve"].values.tolist() == ["one", "other"]
    assert dataset["step"].values.tolist() == [1, 10, 100]
    np.testing.assert_array_equal(dataset["loss"][:, 0], [[1, 0.5, 0.25], [2, np.nan, 0.2]])


def test_columns_may_be_seeds(file: Path) -> None:
    loss = read_curves(file, seeds=True)["loss"]
    assert loss.dims == ("seed", "step")
    assert loss.shape == (2, 3)


def test_without_a_name_for_steps_the_first_column_holds_them(tmp_path: Path) -> None:
    t = np.unique(np.round(np.geomspace(1, 1e4, 60)))
    rows = [f"{k:g},{k**-0.5:.9g},{k**-1.25:.9g}" for k in t]
    (tmp_path / "a.csv").write_text("\n".join(["tokens,half,more", *rows]))
    table = jaxsup.measure_exponents(read_curves(tmp_path / "a.csv"))
    np.testing.assert_allclose(table["exponent"], [0.5, 1.25], rtol=1e-6)
    assert table["theory"].isnull().all()


BAD = {
    "one column": ("step\n1\n2\n", "expected steps and losses; got 2 rows of step; give a header"),
    "no rows": ("step,loss\n", "expected steps and losses; got 0 rows"),
    "text": ("step,loss\n1,high\n", "loss: expected numbers; got a column with text"),
    "twice": (
        "step,loss\n1,1\n2,1\n1,2\n",
        "step: expected one loss at each step of a run; got step 1 twice",
    ),
    "no step": (
        "step,loss\n1,1\n,1\n",
        "step: expected a step in every row; got an empty cell in row 2",
    ),
    "ragged": ("step,loss\n1,1\n1,2,3\n", "expected a table; got one that cannot be read"),
    "empty": ("", "expected a file of curves; got an empty file; give a header"),
    "truth": ("step,loss\n1,True\n2,1\n", r"loss: expected numbers; got .*'True' in row 1"),
    "all truth": ("step,loss\n1,True\n2,False\n", "loss: expected numbers; got a column with"),
    "negative": ("step,loss\n1,1\n-2,1\n", "step: expected steps >= 0; got -2; count"),
    "long rows": ("step,loss\n1,1,3\n2,1,3\n", "got rows with more cells than the header"),
}


@pytest.mark.parametrize("case", BAD)
def test_other_files_are_refused(case: str, tmp_path: Path) -> None:
    text, message = BAD[case]
    (tmp_path / "bad.csv").write_text(text)
    assert_one_line_error(lambda: read_curves(tmp_path / "bad.csv"), message)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    assert_one_line_error(lambda: read_curves(path), "got none there", FileNotFoundError)
    path.mkdir()
    assert_one_line_error(lambda: read_curves(path), "got a folder; name a file in it")


def test_a_curve_that_ends_in_nan_or_holds_an_infinity_diverged(tmp_path: Path) -> None:
    text = "t,whole,hole,none,stops,nan,inf,short\n"
    text += "3,1,1,NA,,nan,1,1\n1,1,1,,1,1,1,1\n2,1,nan,null,1,1,inf,1\n4,1,1,,,NaN,1\n"
    (tmp_path / "a.csv").write_text(text)
    dataset = read_curves(tmp_path / "a.csv")
    assert dataset["status"].dims == ("curve", "seed")
    assert dataset["status"].values[:, 0].tolist() == [0, 0, 0, 0, 1, 1, 0]
    assert read_curves(tmp_path / "a.csv", seeds=True)["status"].dims == ("seed",)
    np.testing.assert_array_equal(dataset["loss"][1, 0], [1, np.nan, 1, 1])


@pytest.mark.parametrize("ending", ["", ".txt", ".log", ".csv", ".tsv"])
@pytest.mark.parametrize("comments", ["# ", "#", "## "])
def test_headers_of_savetxt_are_read(ending: str, comments: str, tmp_path: Path) -> None:
    delimiter = {".csv": ",", ".tsv": "\t"}.get(ending, " ")
    rows, path = np.asarray([[2.0, 0.5, 4], [1, 0.75, 5]]), tmp_path / f"curve{ending}"
    names = delimiter.join(("step", "loss", "other"))
    np.savetxt(path, rows, header=names, delimiter=delimiter, comments=comments)
    dataset = read_curves(path)
    assert dataset["step"].values.tolist() == [1, 2]
    assert dataset["step"].attrs["units"] == "updates"  # by the column's name
    assert dataset["loss"].values.ravel().tolist() == [0.75, 0.5]
    assert dataset.attrs["left_out"] == ["other"]


def test_a_column_may_be_called_by_the_mark(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("# step loss\n7 1 0.5\n8 2 0.25\n")
    (tmp_path / "a.csv").write_text("#,step,loss\n7,1,0.5\n8,2,0.25\n")
    for name in ("a.txt", "a.csv"):
        dataset = read_curves(tmp_path / name)
        assert dataset.attrs["left_out"] == ["#"]
        assert dataset["loss"].values.ravel().tolist() == [0.5, 0.25]


def test_digits_with_underscores_are_no_number(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("step,loss\n1,0.5\n2_0,0.25\n")
    words = "step: expected numbers; got a column with text ('2_0' in row 2)"
    assert_one_line_error(lambda: read_curves(tmp_path / "a.csv"), re.escape(words))
