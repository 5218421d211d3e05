"""Whether two schemes with marked matrices are the same up to the labels of classes and points.

Equal intersection numbers are not enough: the Shrikhande graph has those of the 4 x 4 rook's graph,
the Chang graphs those of the triangular graph T(8) (Brouwer, Cohen & Neumaier 1989, ch. 9).
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from jaxsup.geometry.scheme import AssociationScheme

_CLOSE = 1e-6  # entries of idempotents; computed to 1e-12 on both sides
_MAX_NODES = 20_000  # of the search tree for the points; a search that long is undecided


def is_isomorphic(
    scheme: AssociationScheme,
    values: Float[np.ndarray, " rank"],
    target: AssociationScheme,
    wanted: Float[np.ndarray, " other"],
) -> bool | None:
    """Whether some bijection of points carries classes to classes and `values` to `wanted`.

    Arguments:
        scheme: the one.
        values: one number for each of its classes.
        target: the other; all of its points must be alike (a transitive group).
        wanted: one number for each class of `target`.

    Returns:
        True or False where that is certain; None, undecided, where the search for a bijection was
        given up after 20,000 nodes.
    """
    if scheme.points != target.points or values.size != wanted.size:
        return False
    if scheme.rank <= 2:  # every bijection of points will do
        return bool((np.abs(values - wanted) < _CLOSE).all())
    maps = _class_maps(scheme.intersection_numbers, values, target.intersection_numbers, wanted)
    verdict = False
    for image in maps:
        match = _match_points(image[scheme.relations], target.relations)
        if match:
            return True
        if match is None:
            verdict = None
    return verdict


def _class_maps(
    numbers: Int[np.ndarray, "rank rank rank"],
    values: Float[np.ndarray, " rank"],
    target: Int[np.ndarray, "rank rank rank"],
    wanted: Float[np.ndarray, " rank"],
) -> Iterator[Int[np.ndarray, " rank"]]:
    """All relabelings of classes that preserve intersection numbers and values."""
    rank = values.size
    alike = np.abs(values[:, None] - wanted) < _CLOSE
    alike &= np.diagonal(numbers[0])[:, None] == np.diagonal(target[0])  # valencies
    stack = [[0]]
    while stack:
        chosen = stack.pop()
        k = len(chosen)
        if k == rank:
            yield np.array(chosen)
            continue
        corner = numbers[: k + 1, : k + 1, : k + 1]
        images = [image for image in np.flatnonzero(alike[k]).tolist() if image not in chosen]
        trials = [[*chosen, image] for image in images]
        stack.extend(trial for trial in trials if _agree(corner, target, trial))


def _agree(
    numbers: Int[np.ndarray, "part part part"],
    target: Int[np.ndarray, "rank rank rank"],
    image: list[int],
) -> bool:
    """Whether the last class of `image` fits: only products that involve it are compared."""
    k, last = len(image) - 1, image[-1]
    grid = np.ix_(image, image)
    return bool(
        (numbers[k] == target[last][grid]).all()
        and (numbers[:, k] == target[:, last][grid]).all()
        and (numbers[:, :, k] == target[:, :, last][grid]).all()
    )


def _match_points(
    relations: Int[np.ndarray, "points points"], target: Int[np.ndarray, "points points"]
) -> bool | None:
    """Whether a permutation of points carries one matrix of classes onto the other.

    None where `_MAX_NODES` did not suffice to tell.

    Fixes one point after another, colors the rest by their relations to the fixed ones, and goes
    on while they have equally many points of each color on either side.
    """
    n, rank = target.shape[0], int(target.max()) + 1
    start = np.zeros(n, dtype=np.int64)
    stack = [(start, start, np.array([0]), 0)]  # colors on both sides, images to try, point
    for _ in range(_MAX_NODES):
        if not stack:
            return False
        colors, wanted, images, point = stack.pop()
        if images.size > 1:
            stack.append((colors, wanted, images[1:], point))
        refined = colors * rank + relations[images[0]], wanted * rank + target[point]
        palette, numbered = np.unique(np.concatenate(refined), return_inverse=True)
        colors, wanted = numbered[:n], numbered[n:]
        counts = np.bincount(wanted, minlength=palette.size)
        if (np.bincount(colors, minlength=palette.size) != counts).any():
            continue
        if counts.max() == 1:
            order, onto = np.argsort(colors), np.argsort(wanted)
            if (relations[np.ix_(order, order)] == target[np.ix_(onto, onto)]).all():
                return True
            continue
        cell = int(np.argmin(np.where(counts > 1, counts, n + 1)))
        point = int(np.flatnonzero(wanted == cell)[0])
        stack.append((colors, wanted, np.flatnonzero(colors == cell), point))
    return None if stack else False
