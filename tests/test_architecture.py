"""The house: which room may import which, and how large its parts may grow.

Imports inside functions and those for type checkers count like any other. The exceptions are those
that are still to be mended: each test fails too when one of its exceptions is no longer needed.
"""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "jaxsup"

# A room of the pipeline may import those before it.
PIPELINE = ("experiment", "training", "sweep", "reproduce", "cli")
# These take plain data and know nothing of training. All of them may import each other.
PLAIN = {"theory", "spectral", "geometry", "fit", "weights", "plot"}
ALLOWED = {
    "_internal": set(),
    "experiment": {"_internal"},
    **{room: {"_internal"} | PLAIN - {room} for room in PLAIN},
    **{
        room: {"_internal"} | PLAIN | set(PIPELINE[:place])
        for place, room in enumerate(PIPELINE)
        if place
    },
}
# `theory.loss_curve` takes an experiment.
ALLOWED["theory"] |= {"experiment"}

PRIVATE_IMPORTS = {"sweep/processes.py: jax._src"}

MOST_ENTRIES = 16
MOST_LINES = 300
LONG_FILES: set[str] = set()


LAZY = """
import lazy_loader
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
"""
PICKLES = {"pickle", "cloudpickle", "dill", "joblib", "shelve"}


class Import(NamedTuple):
    """One name that a file imports.

    Attributes:
        file: path below the package.
        module: absolute dotted name; of ``from a import b``, a.b.
    """

    file: str
    module: str

    @property
    def source(self) -> str:
        """The room that imports: a folder at the top of the package, or a file there."""
        return self.file.split("/")[0]


def files_of(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for ending in ("py", "pyi", "sh"):
            yield from sorted((ROOT / folder).rglob(f"*.{ending}"))


def imports_of(path: Path) -> Iterator[Import]:
    """Every import of a file, wherever in it."""
    file = path.relative_to(PACKAGE).as_posix()
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (Import(file, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join((*above, *([node.module] if node.module else [])))
            yield from (Import(file, f"{module}.{alias.name}") for alias in node.names)


IMPORTS = [entry for path in files_of("jaxsup") for entry in imports_of(path)]
ROOMS = {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"__pycache__"}
# Where the names of the package itself come from, by its stub.
PUBLIC = {
    entry.module.split(".")[-1]: entry.module for entry in IMPORTS if entry.file == "__init__.pyi"
}


def imported_room(module: str) -> str | None:
    """The room that a module of this package stands in, None for any other."""
    parts = module.split(".")
    if parts[0] != "jaxsup" or len(parts) < 2:
        return None
    room = PUBLIC.get(parts[1], module).split(".")[1]
    return room if room in ROOMS else None


def between_rooms() -> Iterator[tuple[Import, str]]:
    """The imports of one room from another."""
    for entry in IMPORTS:
        room = imported_room(entry.module)
        if entry.source in ROOMS and room not in {None, entry.source}:
            yield entry, str(room)


def assert_only(violations: set[str], exceptions: set[str]) -> None:
    """There are these violations and no other."""
    forbidden = violations - exceptions
    assert not forbidden
    mended = exceptions - violations
    assert not mended, "take them off the list"


def test_every_room_has_its_place():
    assert set(ALLOWED) == ROOMS
    entries = [path for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= MOST_ENTRIES


def test_imports_go_down_only():
    assert not {
        f"{entry.file}: {room}"
        for entry, room in between_rooms()
        if room not in ALLOWED[entry.source]
    }


def test_there_are_no_circles_between_rooms():
    rooms = graphlib.TopologicalSorter()
    for entry, room in between_rooms():
        rooms.add(entry.source, room)
    rooms.prepare()  # raises CycleError


def test_rooms_import_the_package_by_its_names():
    """``import jaxsup`` would hide what is used of it."""
    assert not [entry for entry in IMPORTS if entry.module == "jaxsup"]


def test_nothing_private_of_jax_is_used():
    violations = {
        f"{entry.file}: jax._src" for entry in IMPORTS if entry.module.startswith("jax._src")
    }
    assert_only(violations, PRIVATE_IMPORTS)


def test_nothing_is_pickled():
    assert not [entry for entry in IMPORTS if entry.module.split(".")[0] in PICKLES]
    for path in files_of("jaxsup"):
        assert "allow_pickle=True" not in path.read_text(), path


def test_rooms_only_re_export():
    """An ``__init__`` holds a docstring and names of its room, or has them in a stub."""
    lazy = {ast.dump(node) for node in ast.parse(LAZY).body}
    for path in PACKAGE.glob("*/**/__init__.py*"):
        body = ast.parse(path.read_text()).body
        for node in body[1:] if path.suffix == ".py" else body:
            names = getattr(node, "names", []) if isinstance(node, ast.ImportFrom) else []
            exports = names and all(alias.asname == alias.name for alias in names)
            # `help` lists what `__all__` names; that these are the same is tested with the names.
            exports = exports or (isinstance(node, ast.Assign) and _targets(node) == ["__all__"])
            assert exports or ast.dump(node) in lazy, f"{path}: line {node.lineno}"


def _targets(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def test_files_are_short():
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines())
        for path in files_of("jaxsup", "tests", "benchmarks", "scripts")
    }
    assert_only({path for path, length in lengths.items() if length > MOST_LINES}, LONG_FILES)


def test_no_file_is_called_utils():
    paths = files_of("jaxsup", "tests", "benchmarks", "scripts")
    assert not [path for path in paths if path.stem.strip("_") in {"util", "utils"}]
