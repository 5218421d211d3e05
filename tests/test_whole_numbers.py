"""Whole numbers of public functions are none by halves: each is refused in one line."""

from collections.abc import Callable

import numpy as np
import pytest
from helpers import assert_one_line_error, untyped

import jaxsup
from jaxsup.experiment.features.base import power_law
from jaxsup.geometry import shapes
from jaxsup.plot.diagnosis import diagnosis_figure
from jaxsup.plot.spectra import spectral_measures
from jaxsup.reproduce.toys.elhage import notebook_scale
from jaxsup.training.sampling.plan import plan_sparse
from jaxsup.weights.coherence import random_mean_cosine
from jaxsup.weights.features.inspection import Questions, inspect_features
from jaxsup.weights.features.ranking import rank_features
from jaxsup.weights.features.subsets import classify_subset, find_clusters

W = np.random.default_rng(0).normal(size=(3, 6))
ALL = np.ones(6, bool)
STEPS = np.arange(1, 100.0)
MASK = r"features: expected features 0\.\.5; got dtype (bool|float64); count from 0; numpy.flatnon"
COUNT = "expected a positive integer; got"
BINS = "points_per_decade: expected an integer >= 4; got"


def bins(measure: Callable) -> Callable:
    return lambda x: measure(STEPS, 1 / STEPS, points_per_decade=x)


CASES: dict[str, tuple[Callable, str]] = {
    "bins of a fit": (bins(jaxsup.fit_power_law), BINS),
    "bins of regimes": (bins(jaxsup.fit.regimes), BINS),
    "bins of local exponents": (bins(jaxsup.fit.local_exponent), BINS),
    "corners": (shapes.polygon, COUNT),
    "corners of an antiprism": (shapes.antiprism, COUNT),
    "dimensions of a mean cosine": (random_mean_cosine, f"latent: {COUNT}"),
    "features of a law": (lambda x: power_law(x, 1.0, normalize=True), f"count: {COUNT}"),
    "features of a teacher": (jaxsup.DiagonalTeacher(1.0).gains, f"count: {COUNT}"),
    "features of its matrix": (jaxsup.DiagonalTeacher(1.0).matrix_for, f"count: {COUNT}"),
    "updates of a record": (jaxsup.Record().schedule, f"total: {COUNT}"),
    "instances": (lambda x: notebook_scale(5, 2, x), f"instances: {COUNT}"),
    "samples of a plan": (lambda x: plan_sparse(1, x), f"batch: {COUNT}"),
    "level of a plan": (lambda x: plan_sparse(x, 64), "level: expected an integer; got"),
    "eigenspace": (jaxsup.spectral.decompose(W).projector, "eigenspace: expected an integer; got"),
    "features of a subset": (lambda x: classify_subset(W, [x, x], represented=ALL), MASK),
    "classified clusters": (
        lambda x: find_clusters(W, classified=x, represented=ALL),
        "classified: expected an integer >= 0; got",
    ),
    "features of a list": (
        lambda x: rank_features(jaxsup.spectral.decompose(W), x),
        "count: expected an integer >= 0; got",
    ),
    "features of a picture": (
        lambda x: spectral_measures(jaxsup.spectral.decompose(W), features=[x]),
        MASK,
    ),
    "component": (
        lambda x: diagnosis_figure(jaxsup.weights.diagnose(W), component=x),
        "component: expected 0",
    ),
    "features of a dictionary": (lambda x: jaxsup.weights.diagnose(W).to_dict([x]), MASK),
    "feature of a question": (
        lambda x: inspect_features(jaxsup.weights.diagnose(W), Questions(neighbors=[(x, 2)])),
        MASK.replace("features", "neighbors", 1),
    ),
}


@untyped
@pytest.mark.parametrize("value", [2.5, 4.0, True])
@pytest.mark.parametrize("case", CASES)
def test_no_whole_number_by_its_type_is_refused(case: str, value: object) -> None:
    make, match = CASES[case]
    assert_one_line_error(lambda: make(value), match)


@untyped
def test_a_mask_of_features_holds_no_indices() -> None:
    mask = np.arange(6) > 3
    assert_one_line_error(lambda: classify_subset(W, mask, represented=ALL), MASK)
    found = classify_subset(W, np.flatnonzero(mask), represented=ALL)
    assert found.features.tolist() == [4, 5]
