"""`jaxsup --version`: of the package, and of what its numbers depend on."""

from importlib.metadata import PackageNotFoundError, version

from jaxsup import __version__


def format_versions() -> str:
    """The versions of the package, jax and jaxlib, none of them imported for it."""
    lines = [f"jaxsup {__version__}"]
    for name in ("jax", "jaxlib"):
        try:
            lines.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            lines.append(f"{name} not installed")
    return "\n".join(lines)
