"""The figure of a checkpoint's table: what it draws of each matrix, and how much room it takes."""

import dataclasses

import numpy as np
import pytest
from helpers import assert_one_line_error
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from jaxsup.plot.checkpoint import checkpoint_figure
from jaxsup.weights.checkpoint import measure_matrix
from jaxsup.weights.files.orientation import settle_orientation
from jaxsup.weights.table import CheckpointRow
from jaxsup.weights.tails import Tail


def row(name: str, latent: int, features: int, seed: int) -> CheckpointRow:
    W = np.random.default_rng(seed).standard_normal((latent, features))
    return CheckpointRow(
        tensor=name,
        file="w.npz",
        shape=(latent, features),
        dtype="float64",
        orientation=settle_orientation(name, (latent, features)),
        summary=measure_matrix(W),
        problem="",
    )


@pytest.fixture(scope="module")
def rows() -> list[CheckpointRow]:
    """Two layers of two kinds, the second kind without a tail, and one that was not measured."""
    measured = [row(f"h.{k}.{n}.weight", *s, k) for k in range(2) for n, s in KINDS.items()]
    bad = dataclasses.replace(measured[0], tensor="head.weight", summary=None, problem="NaN")
    return [*measured, bad]


KINDS = {"wide": (60, 90), "small": (8, 12)}


def along_x(line: Line2D) -> list[float]:
    return np.asarray(line.get_xdata(), float).tolist()


def points(ax: Axes) -> list[tuple[float, float]]:
    """Single markers other than the ticks of the null."""
    lines = [line for line in ax.lines if len(along_x(line)) == 1 and line.get_marker() != "|"]
    return [(along_x(line)[0], float(np.asarray(line.get_ydata())[0])) for line in lines]


def test_each_matrix_has_its_line_in_the_order_of_the_checkpoint(rows) -> None:
    figure = checkpoint_figure(rows)
    saturation, effective_rank, tail = figure.axes
    summaries = [entry.summary for entry in rows if entry.summary is not None]
    assert points(saturation) == [(s.saturation, k) for k, s in enumerate(summaries)]
    nulls = [along_x(line)[0] for line in saturation.lines if line.get_marker() == "|"]
    assert nulls == [90 / 149, 12 / 19] * 2
    assert points(effective_rank) == [
        (s.effective_rank / min(s.latent, s.features), k) for k, s in enumerate(summaries)
    ]
    assert [place for _, place in points(tail)] == [0, 2]
    for (exponent, place), line in zip(points(tail), tail.lines[::2], strict=True):
        found = summaries[int(place)].tail
        assert isinstance(found, Tail)
        assert exponent == found.exponent
        assert tuple(along_x(line)) == found.interval
    low, high = saturation.get_ylim()
    assert low > high  # the first one is on top
    labels = [text.get_text() for text in saturation.get_yticklabels()]
    assert labels == ["h.0.wide", "h.0.small", "h.1.wide", "h.1.small", "head"]
    assert [text.get_text() for text in saturation.texts] == ["not measured"]


def test_matrices_that_differ_in_their_number_alone_look_alike(rows) -> None:
    figure = checkpoint_figure(rows)
    colors = [line.get_color() for line in figure.axes[1].lines]
    assert colors[0] == colors[2] != colors[1] == colors[3]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["h.*.wide", "h.*.small"]


@pytest.mark.parametrize(("count", "named"), [(3, 3), (40, 40), (160, 160), (330, 165)])
def test_names_are_left_out_where_there_is_no_room(rows, count: int, named: int) -> None:
    many = [dataclasses.replace(rows[0], tensor=f"layer.{k}") for k in range(count)]
    figure = checkpoint_figure(many)
    assert figure.get_figheight() < 30
    assert len(figure.axes[0].get_yticks()) == named
    room = figure.get_figheight() * 72 / named  # points for each name
    assert room > 6.5


def test_long_names_keep_their_ends(rows) -> None:
    name = "a." * 40 + "end.weight"
    figure = checkpoint_figure([dataclasses.replace(rows[0], tensor=name)])
    (label,) = figure.axes[0].get_yticklabels()
    assert label.get_text().startswith("...")
    assert label.get_text().endswith(".a.end")
    assert len(label.get_text()) == 48


def test_a_table_without_rows_is_refused() -> None:
    assert_one_line_error(lambda: checkpoint_figure([]), "rows: expected at least one matrix; got")
