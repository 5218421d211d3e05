"""Pictures without an axis: each makes its own, shows the same there, and leaves none behind."""

import importlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from helpers import assert_one_line_error
from matplotlib import pyplot
from matplotlib.axes import Axes

from jaxsup import plot
from jaxsup.fit import measure_local_exponents
from jaxsup.fit.tables.exponents import measure_exponents
from jaxsup.plot.style import ALONE
from jaxsup.spectral import decompose

STEPS = np.arange(1, 300)
ANGLES = 2 * np.pi * np.arange(5) / 5
W = np.stack([np.cos(ANGLES), np.sin(ANGLES)])  # a pentagon
SPACE = np.eye(3)


def curves() -> xr.Dataset:
    """Power laws over (a, b) with a recorded number and a recorded spectrum."""
    a, b = np.asarray([0.4, 0.6]), np.asarray([0.0, 0.1])
    exponents = a[:, None] + b
    loss = STEPS ** -exponents[..., None, None]
    dims = ("features.exponent", "teacher.exponent", "seed", "step")
    spectrum = np.ones((2, 2, 1, len(STEPS), 4)) * [4.0, 3.0, 2.0, 1.0]
    return xr.Dataset(
        {
            "loss": (dims, loss),
            "saturation": (dims, loss),
            "spectrum": ((*dims, "eigenvalue"), spectrum),
        },
        coords={
            "features.exponent": a,
            "teacher.exponent": b,
            "seed": [0],
            "step": STEPS,
            "superposition_ratio": ("teacher.exponent", [1.0, 2.0]),
        },
    )


CURVES = curves()
ONE_AXIS = CURVES.isel({"teacher.exponent": 0})
PICTURES: dict[str, Callable[[], tuple[Any, ...]]] = {
    "curves.loss_curves": lambda: (ONE_AXIS,),
    "curves.observable_curves": lambda: (ONE_AXIS, "saturation"),
    "curves.spectra_along_training": lambda: (ONE_AXIS.isel({"features.exponent": 0}), "spectrum"),
    "exponents.exponent_against_ratio": lambda: (measure_exponents(CURVES),),
    "exponents.exponent_map": lambda: (measure_exponents(CURVES),),
    "exponents.local_exponents": lambda: (measure_local_exponents(ONE_AXIS),),
    "geometry.feature_geometry": lambda: (W,),
    "geometry.feature_geometry_3d": lambda: (SPACE,),
    "geometry.gram_matrix": lambda: (W,),
    "geometry.cosine_histogram": lambda: (W,),
    "spectra.eigenvalue_spectrum": lambda: (decompose(W),),
    "spectra.spectral_measures": lambda: (decompose(W),),
    "spectra.localization_histogram": lambda: (decompose(W),),
    "measures.linear_law": lambda: (decompose(W),),
}
# `histogram_beside_nulls` needs null samples, and has the same decorator.
UNTRIED = {"measures.histogram_beside_nulls"}


@pytest.fixture(autouse=True)
def no_figure_is_left() -> Iterator[None]:
    pyplot.close("all")
    yield
    pyplot.close("all")


def drawing_functions() -> Iterator[tuple[str, Any]]:
    """Every public function that draws on an axis and returns it, by module and name."""
    for path in sorted(Path(str(plot.__file__)).parent.glob("[a-z]*.py")):
        module = importlib.import_module(f"jaxsup.plot.{path.stem}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            public = function.__module__ == module.__name__ and not name.startswith("_")
            returned = str(inspect.signature(function).return_annotation)
            if public and returned.rpartition(".")[2].rstrip("'>") == "Axes":
                yield f"{path.stem}.{name}", function


def test_every_picture_may_be_given_no_axis() -> None:
    functions = dict(drawing_functions())
    assert set(functions) == set(PICTURES) | UNTRIED
    for function in functions.values():
        assert inspect.signature(function).parameters["ax"].default is None


def artists(ax: Axes) -> list[type]:
    return [type(artist) for artist in ax.get_children()]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_makes_its_own_axis_and_shows_the_same(name: str) -> None:
    draw, data = dict(drawing_functions())[name], PICTURES[name]()
    own = draw(*data)
    assert pyplot.get_fignums() == [getattr(own.figure, "number", None)]
    projection = "3d" if name.endswith("3d") else None
    figure, given = plot.new_figure(width=ALONE, projection=projection)
    assert draw(*data, given) is given
    assert draw(*data, ax=None) is not own
    assert artists(own) == artists(given)
    assert own.get_xlabel() == given.get_xlabel()
    assert tuple(own.figure.get_size_inches()) == tuple(figure.get_size_inches())


def test_a_refused_picture_leaves_no_figure() -> None:
    assert_one_line_error(lambda: plot.loss_curves(CURVES), "at most one axis")
    assert pyplot.get_fignums() == []
