"""Association schemes: eigenmatrices, multiplicities and idempotents from intersection numbers.

The classes R_0 (the diagonal), ..., R_d have adjacency matrices with A_i A_j = sum_k p_ij^k A_k.
In the commutative case they span the Bose-Mesner algebra, whose primitive idempotents E_0 = J/n,
..., E_d satisfy A_i = sum_j P[j, i] E_j and n E_j = sum_i Q[i, j] A_i, with P Q = n I.

References: Bannai & Ito, "Algebraic Combinatorics I" (1984), ch. II; Brouwer, Cohen & Neumaier,
"Distance-Regular Graphs" (1989), ch. 2; Godsil, "Algebraic Combinatorics" (1993), ch. 12.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jaxsup._internal.display import fields_in_short
from jaxsup._internal.validation import fail
from jaxsup.geometry.coherent import Closure


@dataclasses.dataclass(frozen=True, eq=False)
class AssociationScheme:
    """A homogeneous coherent configuration on `points` points; a commutative one has P and Q.

    The closure of a symmetric matrix is commutative exactly if it is symmetric: the symmetrization
    of a commutative scheme is a scheme again, and a coarser one that the matrix already fits into.

    Attributes:
        relations: class of each pair; 0 is the diagonal. Metric schemes count distances in class 1.
        intersection_numbers: p[k, i, j] = p_ij^k.
        P: first eigenmatrix: P[j, i] is the eigenvalue of A_i on E_j. Row 0 holds the valencies.
        Q: second eigenmatrix: Q[i, j] / n is the entry of E_j on class i. Row 0: multiplicities.
    """

    relations: Int[np.ndarray, "points points"]
    intersection_numbers: Int[np.ndarray, "rank rank rank"]
    P: Float[np.ndarray, "rank rank"] | None
    Q: Float[np.ndarray, "rank rank"] | None
    __repr__ = fields_in_short

    @property
    def points(self) -> int:
        """n, the number of points."""
        return self.relations.shape[0]

    @property
    def rank(self) -> int:
        """Number of classes with the diagonal."""
        return self.intersection_numbers.shape[0]

    @property
    def classes(self) -> int:
        """d, the number of classes without the diagonal."""
        return self.rank - 1

    @property
    def valencies(self) -> Int[np.ndarray, " rank"]:
        """k_i, how many points are in class i with a given one."""
        return np.bincount(self.relations[0], minlength=self.rank)

    @property
    def multiplicities(self) -> Int[np.ndarray, " rank"] | None:
        """m_j = rank E_j."""
        return None if self.Q is None else np.rint(self.Q[0]).astype(np.int64)

    @property
    def symmetric(self) -> bool:
        """Whether (y, x) is always in the class of (x, y)."""
        return bool((self.relations == self.relations.T).all())

    @property
    def commutative(self) -> bool:
        """Whether p_ij^k = p_ji^k."""
        numbers = self.intersection_numbers
        return bool((numbers == numbers.transpose(0, 2, 1)).all())

    @property
    def intersection_array(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """{b_0, ..., b_{d-1}; c_1, ..., c_d} where class 1 is a distance-regular graph."""
        layers = _distances(self.intersection_numbers, 1) if self.rank > 1 else None
        if layers is None or list(layers) != list(range(self.rank)):
            return None
        numbers, d = self.intersection_numbers, self.classes
        ups = tuple(int(numbers[i, 1, i + 1]) for i in range(d))
        return ups, tuple(int(numbers[i, 1, i - 1]) for i in range(1, d + 1))

    def idempotent(self, j: int) -> Float[np.ndarray, "points points"]:
        """E_j = (1/n) sum_i Q[i, j] A_i; commutative schemes only.

        Arguments:
            j: 0, ..., d.

        Raises:
            ValueError: the scheme is not commutative: its classes have no common eigenspaces.
        """
        if self.Q is None:
            do = "leave its idempotents out where `commutative` is False"
            expected, text = "a commutative scheme", "one that is not commutative"
            raise fail("scheme", expected, text, do, described=True)
        return self.Q[self.relations, j] / self.points

    def to_dict(self) -> dict[str, Any]:
        """The parameters as JSON-safe values; not the relations, whose size is points^2."""
        m = self.multiplicities
        return {
            "points": self.points,
            "classes": self.classes,
            "valencies": self.valencies.tolist(),
            "multiplicities": None if m is None else m.tolist(),
            "intersection_numbers": self.intersection_numbers.tolist(),
            "P": None if self.P is None else self.P.tolist(),
            "Q": None if self.Q is None else self.Q.tolist(),
            "symmetric": self.symmetric,
            "commutative": self.commutative,
        }

    def __str__(self) -> str:
        kind = "scheme" if self.commutative else "non-commutative scheme"
        text = f"{self.classes}-class {kind} on {self.points} points"
        text += f", valencies {_list(self.valencies)}"
        if self.multiplicities is not None:
            text += f", multiplicities {_list(self.multiplicities)}"
        array = self.intersection_array
        if self.classes == 2 and array is not None:
            k, first = self.valencies[1], self.intersection_numbers[1, 1, 1]
            second = self.intersection_numbers[2, 1, 1]
            text += f", strongly regular graph ({self.points}, {k}, {first}, {second})"
        elif self.classes > 1 and array is not None:
            text += f", intersection array {{{_list(array[0])}; {_list(array[1])}}}"
        return text


def build_scheme(closure: Closure, colors: Int[np.ndarray, "points points"]) -> AssociationScheme:
    """The scheme of a closure, with classes and idempotents in their usual order.

    Classes: if some class generates the rest as distances in its graph, distance order (of those
    classes the one of lowest color is class 1); else by rising color, so by falling cosine.
    Idempotents: E_0 = J/n, then by falling eigenvalue of class 1, of class 2, ... The order follows
    from colors and intersection numbers alone, so noise that keeps these keeps the labels.
    """
    matrix, numbers = closure
    rank = numbers.shape[0]
    _, first = np.unique(matrix, return_index=True)
    order = _class_order(numbers, colors.ravel()[first])
    matrix = np.argsort(order)[matrix]
    numbers = np.ascontiguousarray(numbers[np.ix_(order, order, order)])
    P = Q = None
    if (numbers == numbers.transpose(0, 2, 1)).all():
        P, Q = _eigenmatrices(numbers, np.bincount(matrix[0], minlength=rank))
    return AssociationScheme(matrix, numbers, P, Q)


def _class_order(
    numbers: Int[np.ndarray, "rank rank rank"], colors: Int[np.ndarray, " rank"]
) -> Int[np.ndarray, " rank"]:
    rank = numbers.shape[0]
    keys = _number_rows(np.stack([np.arange(rank) > 0, colors, numbers[0].max(axis=1)], axis=1))
    while np.unique(keys).size < rank:  # colors that the closure has split
        refined = _refine_keys(numbers, keys)
        if refined.max() == keys.max():  # what is still tied is interchangeable: take either first
            tied = int(np.flatnonzero(np.bincount(keys) > 1)[0])
            refined = 2 * keys + 1
            refined[np.flatnonzero(keys == tied)[0]] -= 1
        keys = _number_rows(refined[:, None])
    order = np.argsort(keys)
    for generator in order[1:]:
        layers = _distances(numbers, int(generator))
        if layers is not None:
            return np.argsort(layers)
    return order


def _refine_keys(
    numbers: Int[np.ndarray, "rank rank rank"], keys: Int[np.ndarray, " rank"]
) -> Int[np.ndarray, " rank"]:
    """Split equal keys by the intersection numbers p_ij^k, as multisets over the keys of i, j."""
    rank = keys.size
    pairs = keys[:, None] * rank + keys
    codes = pairs * (int(numbers.max()) + 1) + numbers
    codes = np.sort(codes.reshape(rank, -1), axis=1)
    return _number_rows(np.column_stack([keys, codes]))


def _number_rows(rows: Int[np.ndarray, "rows columns"]) -> Int[np.ndarray, " rows"]:
    """Number the rows by their lexicographic order, equal rows alike."""
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)


def _distances(
    numbers: Int[np.ndarray, "rank rank rank"], generator: int
) -> Int[np.ndarray, " rank"] | None:
    """Distance of each class in the graph of one class, or None where two classes share one."""
    rank = numbers.shape[0]
    layers = np.full(rank, -1)
    layers[0], reached = 0, np.array([0])
    for distance in range(1, rank):
        near = (numbers[:, generator, reached] > 0).any(axis=1) & (layers < 0)
        if near.sum() != 1:
            return None
        reached = np.flatnonzero(near)
        layers[reached] = distance
    return layers


def _eigenmatrices(
    numbers: Int[np.ndarray, "rank rank rank"], valencies: Int[np.ndarray, " rank"]
) -> tuple[Float[np.ndarray, "rank rank"], Float[np.ndarray, "rank rank"]]:
    """P and Q of a symmetric scheme, by diagonalizing a generic element of its algebra.

    In the orthonormal basis A_k / sqrt(n k_k), multiplication by A_i is the symmetric matrix
    p_ij^k sqrt(k_k / k_j); all of these share the eigenvectors of a generic combination, each once.
    """
    rank, scale = valencies.size, np.sqrt(valencies)
    if rank == 1:
        return np.ones((1, 1)), np.ones((1, 1))
    products = numbers.transpose(1, 0, 2) * scale[:, None] / scale  # [i, k, j]
    products = (products + products.transpose(0, 2, 1)) / 2
    generator = np.random.default_rng(0)
    best, vectors = -1.0, np.eye(rank)
    for _ in range(4):  # the clearest of a few generic combinations
        weights = generator.normal(size=rank) / valencies
        values, trial = np.linalg.eigh(np.tensordot(weights, products, axes=1))
        gap = float(np.diff(values).min(initial=np.inf)) / max(float(np.ptp(values)), 1e-300)
        if gap > best:
            best, vectors = gap, trial
    P = ((products @ vectors) * vectors).sum(axis=1).T
    near = np.rint(P)
    P = np.where(np.abs(P - near) < 1e-9 * np.maximum(1.0, np.abs(P)), near, P)
    trivial = np.argmin(np.abs(P - valencies).max(axis=1))
    keys = [(j != trivial, *(-np.round(P[j, 1:], 6))) for j in range(rank)]
    P = P[sorted(range(rank), key=keys.__getitem__)] + 0.0
    multiplicities = np.rint(valencies.sum() / (P**2 / valencies).sum(axis=1))
    return P, multiplicities * (P / valencies).T


def _list(values: Iterable[Any]) -> str:
    return ", ".join(str(int(value)) for value in values)
