"""A few places among many."""

import numpy as np
from jaxtyping import Int


def even_places(count: int, most: int) -> Int[np.ndarray, " places"]:
    """Up to `most` of `count` positions, rising, evenly from the first to the last.

    >>> even_places(9, 3).tolist(), even_places(2, 3).tolist(), even_places(0, 3).tolist()
    ([0, 4, 8], [0, 1], [])
    """
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)
