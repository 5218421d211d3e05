"""The public names of the package, read from its files: what the API reference has to hold.

A public module is every one outside of `jaxsup._internal` and `jaxsup.cli`. Its public names are
the functions, classes and constants that it defines under a name without a leading underscore. A
package re-exports names from its modules; each object has one home, the shortest of the paths that
lead to it, and is documented there alone.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "jaxsup"
PRIVATE = {"jaxsup._internal", "jaxsup.cli", "jaxsup.__main__"}


class Module(NamedTuple):
    """A module with what it defines.

    Attributes:
        path: dotted.
        names: its public names, in the order of the file.
    """

    path: str
    names: list[str]


class Package(NamedTuple):
    """A package with what it re-exports and the modules that lie in it.

    Attributes:
        path: dotted.
        exports: where each name comes from: module and name there; a module or package of the
            package itself has the name "".
        modules: in the order of their names, those without public names left out.
    """

    path: str
    exports: dict[str, tuple[str, str]]
    modules: list[Module]


def defined_names(file: Path) -> list[str]:
    """Public functions, classes and constants at the top of a file."""
    names = []
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def exported_names(folder: Path, path: str) -> dict[str, tuple[str, str]]:
    """What the ``__init__`` of a folder re-exports, or its stub where it has one."""
    stub = folder / "__init__.pyi"
    file = stub if stub.exists() else folder / "__init__.py"
    exports = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ImportFrom):
            continue
        source = ".".join(filter(None, [path if node.level else "", node.module or ""]))
        for alias in node.names:
            if alias.asname == alias.name:
                module = source == path and not (folder / f"{alias.name}.pyi").exists()
                exports[alias.name] = (
                    (f"{path}.{alias.name}", "") if module else (source, alias.name)
                )
    return exports


def packages() -> list[Package]:
    """Every public package, those above first."""
    found = []
    for file in sorted(PACKAGE.glob("**/__init__.py"), key=lambda file: file.parent.parts):
        folder = file.parent
        path = ".".join(folder.relative_to(ROOT).parts)
        if is_private(path):
            continue
        modules = [
            Module(f"{path}.{each.stem}", defined_names(each))
            for each in sorted(folder.glob("*.py"))
            if each.stem != "__init__" and not is_private(f"{path}.{each.stem}")
        ]
        exports = exported_names(folder, path)
        found.append(Package(path, exports, [module for module in modules if module.names]))
    return found


def is_private(path: str) -> bool:
    """Whether a module is no part of the public package."""
    return any(path == private or path.startswith(f"{private}.") for private in PRIVATE)


def homes(found: list[Package]) -> dict[str, str]:
    """The path under which each object is documented, by every path that leads to it."""
    exports = {package.path: package.exports for package in found}

    def origin(module: str, name: str) -> str:
        while name and name in exports.get(module, {}):
            module, name = exports[module][name]
        return f"{module}.{name}" if name else module

    paths: dict[str, str] = {}
    for path in every_path(found):
        module, name = path.rsplit(".", 1)
        paths[path] = origin(module, name)
    shortest: dict[str, str] = {}
    for path in sorted(paths, key=lambda path: (path.count("."), len(path))):
        shortest.setdefault(paths[path], path)
    return {path: shortest[source] for path, source in paths.items()}


def every_path(found: list[Package]) -> Iterator[str]:
    """Every path to a name: by the packages that re-export it and by its own module."""
    for package in found:
        yield from (f"{package.path}.{name}" for name in package.exports)
        for module in package.modules:
            yield from (f"{module.path}.{name}" for name in module.names)
