"""The figure of curves with their fits, read back from the artists."""

import numpy as np
import pytest
import xarray as xr
from helpers import assert_one_line_error
from matplotlib.figure import Figure

import jaxsup
from jaxsup.fit import measure_local_exponents, measure_regimes
from jaxsup.plot.fits import fit_figure

STEPS = np.unique(np.round(np.geomspace(1, 1e4, 80)))
DIMS = ("curve", "seed", "step")


def curves(losses: np.ndarray) -> xr.Dataset:
    """Losses [curves, steps] as a dataset."""
    names = [f"c{k}" for k in range(len(losses))]
    return xr.Dataset({"loss": (DIMS, losses[:, None])}, {"curve": names, "step": STEPS})


def powers(count: int) -> xr.Dataset:
    return curves(STEPS ** -(0.2 + 0.1 * np.arange(count)[:, None]))


def texts(figure: Figure, panel: int) -> list[str]:
    return [text.get_text() for text in figure.axes[panel].texts]


def legend(figure: Figure, panel: int) -> list[str]:
    box = figure.axes[panel].get_legend()
    return [] if box is None else [text.get_text() for text in box.get_texts()]


def test_windows_are_marked_with_their_exponents() -> None:
    dataset = powers(3)
    table = jaxsup.measure_exponents(dataset)
    figure = fit_figure(dataset, table, measure_local_exponents(dataset))
    assert texts(figure, 0) == ["0.20", "0.30", "0.40"]
    assert legend(figure, 0) == ["c0", "c1", "c2", "power law, exponent"]
    assert legend(figure, 1) == []
    levels = [np.asarray(line.get_ydata(), float) for line in figure.axes[1].get_lines()]
    known = [level for level in levels if level.size and np.isfinite(level).all()]
    np.testing.assert_allclose([level[0] for level in known], [0.2, 0.3, 0.4], rtol=1e-6)
    bands = [line for line in figure.axes[0].get_lines() if line.get_linewidth() == 6][:3]
    marked = [np.asarray(band.get_xdata(), float)[[0, -1]] for band in bands]
    windows = np.stack([table["window_first"], table["window_last"]], 1)
    np.testing.assert_array_equal(marked, windows)


def test_what_is_told_on_the_left_is_not_told_again_beside_the_theory() -> None:
    dataset = powers(8)
    table, local = jaxsup.measure_exponents(dataset), measure_local_exponents(dataset)
    local["theory"] = local["exponent"]
    figure = fit_figure(dataset, table, local)
    assert legend(figure, 0)[:-1] == ["c0", "c1", "c2", "c4", "c5", "c7"]
    assert legend(figure, 1) == ["linear student, K = N, this N"]


def test_of_many_curves_six_are_drawn() -> None:
    dataset = powers(11)
    table, local = jaxsup.measure_exponents(dataset), measure_local_exponents(dataset)
    figure = fit_figure(dataset, table, local)
    assert legend(figure, 0)[:-1] == ["c0", "c2", "c4", "c6", "c8", "c10"]
    assert texts(figure, 0) == ["0.20", "0.40", "0.60", "0.80", "1.00", "1.20"]
    assert figure.axes[0].get_title() == "6 of 11 curves"


def test_regimes_are_marked_with_theirs() -> None:
    loss = STEPS**-0.3 / (1 + (STEPS / 300) ** 4) ** 0.175
    noise = np.random.default_rng(0).standard_normal(STEPS.size)
    dataset = curves((loss * np.exp(0.01 * noise))[None])
    table = measure_regimes(dataset)
    figure = fit_figure(dataset, table, measure_local_exponents(dataset))
    first, last = map(float, texts(figure, 0))
    assert first == pytest.approx(0.3, abs=0.03)
    assert last == pytest.approx(1.0, abs=0.05)


def test_curves_without_fits_are_drawn_and_the_reason_told() -> None:
    dataset = curves(np.where(STEPS < 3, STEPS, np.nan)[None])
    dataset["status"] = (DIMS[:2], np.zeros((1, 1), np.int8))
    for table in (jaxsup.measure_exponents(dataset), measure_regimes(dataset)):
        figure = fit_figure(dataset, table, measure_local_exponents(dataset))
        assert texts(figure, 0) == []
        assert texts(figure, 1) == ["no local exponents: too short"]


def test_steps_that_are_no_updates_have_their_name_on_the_axis() -> None:
    dataset = powers(2)
    for attrs, label in (
        ({}, "training steps t (updates)"),
        ({"long_name": "training steps t", "units": "updates"}, "training steps t (updates)"),
        ({"long_name": "tokens"}, "tokens"),
    ):
        dataset["step"].attrs = attrs
        table, local = jaxsup.measure_exponents(dataset), measure_local_exponents(dataset)
        figure = fit_figure(dataset, table, local)
        assert [ax.get_xlabel() for ax in figure.axes] == [label, label]


def test_more_axes_are_refused() -> None:
    dataset = powers(2).expand_dims("width")
    message = "at most one axis beside seed and step; got width, curve; select one position"
    assert_one_line_error(lambda: fit_figure(dataset, dataset, dataset), message)
