"""Trained sweeps in which settings diverge at once, or that no power law is to be expected of."""

import json

import jax
import numpy as np
import pytest
import xarray as xr
from fit_tables import TABLES
from helpers import assert_one_line_error
from matplotlib.axes import Axes

import jaxsup
from jaxsup import fit, plot
from jaxsup.experiment.tables import to_table

RATE = "optimizer.learning_rate"


@pytest.fixture(scope="module")
def dataset() -> xr.Dataset:
    """Rates of which one works, one diverges in the first recorded steps and one in the first."""
    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(8, 1.5),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(4, activation="identity", bias=False),
        jaxsup.SGD(0.5),
        steps=60,
        gradient="exact",
        record=jaxsup.Record(points=20, spacing="linear"),
    )
    axes = {
        RATE: [0.5, 50.0, 1e30],
        "features.exponent": [0.0, 1.5],
        "teacher.exponent": [0.0, 0.5],
        "student.latent": [4],
    }
    with jax.enable_x64(False):  # where these rates leave the finite numbers so soon
        return jaxsup.run(jaxsup.Sweep(experiment, axes, seeds=2))


@pytest.fixture
def toy() -> xr.Dataset:
    """Autoencoders of equal features, as in examples/autoencoder.toml; losses are made up."""
    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(5, 0.0, normalize=False, values="unit"),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(2, "learned", core=False),
        jaxsup.AdamW(0.01, weight_decay=0.01),
        reduction="mean",
        importance=0.9,
    )
    steps = np.unique(np.round(np.geomspace(1, 1000, 50)))
    loss = np.broadcast_to(0.1 + np.exp(-steps / 100), (1, 1, 2, 3, len(steps)))
    axes = {"features.exponent": [0.0], "teacher.exponent": [0.0], "features.density": [1.0, 0.3]}
    return xr.Dataset(
        {"loss": ((*axes, "seed", "step"), loss)},
        coords={**axes, "step": steps},
        attrs={"configuration": json.dumps(to_table(experiment))},
    )


def draw(dataset: xr.Dataset, kind: str, ax: Axes) -> None:
    """As `jaxsup plot` does."""
    if kind == "loss":
        plot.loss_curves(dataset, ax, regimes=fit.measure_regimes(dataset))
    elif kind == "local":
        plot.local_exponents(fit.measure_local_exponents(dataset), ax)
    else:
        function = plot.exponent_against_ratio if kind == "ratio" else plot.exponent_map
        function(jaxsup.measure_exponents(dataset), ax)


@pytest.mark.parametrize("kind", TABLES)
def test_rates_that_diverge_leave_the_others_their_rows(dataset: xr.Dataset, kind: str) -> None:
    measure, records, text = TABLES[kind]
    recorded = np.isfinite(dataset["loss"].values).reshape(3, -1, dataset.sizes["step"]).sum(-1)
    assert recorded[0].min() == dataset.sizes["step"]
    assert recorded[1:].max() < 6
    rows = json.loads(json.dumps(records(measure(dataset)), allow_nan=False))
    assert [row[RATE] for row in rows] == np.repeat([0.5, 50.0, 1e30], 4).tolist()
    alone = records(measure(dataset.isel({RATE: [0]})))
    assert rows[:4] == json.loads(json.dumps(alone))
    assert {row["problem"] for row in rows[4:]} == {"all seeds diverged"}
    assert all(row["reason"].endswith("all seeds diverged, 2 of 2") for row in rows[4:])
    assert text(measure(dataset)).count("none: all seeds diverged") == 8
    every = measure(dataset.isel({RATE: slice(1, 3)}))
    assert len(records(every)) == text(every).count("none: all seeds diverged") == 8


SELECTIONS = {
    "ratio": {"features.exponent": 1, "teacher.exponent": 0},
    "map": {"student.latent": 0, RATE: 0},
    "local": {"features.exponent": 1, "teacher.exponent": 0, "student.latent": 0},
    "loss": {"features.exponent": 1, "teacher.exponent": 0, "student.latent": 0},
}


@pytest.mark.parametrize("kind", SELECTIONS)
def test_pictures_hold_what_did_not_diverge(dataset: xr.Dataset, kind: str) -> None:
    figure, ax = plot.new_figure()
    draw(dataset.isel(SELECTIONS[kind]), kind, ax)
    figure.canvas.draw()
    lines = [np.asarray(line.get_ydata(), float) for line in ax.get_lines()]
    drawn = sum(bool(np.isfinite(values).any()) for values in lines) + len(ax.texts)
    assert drawn > 0


@pytest.mark.parametrize("kind", SELECTIONS)
def test_pictures_of_nothing_say_why(dataset: xr.Dataset, kind: str) -> None:
    diverged = dataset.isel({RATE: 1}).isel(
        {name: place for name, place in SELECTIONS[kind].items() if name != RATE}
    )
    _, ax = plot.new_figure()
    if kind == "map":
        draw(diverged, kind, ax)
        assert [text.get_text() for text in ax.texts].count("none") == 4
    else:
        assert_one_line_error(lambda: draw(diverged, kind, ax), "got none: all (seeds )?diverged")


@pytest.mark.parametrize("kind", TABLES)
def test_equal_features_have_no_theory(dataset: xr.Dataset, toy: xr.Dataset, kind: str) -> None:
    measure, records, text = TABLES[kind]
    assert len(text(measure(toy)).splitlines()) > 2
    equal = records(measure(toy)) + records(measure(dataset.isel({"features.exponent": [0]})))
    assert {row["features.exponent"] for row in equal} == {0.0}
    assert {row["theory_limit"] for row in equal} == {None}


def test_pictures_of_equal_features(toy: xr.Dataset) -> None:
    at = {"features.exponent": 0, "teacher.exponent": 0}
    for kind, selection in (("map", {"features.density": 0}), ("local", at), ("loss", at)):
        figure, ax = plot.new_figure()
        draw(toy.isel(selection), kind, ax)
        figure.canvas.draw()
        assert any("theory -, -" in text.get_text() for text in ax.texts) == (kind == "map")
