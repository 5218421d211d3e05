"""The face of the package: every public name, once, in the room where one looks for it."""

import ast
import importlib
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "jaxsup"

# A name more is a decision: would someone look for it there in the first hour? Special cases, and
# types that only come back from a call, are imported from the modules that hold them.
FACE = {
    "": """
        fit geometry plot reproduce spectral theory weights
        Experiment Record WarmupCosine Network Observable
        AbstractFeatures PowerLawFeatures SparseFeatures GaussianFeatures CorrelatedFeatures
        OneActiveFeatures
        AbstractTeacher DiagonalTeacher MatrixTeacher ElementwiseTeacher
        AbstractStudent Student HiddenLayerStudent
        AbstractActivation ReLU LeakyReLU GELU Abs Identity
        AbstractOptimizer SGD Adam AdamW NormAdamW
        simulate Sweep run open_store fit_power_law measure_exponents
    """,
    "fit": """
        PowerLawFit format_exponents local_exponent regimes measure_regimes measure_local_exponents
    """,
    "theory": "training_exponent loss_curve one_sparse_loss",
    "spectral": "decompose decompose_batch FrameSpectrum certify represented",
    "geometry": "classify Geometry",
    "weights": "read_weights diagnose",
    "plot": """
        new_figure save_figure loss_curves observable_curves exponent_against_ratio exponent_map
        feature_geometry eigenvalue_spectrum local_exponents
    """,
    "reproduce": """
        reproduce figure_titles AbstractFigure AbstractWeightsFigure Claim Published Findings toys
    """,
}
FACE_SIZE = 77


def exported(room: str) -> list[str]:
    """Names that the ``__init__`` of a room re-exports, or its stub where it has one."""
    folder = PACKAGE / room
    stub = folder / "__init__.pyi"
    file = stub if stub.exists() else folder / "__init__.py"
    return [
        alias.asname
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname is not None
    ]


@pytest.mark.parametrize("room", FACE)
def test_a_room_shows_the_names_of_the_list(room: str) -> None:
    assert sorted(exported(room)) == sorted(FACE[room].split())
    module = importlib.import_module(".".join(["jaxsup", *room.split()]))
    missing = [name for name in FACE[room].split() if not hasattr(module, name)]
    assert not missing


def test_the_list_is_as_long_as_it_says() -> None:
    assert sum(len(names.split()) for names in FACE.values()) == FACE_SIZE


def test_every_room_with_a_face_is_public_and_the_others_have_none() -> None:
    """What has no face, as `jaxsup.training`, is imported by its modules."""
    assert {room for room in FACE if room} == {
        name for name in exported("") if (PACKAGE / name).is_dir()
    }
    others = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - set(FACE)
    assert not [room for room in others if exported(room)]


def test_nothing_is_public_twice() -> None:
    places = Counter(
        id(getattr(importlib.import_module(".".join(["jaxsup", *room.split()])), name))
        for room, names in FACE.items()
        for name in names.split()
    )
    assert set(places.values()) == {1}
