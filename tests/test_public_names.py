"""The face of the package: every public name, once, in the room where one looks for it."""

import ast
import importlib
import pydoc
import re
import subprocess
import sys
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
        fit_scaling
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
FACE_SIZE = 78


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


@pytest.mark.parametrize("room", [*(room for room in FACE if room), "reproduce.toys"])
def test_help_and_completion_list_the_names_of_a_room(room: str) -> None:
    module = importlib.import_module(f"jaxsup.{room}")
    names = exported(room.replace(".", "/"))
    assert sorted(module.__all__) == sorted(names)
    assert set(names) <= set(dir(module))
    # What a room shows beside its names are its own modules: nothing that they import, but what
    # the checks of types add to every module here.
    folder = PACKAGE / room.replace(".", "/")
    own = {path.stem for path in folder.iterdir()} | {*names, "jaxtyping"}
    assert {name for name in dir(module) if not name.startswith("__")} <= own
    text = pydoc.plain(pydoc.render_doc(module))
    for name in names:
        shown = getattr(module, name)
        if callable(shown):
            assert name in text
            assert str(shown.__doc__).partition("\n")[0] in text


def test_help_of_the_package_is_a_page_that_names_everything() -> None:
    package = importlib.import_module("jaxsup")
    text = pydoc.plain(pydoc.render_doc(package))
    assert len(text) < 4000
    words = set(re.findall(r"\w+", text))
    assert set(FACE[""].split()) <= words
    assert sorted(dir(package)) == sorted(FACE[""].split())


def test_the_package_is_imported_in_no_time() -> None:
    """Neither JAX nor xarray are loaded, which take most of a second."""
    code = "import jaxsup, sys; print([n for n in ('jax', 'xarray', 'numpy') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


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
