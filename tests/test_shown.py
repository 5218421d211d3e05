"""What the interpreter and notebooks show of objects: short, and without arrays."""

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest
import xarray as xr
from factories import relu_experiment

import jaxsup
from jaxsup import fit, geometry, spectral, weights
from jaxsup.plot import new_figure
from jaxsup.reproduce.figure import Findings
from jaxsup.reproduce.run import Report
from jaxsup.sweep.callbacks import PartProgress
from jaxsup.theory.bottleneck import bottleneck_solution
from jaxsup.theory.references import LinearReference
from jaxsup.weights.features.inspection import Questions, inspect_features
from jaxsup.weights.files.formats import list_tensors
from jaxsup.weights.files.tensors import select_tensors
from jaxsup.weights.pairs.comparison import compare

STEPS = np.arange(1, 2001)
LOSS = 3 * STEPS**-0.5
NOISE = np.random.default_rng(0).standard_normal((4, 90))
SIZES = np.geomspace(1e3, 1e6, 12)
SWEEP = jaxsup.Sweep(
    relu_experiment(steps=20, record=jaxsup.Record(steps=list(range(1, 10)))),
    {"features.exponent": [1.1, 1.5], "width": {"student.latent": [2, 4], "steps": [10, 20]}},
    seeds=3,
)


class Cells(HTMLParser):
    """Text of the cells of a page, by row; complains about tags that are not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Objects that calls of the package return."""
    path = tmp_path_factory.mktemp("weights") / "decoder.npy"
    np.save(path, NOISE.astype(np.float32))
    read = weights.read_weights(path)
    diagnosis = weights.diagnose(read)
    comparison = compare(NOISE, NOISE)
    assert comparison.matches is not None
    stored = [dataclasses.replace(list_tensors(path)[0], name=f"layer.{i}") for i in range(300)]
    claims: Any = [None] * 9
    findings = Findings([{"x": i} for i in range(99)], ["line"] * 99, new_figure()[0], claims)
    trajectory = jaxsup.simulate(relu_experiment(steps=3), jax.random.key(0))
    return {
        "sweep": SWEEP,
        "experiment": SWEEP.experiment,
        "weights": read,
        "diagnosis": diagnosis,
        "measures": diagnosis.measures,
        "certificate": diagnosis.certificate,
        "geometry": diagnosis.geometry,
        "component": diagnosis.geometry.components[0],
        "many components": geometry.classify(np.eye(300)),
        "spectrum": diagnosis.spectrum,
        "batch of spectra": jax.tree.map(lambda leaf: np.stack([leaf] * 5), diagnosis.spectrum),
        "trajectory": trajectory,
        "comparison": comparison,
        "matches": comparison.matches[0],
        "inspection": inspect_features(diagnosis, Questions(listed=5, features=range(60))),
        "fit": jaxsup.fit_power_law(STEPS, LOSS),
        "refused fit": jaxsup.fit_power_law(STEPS, np.exp(-STEPS / 300)),
        "regimes": fit.regimes(STEPS, LOSS + 0.1),
        "no regimes": fit.regimes(STEPS[:4], LOSS[:4]),
        "local exponents": fit.local_exponent(STEPS, LOSS),
        "tensors": select_tensors(str(path), stored),
        "bottleneck": bottleneck_solution(NOISE, np.eye(90), np.eye(90), 0.1),
        "linear student": LinearReference(LOSS, LOSS, 1.0),
        "part": PartProgress(40, 1, np.ones((30, 40), np.float32)),
        "findings": findings,
        "findings of weights": findings._replace(dataset=xr.Dataset({"loss": ("step", LOSS)})),
        "report": Report("name", "a title", "quick", findings, {"training": 1.0}),
        "scaling": fit.fit_scaling(size=SIZES, loss=1 + SIZES**-0.3),
    }


def test_everything_shows_itself_in_a_few_lines(shown: dict[str, Any]) -> None:
    for name, thing in shown.items():
        text = repr(thing)
        assert 10 < len(text) < 650, name
        assert text.count("\n") <= 12, name
        assert "array(" not in text, name
        assert "object at 0x" not in text, name
        assert not re.search(r"(\d+,? ){9}", text), name  # a list that is written out


def test_what_is_shown_says_what_it_is(shown: dict[str, Any]) -> None:
    expected = {
        "sweep": "<Sweep: 12 networks = 2 features.exponent x 2 width x 3 seeds>",
        "weights": "<Weights: [4, 90], stored as float32, decoder.npy>",
        "many components": "<Geometry: 300 features, 300 single feature>",
        "batch of spectra": "<FrameSpectrum: a batch of 5, 4 x 90>",
    }
    assert {name: repr(shown[name]) for name in expected} == expected
    assert repr(shown["spectrum"]).startswith("<FrameSpectrum: 4 x 90, rank 4 in 4 eigenspaces, ")
    assert repr(shown["trajectory"]).endswith(", finished>")
    assert repr(shown["fit"]) == f"<PowerLawFit: {shown['fit']}>"
    assert "no power law here" in repr(shown["refused fit"])
    assert repr(shown["regimes"]).splitlines()[1:] == f"{shown['regimes']}>".splitlines()
    assert "record=Record(steps=tuple(...))" in repr(shown["experiment"])


def test_the_length_of_a_sweep_is_its_networks() -> None:
    assert len(SWEEP) == SWEEP.replicas == 12


def test_a_notebook_shows_tables(shown: dict[str, Any]) -> None:
    pages = {
        name: Cells(thing._repr_html_())
        for name, thing in shown.items()
        if hasattr(thing, "_repr_html_")
    }
    assert {"sweep", "experiment", "diagnosis", "geometry", "fit", "regimes", "scaling"} <= {*pages}
    rows = {tuple(row) for row in pages["sweep"].rows}
    assert ("features.exponent", "2", "features.exponent (a)", "1.1, 1.5") in rows
    assert ("width", "2", "student.latent (K)", "2, 4") in rows
    assert ("seed", "3", "", "0, 1, 2") in rows
    assert "12 networks" in pages["sweep"].text
    # `steps` is a size of a program: 10 and 20 are two of them.
    assert "in 2 compiled programs" in pages["sweep"].text
    fields = {field.name for field in dataclasses.fields(SWEEP.experiment)}
    assert {row[0] for row in pages["experiment"].rows} == fields
    diagnosis = shown["diagnosis"]
    assert [tuple(row) for row in pages["diagnosis"].rows] == diagnosis.rows()
    assert str(diagnosis.geometry) in pages["diagnosis"].text
    numbers = dict(pages["fit"].rows)  # pyright: ignore
    assert numbers["exponent"] == "0.5"
    stretches = [row[0] for row in pages["regimes"].rows[1:]]
    assert stretches == [stretch.kind for stretch in shown["regimes"].stretches]
    assert [row[0] for row in pages["scaling"].rows[1:]] == ["E", "A", "alpha"]


def test_names_from_files_are_no_markup(tmp_path: Path) -> None:
    path = tmp_path / "a<b>\x1b[2J.npy"
    np.save(path, np.eye(2))
    assert "\x1b" not in repr(weights.read_weights(path))
    frozen = jaxsup.fit_power_law(STEPS, np.exp(-STEPS / 300))
    page = dataclasses.replace(frozen, reason="<script>")._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_traced_and_transformed_objects_show_themselves(shown: dict[str, Any]) -> None:
    texts = []

    def decompose(W: Any) -> Any:
        spectrum = spectral.decompose(W)
        texts.append(repr(spectrum))
        return spectrum

    jax.eval_shape(decompose, np.eye(3, 4, dtype=np.float32))
    assert texts == ["<FrameSpectrum: 3 x 4, traced>"]
    arrays, rest = eqx.partition(shown["spectrum"], lambda _: False)
    assert "FrameSpectrum" in repr(arrays)
    assert "None" in repr(arrays)
    assert "saturation" in repr(rest)
    runs = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), shown["trajectory"])
    assert repr(runs) == "<Trajectory: a batch of 2 runs, 0 of them diverged>"
