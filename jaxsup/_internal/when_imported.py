"""What is to be done once another package is imported, without importing it.

This is loaded with the package itself: it imports nothing that takes time.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as typing has it, which takes time
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType


def when_imported(package: str, act: Callable[[], object]) -> None:
    """Act as soon as a package is imported: now, if it is.

    Arguments:
        package: its name.
        act: called once, without arguments, when the package has been imported.
    """
    if package in sys.modules:
        act()
    else:
        sys.meta_path.insert(0, _Watch(package, act))  # pyright: ignore


class _Watch:
    """Finds one package as the other finders do, and hears when it has been loaded."""

    def __init__(self, package: str, act: Callable[[], object]) -> None:
        self.package, self.act = package, act

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.package:
            return None
        for finder in sys.meta_path:
            spec = finder.find_spec(fullname, path, target) if finder is not self else None
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Telling(spec.loader, self)  # pyright: ignore
                return spec
        return None

    def loaded(self) -> None:
        """The package has been imported."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
            self.act()


class _Telling:
    """A loader that says when it has loaded. The module never sees it, but its own loader."""

    def __init__(self, loader: Loader, watch: _Watch) -> None:
        self.loader, self.watch = loader, watch

    def __getattr__(self, name: str) -> object:
        # Files and data of a package are asked for without importing it.
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__loader__ = module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        self.watch.loaded()
