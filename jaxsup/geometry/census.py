"""Counting geometries over many networks: what each is made of, and the share of every name."""

from collections import Counter
from collections.abc import Iterable

from jaxsup.geometry.report import Geometry


def composition(geometry: Geometry) -> str:
    """What a network is made of, largest parts first.

    >>> import numpy as np
    >>> from jaxsup.geometry import classify
    >>> composition(classify(np.array([[1.0, -1, 0, 0, 0], [0, 0, 1, -1, 0]])))
    '2 digons + 1 not represented'
    """
    parts = Counter((len(c.features), c.label, c.name is None) for c in geometry.components)
    words = []
    for (size, name, nameless), count in sorted(parts.items(), key=lambda p: (-p[0][0], p[0][1])):
        if nameless:
            words.append(f"{'' if count == 1 else f'{count} '}{name} of {size} features")
        else:
            words.append(name if count == 1 else f"{count} {_plural(name)}")
    if geometry.not_represented.size:
        words.append(f"{geometry.not_represented.size} not represented")
    return " + ".join(words) or "nothing"


def feature_shares(geometries: Iterable[Geometry]) -> dict[str, float]:
    """Share of the represented features of all networks in components of each name.

    Arguments:
        geometries: results of `classify`.

    Returns:
        By falling share; they add up to 1. "unnamed scheme" takes the undecided ones in. Empty
        where nothing is represented.
    """
    counts: Counter[str] = Counter()
    for geometry in geometries:
        for component in geometry.components:
            label = "unnamed scheme" if component.undecided else component.label
            counts[label] += len(component.features)
    total = sum(counts.values())
    return {name: count / total for name, count in counts.most_common()}


def _plural(name: str) -> str:
    """Of the noun, which numbers may follow; roots are many as they are."""
    noun, bracket, numbers = name.partition(" (")
    if noun.endswith(" roots"):
        return f"sets of {name}"
    for singular, plural in (("hedron", "hedra"), ("simplex", "simplices")):
        if noun.endswith(singular):
            return noun.removesuffix(singular) + plural + bracket + numbers
    return f"{noun}s{bracket}{numbers}"
