"""`dataset.jaxsup`: the functions behind it, settings by short names, and when it is there."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from factories import relu_experiment
from helpers import assert_one_line_error
from matplotlib import pyplot

import jaxsup
from jaxsup import fit

A, B, K, RATIO = "features.exponent", "teacher.exponent", "student.latent", "superposition_ratio"
STEPS = np.unique(np.geomspace(1, 1000, 60).astype(int))


def grid() -> xr.Dataset:
    """Power laws over (a, joint axis of K and b): the first two of three settings have b = 0."""
    exponents = np.asarray([[0.4, 0.5, 0.6], [0.7, 0.8, 0.9]])
    loss = STEPS ** -exponents[..., None, None] * np.asarray([1.0, 1.1])[:, None]
    return xr.Dataset(
        {"loss": ((A, "law", "seed", "step"), loss, {"long_name": "loss L"})},
        coords={
            A: (A, [1.1, 0.1 + 0.2], {"units": "1"}),
            B: ("law", [0.0, 0.0, 1.0]),
            K: ("law", [4, 8, 4]),
            RATIO: ("law", [2.0, 1.0, 2.0]),
            "seed": [0, 1],
            "step": STEPS,
        },
        attrs={"title": "jaxsup sweep"},
    )


GRID = grid()
TWO_FIELDS = xr.Dataset(
    {"loss": ((A, K, "seed", "step"), np.ones((2, 2, 1, 3)))}, coords={"step": [1, 2, 3]}
)
SELECTIONS: dict[str, tuple[Callable[[Any], xr.Dataset], xr.Dataset]] = {
    "an alias": (lambda j: j.sel(a=1.1), GRID.sel({A: 1.1})),
    "a full name": (lambda j: j.sel({A: 1.1}), GRID.sel({A: 1.1})),
    "rounding": (lambda j: j.sel(a=0.3), GRID.isel({A: 1})),
    "a list": (lambda j: j.sel(a=[0.3, 1.1]), GRID.isel({A: [1, 0]})),
    "the nearest": (lambda j: j.sel(a=1.2, method="nearest"), GRID.sel({A: 1.1})),
    "a slice": (lambda j: j.sel(step=slice(10, 100)), GRID.sel(step=slice(10, 100))),
    "one of a joint axis": (lambda j: j.sel(K=8), GRID.isel(law=1)),
    "several of a joint axis": (lambda j: j.sel(b=0.0), GRID.isel(law=[0, 1])),
    "two of a joint axis": (lambda j: j.sel(K=4, b=0.0), GRID.isel(law=0)),
    "by ratio": (lambda j: j.sel({"N/K": 1.0}), GRID.isel(law=1)),
    "two axes": (lambda j: j.sel(a=1.1, K=8, seed=1), GRID.isel({A: 0, "law": 1, "seed": 1})),
    "without": (lambda j: j.sel(a=1.1, drop=True), GRID.sel({A: 1.1}, drop=True)),
    "a position": (lambda j: j.isel(a=-1, law=[0, 2]), GRID.isel({A: -1, "law": [0, 2]})),
    "positions": (lambda j: j.isel(a=slice(1)), GRID.isel({A: slice(1)})),
    "nothing": (lambda j: j.sel(), GRID),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_selection_is_that_of_xarray(name: str) -> None:
    select, expected = SELECTIONS[name]
    assert select(GRID.jaxsup).identical(expected)
    assert GRID.identical(grid())


REFUSALS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no value": (lambda j: j.sel(a=1.2), r"values of features.exponent \(a\): 1.1, 0.3; got 1.2"),
    "no setting": (lambda j: j.sel(K=8, b=1.0), r"a setting with these student.latent \(K\), te"),
    "no axis": (lambda j: j.sel(lr=0.1), r"got optimizer.learning_rate \(lr\); choose one of"),
    "near": (lambda j: j.sel(k=8), r"did you mean student.latent \(K\)"),
    "ambiguous": (lambda j: j.sel(exponent=1), r"features.exponent \(a\) or teacher.exponent \(b"),
    "twice": (lambda j: j.sel({A: 1.1}, a=1.1), "each axis once; got features.exponent twice"),
    "no axis of its own": (lambda j: j.isel(K=0), "sel: expected an axis of the dataset"),
    "nearest of a joint axis": (lambda j: j.sel(K=5, method="nearest"), "no axis of its own"),
    "nearest too far": (lambda j: j.sel(a=9, method="nearest", tolerance=1), r"values of feat"),
    "a value as position": (lambda j: j.isel(a=1.1), "isel: expected positions of features"),
    "no position": (lambda j: j.isel(a=2), r"positions 0..1 of features.exponent \(a\); got 2"),
    "a mask too short": (lambda j: j.isel(a=[True]), "isel: expected 2 of True and False along fe"),
    "too many axes": (lambda j: j.plot("loss"), r"at most 1 axis .*\.isel\(law=0\)"),
    "too many fields": (lambda _: TWO_FIELDS.jaxsup.plot("loss"), r"\.isel\(K=0\)"),
    "no kind": (lambda j: j.isel(law=0).jaxsup.plot("curves"), "one of 'loss', 'local', 'ratio'"),
    "regimes of a map": (lambda j: j.isel(law=0).jaxsup.plot("map", regimes=True), "regimes: exp"),
    "window of curves": (lambda j: j.isel(law=0).jaxsup.plot("loss", window=(1, 9)), "window: ex"),
    "no seeds": (lambda j: j.isel(seed=0).jaxsup.plot(), 'a loss over "seed" and "step"; got one'),
    "no loss": (lambda j: xr.Dataset().jaxsup.exponents(), 'a loss over "seed" and "step"; got no'),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_mistakes_are_one_line(name: str) -> None:
    call, message = REFUSALS[name]
    assert_one_line_error(lambda: call(GRID.jaxsup), message)


def test_tables_are_those_of_the_functions() -> None:
    accessor = GRID.jaxsup
    measured = accessor.exponents(window=(3, 300), confidence=0.9)
    assert measured.identical(jaxsup.measure_exponents(GRID, window=(3, 300), confidence=0.9))
    assert accessor.regimes(after=2).identical(fit.measure_regimes(GRID, after=2))
    local = accessor.local_exponents(bandwidth=0.5)
    assert local.identical(fit.measure_local_exponents(GRID, bandwidth=0.5))
    assert accessor.aliases == {"a": A, "b": B, "K": K, "N/K": RATIO}
    assert repr(accessor).startswith("<SweepAccessor: 2 features.exponent, 3 law, 2 seed, ")


def test_one_line_plots() -> None:
    pyplot.close("all")
    by_ratio = GRID.jaxsup.plot()
    assert by_ratio.get_xlabel().startswith("superposition ratio")
    curves = GRID.jaxsup.isel(law=0).jaxsup.plot("loss", ax := pyplot.figure().add_subplot())
    assert curves is ax
    texts = [text.get_text() for text in curves.get_legend().get_texts()]
    assert texts == ["a = 1.1", "a = 0.3"]
    assert len(pyplot.get_fignums()) == 2
    pyplot.close("all")


def test_a_sweep_has_it_and_its_closed_form_is_laid_over() -> None:
    experiment = relu_experiment(
        jaxsup.Student(6, "identity", core_scale=0, activation="identity", bias=False),
        features=jaxsup.GaussianFeatures(6, 1.2),
        gradient="exact",
    )
    dataset = jaxsup.run(jaxsup.Sweep(experiment, {"a": [1.1, 1.5]}))
    ax = dataset.jaxsup.sel(a=1.5).jaxsup.plot()
    assert [line.get_label() for line in ax.get_lines()].count("closed form") == 1
    pyplot.close("all")


def test_labels_without_an_order_are_selected() -> None:
    labels = np.asarray([None, "tied", 0.5], object)
    dataset = xr.Dataset({"loss": ("kind", [1.0, 2.0, 3.0])}, coords={"kind": labels})
    assert dataset.jaxsup.sel(kind="tied")["loss"].item() == 2.0


def test_many_numbers_are_selected_in_their_order() -> None:
    """As if each was compared with all labels, which would take the square of them."""
    seeds = np.random.default_rng(0).permutation(30_000)
    dataset = xr.Dataset({"loss": ("seed", seeds)}, coords={"seed": seeds})
    wanted = np.random.default_rng(1).permutation(seeds)
    np.testing.assert_array_equal(dataset.jaxsup.sel(seed=wanted.tolist())["loss"], wanted)


ORDERS = {
    "jaxsup first": "import jaxsup, xarray",
    "xarray first": "import xarray, jaxsup",
    "looked for between": """
import importlib.util, jaxsup
importlib.util.find_spec("xarray").loader.get_filename("xarray")
import xarray""",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ORDERS)
def test_it_is_there_in_any_order_of_imports(name: str, tmp_path: Path) -> None:
    """And neither import loads JAX, or leaves traces in the machinery of imports."""
    code = f"""{ORDERS[name]}
import sys
assert "jax" not in sys.modules
assert xarray.__spec__.loader is xarray.__loader__
assert type(xarray.__loader__).__module__ == "_frozen_importlib_external"
assert "jaxsup" not in {{type(finder).__module__.partition(".")[0] for finder in sys.meta_path}}
print(xarray.Dataset({{"x": ("student.latent", [3, 4])}}).jaxsup.isel(K=1)["x"].item())"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.stdout, done.stderr) == ("4\n", "")


def test_masked_steps_are_not_drawn() -> None:
    """`where` lays the status along what it masks, and takes no finite curve of a setting away."""
    whole = GRID.isel({A: 0}).assign(status=(("law", "seed"), np.array([[0, 1], [0, 0], [1, 1]])))
    masked = whole.where(whole["step"] >= 10).jaxsup.plot("loss")
    part = whole.sel(step=slice(10, None)).jaxsup.plot("loss")
    assert len(masked.lines) == len(part.lines) > 0
    for one, other in zip(masked.lines, part.lines, strict=True):
        np.testing.assert_array_equal(one.get_xydata(), other.get_xydata())
