"""Counting geometries over many networks: what each is made of, and the share of every name."""

from collections import Counter
from collections.abc import Iterable, Sequence

from jaxsup.geometry.report import Component, Geometry

IRREGULAR = "irregular"
UNNAMED = "unnamed scheme"


def component_name(component: Component) -> str:
    """The component's name, "unnamed scheme" or "irregular"."""
    if component.name is not None:
        return component.name
    return IRREGULAR if component.scheme is None else UNNAMED


def composition(geometry: Geometry) -> str:
    """What a network is made of, largest parts first.

    >>> import numpy as np
    >>> from jaxsup.geometry import classify
    >>> composition(classify(np.array([[1.0, -1, 0, 0, 0], [0, 0, 1, -1, 0]])))
    '2 digons + 1 not represented'
    """
    parts = Counter((len(c.features), component_name(c)) for c in geometry.components)
    words = []
    for (size, name), count in sorted(parts.items(), key=lambda item: (-item[0][0], item[0][1])):
        if name in (IRREGULAR, UNNAMED):
            words.append(f"{'' if count == 1 else f'{count} '}{name} of {size} features")
        else:
            words.append(name if count == 1 else f"{count} {_plural(name)}")
    if geometry.not_represented.size:
        words.append(f"{geometry.not_represented.size} not represented")
    return " + ".join(words) or "nothing"


def feature_shares(geometries: Iterable[Geometry]) -> dict[str, float]:
    """Share of the represented features of all networks in components of each name.

    Returns:
        By falling share; they add up to 1. Empty where nothing is represented.
    """
    counts: Counter[str] = Counter()
    for geometry in geometries:
        for component in geometry.components:
            counts[component_name(component)] += len(component.features)
    total = sum(counts.values())
    return {name: count / total for name, count in counts.most_common()}


def commonest(words: Sequence[str]) -> tuple[str, int]:
    """The most frequent of `words` and how often it occurs."""
    return Counter(words).most_common(1)[0]


def _plural(name: str) -> str:
    ends = {"tetrahedron": "tetrahedra", "octahedron": "octahedra", "simplex": "simplices"}
    return ends.get(name, name + "s")
