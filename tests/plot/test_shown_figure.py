"""A figure shows itself in a notebook, also where nobody has asked for pyplot."""

import ast
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest

from jaxsup import plot

PACKAGE = Path(str(plot.__file__)).parent.parent
PNG = b"\x89PNG\r\n"


def drawn() -> Any:
    figure, ax = plot.new_figure(width=4.0, height=3.0)
    ax.plot([1, 2], [1, 3], label="a line")
    ax.legend()
    return figure


def test_a_figure_is_drawn_at_its_size_and_in_the_house_style() -> None:
    figure = drawn()
    page = figure._repr_png_()
    picture = matplotlib.image.imread(io.BytesIO(page))
    # The border is cut where it is empty.
    np.testing.assert_allclose(picture.shape[:2], (3.0 * figure.dpi, 4.0 * figure.dpi), rtol=0.08)
    assert picture[..., :3].min() < 0.3
    with mpl.rc_context({"text.usetex": True, "savefig.dpi": 300, "savefig.format": "svg"}):
        assert figure._repr_png_() == page


def test_the_formatter_of_notebooks_finds_the_picture() -> None:
    formatters = pytest.importorskip("IPython.core.formatters")
    data, _ = formatters.DisplayFormatter().format(drawn())
    assert data["image/png"].startswith(PNG)


@pytest.mark.slow
def test_pyplot_is_not_needed() -> None:
    code = """
import sys
from jaxsup.plot import new_figure
picture = new_figure()[0]._repr_png_()
print(picture[1:4].decode(), "matplotlib.pyplot" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "PNG False\n"


def test_no_figure_of_the_package_is_made_otherwise() -> None:
    made = {
        path.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Figure"
    }
    assert not made
