"""The component that is drawn of a matrix of which some features were chosen."""

import numpy as np
from tight_frames import polygon, rotation, stack

from jaxsup.geometry import Geometry
from jaxsup.plot.diagnosis import diagnosis_figure
from jaxsup.weights.diagnosis import Diagnosis, diagnose
from jaxsup.weights.subsets import classify_subset

PENTAGON = [3, 40, 41, 77, 90]


def chosen(diagnosis: Diagnosis, features: list[int]) -> Geometry:
    represented = np.asarray(diagnosis.spectrum.represented)
    geometry = classify_subset(diagnosis.matrix, features, represented=represented).geometry
    assert geometry is not None
    return geometry


def title(diagnosis: Diagnosis, features: list[int], component: int | None = None) -> str:
    geometry = chosen(diagnosis, features)
    figure = diagnosis_figure(diagnosis, features=features, component=component, chosen=geometry)
    return str(figure.subfigs[3].get_suptitle())


def test_the_chosen_features_are_drawn_where_the_whole_has_no_name() -> None:
    rng = np.random.default_rng(0)
    W = rng.standard_normal((9, 100))
    W[:, PENTAGON] = rotation(rng, 9)[:, :2] @ polygon(5)
    diagnosis = diagnose(W)
    assert title(diagnosis, PENTAGON) == (
        "Of the chosen features alone: pentagon, 5 features in dimension 2"
    )
    assert title(diagnosis, PENTAGON, component=0).startswith("Component 0 (of 1): irregular, 100")
    drawn = diagnosis_figure(diagnosis, features=PENTAGON, chosen=chosen(diagnosis, PENTAGON))
    labels = {text.get_text() for text in drawn.subfigs[3].axes[0].texts}
    assert set(map(str, PENTAGON)) <= labels


def test_a_name_of_the_whole_matrix_comes_first() -> None:
    diagnosis = diagnose(stack(polygon(5), polygon(3)))
    assert title(diagnosis, [0, 1]).startswith("Component 0 (of 2): pentagon")
