"""Whether two schemes with marked matrices are the same up to the labels of classes and points.

Equal intersection numbers are not enough: the Shrikhande graph has those of the 4 x 4 rook's graph,
the Chang graphs those of the triangular graph T(8) (Brouwer, Cohen & Neumaier 1989, ch. 9).
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from jaxsup.geometry.scheme import AssociationScheme

_CLOSE = 1e-6  # entries of idempotents; computed to 1e-12 on both sides
_MAX_NODES = 20_000  # of the search tree for the points; a search that long counts as no match


def is_isomorphic(
    scheme: AssociationScheme,
    values: Float[np.ndarray, " rank"],
    target: AssociationScheme,
    wanted: Float[np.ndarray, " other"],
) -> bool:
    """Whether some bijection of points carries classes to classes and `values` to `wanted`.

    Args:
        scheme, values: a scheme and one number for each class.
        target, wanted: the same; all points of this scheme must be alike (a transitive group).
    """
    if scheme.points != target.points or values.size != wanted.size:
        return False
    if scheme.rank <= 2:  # every bijection of points will do
        return bool((np.abs(values - wanted) < _CLOSE).all())
    maps = _class_maps(scheme.intersection_numbers, values, target.intersection_numbers, wanted)
    return any(_match_points(image[scheme.relations], target.relations) for image in maps)


def _class_maps(
    numbers: Int[np.ndarray, "rank rank rank"],
    values: Float[np.ndarray, " rank"],
    target: Int[np.ndarray, "rank rank rank"],
    wanted: Float[np.ndarray, " rank"],
) -> Iterator[Int[np.ndarray, " rank"]]:
    """All relabellings of classes that preserve intersection numbers and values."""
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


def _agree(numbers: np.ndarray, target: np.ndarray, image: list[int]) -> bool:
    """Whether the last class of `image` fits: only products that involve it are compared."""
    k, last = len(image) - 1, image[-1]
    grid = np.ix_(image, image)
    return bool(
        (numbers[k] == target[last][grid]).all()
        and (numbers[:, k] == target[:, last][grid]).all()
        and (numbers[:, :, k] == target[:, :, last][grid]).all()
    )


def _match_points(relations: np.ndarray, target: np.ndarray) -> bool:
    """Whether a permutation of points carries one matrix of classes onto the other.

    Fixes one point after another, colours the rest by their relations to the fixed ones, and goes
    on while both sides have equally many points of each colour.
    """
    n, rank = target.shape[0], int(target.max()) + 1
    start = np.zeros(n, dtype=np.int64)
    stack = [(start, start, np.array([0]), 0)]  # colours on both sides, images to try, point
    for _ in range(_MAX_NODES):
        if not stack:
            return False
        left, right, images, point = stack.pop()
        if images.size > 1:
            stack.append((left, right, images[1:], point))
        refined = left * rank + relations[images[0]], right * rank + target[point]
        colours, both = np.unique(np.concatenate(refined), return_inverse=True)
        left, right = both[:n], both[n:]
        counts = np.bincount(right, minlength=colours.size)
        if (np.bincount(left, minlength=colours.size) != counts).any():
            continue
        if counts.max() == 1:
            order, onto = np.argsort(left), np.argsort(right)
            if (relations[np.ix_(order, order)] == target[np.ix_(onto, onto)]).all():
                return True
            continue
        cell = int(np.argmin(np.where(counts > 1, counts, n + 1)))
        point = int(np.flatnonzero(right == cell)[0])
        stack.append((left, right, np.flatnonzero(left == cell), point))
    return False
