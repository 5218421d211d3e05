"""Labels of curves that lie close together: none covers another, however the figure is drawn."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.text import Text

from jaxsup import plot
from jaxsup.plot.labels import label_point

OFFSET = (4, 5)


def boxes(ax: Axes) -> list[np.ndarray]:
    """Left, lower, right and upper end of each label in pixels, as drawn."""
    figure: Any = ax.figure
    figure.draw_without_rendering()
    return [np.asarray(Text.get_window_extent(label).extents) for label in ax.texts]


def assert_apart(ax: Axes) -> None:
    """Every two labels have a point between them, and all lie within the axis."""
    figure: Any = ax.figure
    found = boxes(ax)
    frame = ax.bbox
    for box, other in itertools.combinations(found, 2):
        between = max(box[0] - other[2], other[0] - box[2], box[1] - other[3], other[1] - box[3])
        assert between > 0.99 * figure.dpi / 72
    assert all(frame.y0 <= low and high <= frame.y1 for _, low, _, high in found)


def labeled(heights: np.ndarray) -> Axes:
    """Labels at one x, by the height of their points."""
    _, ax = plot.new_figure()
    ax.set(xlim=(0, 2), ylim=(0, 1))
    for height in heights.tolist():
        label_point(f"{height:.2f}", (1.0, height), ax, "#1b2a49")
    return ax


def offsets(ax: Axes) -> list[tuple[float, float]]:
    return [label.xyann for label in ax.texts]  # pyright: ignore


def leaders(ax: Axes) -> list[bool]:
    return [label.arrow_patch.get_visible() for label in ax.texts]  # pyright: ignore


@pytest.mark.parametrize("middle", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("dpi", [60, 200])
def test_close_labels_are_moved_apart_within_the_axis(middle: float, dpi: float) -> None:
    heights = middle + np.asarray([4, 1, 7, 2, 6, 0, 3, 5]) * 1e-3 * (1 if middle < 0.9 else -1)
    ax = labeled(heights)
    figure: Any = ax.figure
    figure.set_dpi(dpi)
    assert_apart(ax)
    assert any(leaders(ax))
    if middle == 0.5:
        lower = [box[1] for box in boxes(ax)]
        np.testing.assert_array_equal(np.argsort(lower), np.argsort(heights))
        away = np.asarray(offsets(ax))[:, 1] - OFFSET[1]
        assert away.min() < -20
        assert away.max() > 20
        assert set(np.asarray(offsets(ax))[:, 0]) == {OFFSET[0]}
        # Of the size of the text, 7.5 points.
        led = np.asarray(leaders(ax))
        assert np.abs(away[~led]).max() < 1.6 * 7.5 < np.abs(away[led]).min()


def test_labels_that_have_room_stay_and_moved_ones_return_when_they_get_it() -> None:
    ax = labeled(np.asarray([0.2, 0.5, 0.8]))
    boxes(ax)
    assert offsets(ax) == [OFFSET] * 3
    ax.set_ylim(0, 100)
    assert_apart(ax)
    assert offsets(ax)[0] != OFFSET
    ax.set_ylim(0, 1)
    ax.texts[1].remove()
    boxes(ax)
    assert offsets(ax) == [OFFSET] * 2
    assert leaders(ax) == [False] * 2


def test_a_label_out_of_sight_is_in_nobodys_way() -> None:
    ax = labeled(np.asarray([0.5, 0.501, 0.502]))
    ax.texts[1].set_visible(False)
    for x, label in zip((3.0, 1.0, 1.0), ax.texts, strict=True):
        label.xy = (x, 0.5)  # pyright: ignore
    boxes(ax)
    assert offsets(ax)[2] == OFFSET


def curves(count: int) -> tuple[xr.Dataset, dict[str, Any]]:
    """Power laws that end within a few percent of each other, and tables that mark them all."""
    steps = np.geomspace(1, 1e4, 21)
    exponents = np.linspace(0.5, 0.505, count)
    loss = steps ** -exponents[:, None, None]
    assert np.ptp(loss[..., -1]) < 0.05 * loss[..., -1].min()
    kinds = ("case", "stretch"), np.full((count, 1), "power-law")
    ends: Any = {"window_first": np.full(count, 10.0), "window_last": np.full(count, 1e4)}
    law = {"exponent": exponents, **ends}
    dataset = xr.Dataset({"loss": (("case", "seed", "step"), loss)}, coords={"step": steps})
    regimes = xr.Dataset({name: (("case", "stretch"), v[:, None]) for name, v in law.items()})
    fits = xr.Dataset({name: ("case", v) for name, v in law.items()})
    return dataset, {
        "regimes": regimes.assign(kind=kinds, floor=("case", np.full(count, np.nan))),
        "fits": fits.assign(found=("case", np.full(count, True))),
    }


def test_exponents_of_loss_curves_that_end_close_together_can_be_read(tmp_path: Path) -> None:
    dataset, tables = curves(8)
    figure, ax = plot.new_figure()
    plot.loss_curves(dataset, ax, **tables)
    assert len(ax.texts) == 16
    assert_apart(ax)
    plot.save_figure(figure, tmp_path / "curves.svg")
    assert_apart(ax)
