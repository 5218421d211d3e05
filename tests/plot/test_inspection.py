"""The component that is drawn of a matrix of which some features were chosen."""

import numpy as np
from helpers import assert_one_line_error
from tight_frames import polygon, rotation

from jaxsup.plot.inspection import inspection_figure
from jaxsup.weights.diagnosis import Diagnosis, diagnose
from jaxsup.weights.features.inspection import Questions, inspect_features

PENTAGON = [3, 40, 41, 77, 90]


def crowd() -> Diagnosis:
    """A pentagon among a hundred directions that overlap with it, and an unused feature."""
    rng = np.random.default_rng(0)
    W = rng.standard_normal((9, 100))
    W[:, PENTAGON] = rotation(rng, 9)[:, :2] @ polygon(5)
    W[:, 0] = 0
    return diagnose(W)


def test_the_chosen_features_are_drawn_alone() -> None:
    diagnosis = crowd()
    assert not diagnosis.geometry.names
    found = inspect_features(diagnosis, Questions(features=PENTAGON))
    panel = inspection_figure(diagnosis, found).subfigs[-1]
    title = "Chosen features alone: pentagon, 5 features in dimension 2"
    assert panel.get_suptitle() == title
    labels = {text.get_text() for text in panel.axes[0].texts}
    assert set(map(str, PENTAGON)) <= labels


def test_without_chosen_features_that_have_a_direction_there_is_no_such_figure() -> None:
    diagnosis = crowd()
    message = "inspection: expected chosen features with a direction; got none; give some to"
    for questions in (Questions(listed=1), Questions(features=[0])):
        found = inspect_features(diagnosis, questions)
        assert not found.has_geometry
        assert_one_line_error(lambda found=found: inspection_figure(diagnosis, found), message)
