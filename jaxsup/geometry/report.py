"""What `classify` returns: components, eigenspaces and the whole, with a table and a dictionary."""

import dataclasses
from collections import Counter
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from jaxsup._internal.display import html_text, named
from jaxsup._internal.text import align_left
from jaxsup.geometry.embedding import Idempotent
from jaxsup.geometry.scheme import AssociationScheme

_COLUMNS = ("count", "geometry", "features", "dimension", "capacity", "eigenvalue", "margin")
_ROWS = 40  # of the table
_NAMED = 8  # kinds of components, and features of one, that one line names


@dataclasses.dataclass(frozen=True, eq=False)
class Component:
    """Features that overlap with one another and are orthogonal to all others.

    Attributes:
        features: column indices into W, rising.
        name: in the catalogue; None for "irregular" and for a scheme without one.
        undecided: names of the catalogue that a search could neither prove nor rule out; empty
            where there is a name or where there certainly is none.
        kind: whether it is an association scheme.
        dimension: of the span.
        exact_capacity: dimension / features where a scheme makes the component a tight frame, else
            None.
        measured_capacity: mean over the features of D_i = ||w_i||^4 / sum_j (w_i . w_j)^2, j in the
            component.
        eigenvalue: lambda = sum_i ||w_i||^2 / dimension: the eigenvalue of F if `tight`, else their
            mean.
        tight: whether sum_i w_i w_i^T = lambda times the projector onto the span, within the
            tolerance.
        scheme: of the features, or of +-w_i if `signed`; None if irregular.
        signed: True where only +-w_i form a scheme: its 2n points are w_1, ..., w_n, -w_1, ...,
            -w_n.
        idempotents: the E_j that the Gram matrix of the scheme's points uses, with their
            coefficients.
        margin: noise that the verdict survives: it holds for w_i + e_i if ||e_i|| < margin ||w_i||
            for all i of the whole matrix. At most the tolerance for a scheme; 0.0 where it was not
            computed.
        spread: width of the widest color class of cosines: the noise that is there (0 if not
            computed).
        reason: why it is irregular; empty for a scheme.
    """

    features: Int[np.ndarray, " members"]
    name: str | None
    undecided: tuple[str, ...]
    kind: Literal["scheme", "irregular"]
    dimension: int
    exact_capacity: Fraction | None
    measured_capacity: float
    eigenvalue: float
    tight: bool
    scheme: AssociationScheme | None
    signed: bool
    idempotents: tuple[Idempotent, ...]
    margin: float
    spread: float
    reason: str

    @property
    def label(self) -> str:
        """The name; "unnamed scheme", "undecided scheme" or "irregular" where there is none."""
        if self.name is not None:
            return self.name
        if self.scheme is None:
            return "irregular"
        return "undecided scheme" if self.undecided else "unnamed scheme"

    @property
    def capacity(self) -> Fraction | float:
        """Fractional dimension of each feature: exact where the scheme gives it, else measured."""
        return self.measured_capacity if self.exact_capacity is None else self.exact_capacity

    def describe(self) -> str:
        """One line: the name, or the scheme's parameters, or why it is irregular."""
        head = self.label
        if self.undecided:
            head += f" ({' or '.join(self.undecided)}, or none of the catalogue)"
        size = f"{len(self.features)} features in dimension {self.dimension}"
        if self.scheme is None:
            return f"{head}: {size}; {self.reason}"
        if self.idempotents:
            terms = " + ".join(
                f"{item.coefficient:.4g} E_{item.index}" for item in self.idempotents
            )
            terms = f"; Gram matrix{' of +-w' if self.signed else ''} = {terms}"
        else:
            terms = ""
        return f"{head}: {size}, capacity {_capacity(self)}; {self.scheme}{terms}"

    def __repr__(self) -> str:
        count, first = len(self.features), ", ".join(map(str, self.features[:_NAMED]))
        which = f"{count} feature{'s' * (count != 1)} {first}{', ...' * (count > _NAMED)}"
        text = f"{self.label}, {which}; dimension {self.dimension}, capacity {_capacity(self)}"
        return named(self, text)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-safe values; the exact capacity as a string like "2/5"."""
        plain = (
            "name",
            "undecided",
            "kind",
            "dimension",
            "measured_capacity",
            "eigenvalue",
            "tight",
            "signed",
        )
        exact = self.exact_capacity
        return {
            "features": self.features.tolist(),
            **{key: getattr(self, key) for key in plain},
            "capacity": float(self.capacity),
            "exact_capacity": None if exact is None else f"{exact.numerator}/{exact.denominator}",
            "scheme": None if self.scheme is None else self.scheme.to_dict(),
            "idempotents": [dataclasses.asdict(item) for item in self.idempotents],
            "margin": self.margin,
            "spread": self.spread,
            "reason": self.reason,
        }


@dataclasses.dataclass(frozen=True, eq=False)
class Eigenspace:
    """Tight components with one eigenvalue of F: together a tight frame of their joint span.

    Equal eigenvalues stay together under noise up to the tolerance; margins do not cover this.
    Eigenvalues that a chain of such steps connects are not told apart either: `spread` shows how
    far it reaches, and one that reaches beyond the tolerance is no tight frame and has no name.

    Attributes:
        eigenvalue: lambda, in squared units of W; the mean over the dimensions.
        spread: largest minus smallest eigenvalue of the components, in squared units of W.
        dimension: of the joint span.
        components: indices into `Geometry.components`.
        name: the only component's name; "orthonormal basis" for k > 1 single features; for k > 1
            digons the cross-polytope that they form ("square", "octahedron", "16-cell", ...); else,
            and for a chain of eigenvalues beyond the tolerance, None.
    """

    eigenvalue: float
    spread: float
    dimension: int
    components: tuple[int, ...]
    name: str | None


@dataclasses.dataclass(frozen=True, eq=False)
class Geometry:
    """The verdict on a weight matrix.

    Attributes:
        components: in the order of their first features; none where they were left out.
        not_represented: indices of the features of zero norm, relative to the largest.
        eigenspaces: by falling eigenvalue; components that are not tight frames belong to none.
        norms: ||w_i|| of every feature.
        tolerance: relative noise on a feature that the verdict forgives.
    """

    components: tuple[Component, ...]
    not_represented: Int[np.ndarray, " dead"]
    eigenspaces: tuple[Eigenspace, ...]
    norms: Float[np.ndarray, " features"]
    tolerance: float

    @property
    def left_out(self) -> bool:
        """Whether there are features, but too many to be split into components."""
        return not self.components and len(self.not_represented) < len(self.norms)

    @property
    def margin(self) -> float:
        """The smallest margin of all components; 0.0 if there are none."""
        return min((component.margin for component in self.components), default=0.0)

    @property
    def names(self) -> dict[str, int]:
        """How many components bear each name."""
        return dict(Counter(c.name for c in self.components if c.name is not None))

    @property
    def named_share(self) -> float:
        """Share of the represented features in a named component (NaN if none is represented)."""
        sizes = np.array([len(c.features) for c in self.components])
        named = np.array([c.name is not None for c in self.components], dtype=bool)
        return float(sizes[named].sum() / sizes.sum()) if sizes.size else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-safe values."""
        spaces = [
            {**dataclasses.asdict(s), "components": list(s.components)} for s in self.eigenspaces
        ]
        share = self.named_share
        return {
            "components": [component.to_dict() for component in self.components],
            "not_represented": self.not_represented.tolist(),
            "eigenspaces": spaces,
            "norms": self.norms.tolist(),
            "names": self.names,
            "named_share": None if np.isnan(share) else share,
            "tolerance": self.tolerance,
            "margin": self.margin,
        }

    def __repr__(self) -> str:
        kinds = Counter(component.label for component in self.components).most_common()
        names = [f"{count} {name}" for name, count in kinds[:_NAMED]]
        more = [f"{len(kinds) - _NAMED} more kinds"] if len(kinds) > _NAMED else []
        left_out = ["components left out"] if self.left_out else []
        dead = self.not_represented.size
        absent = [f"{dead} not represented"] if dead else []
        parts = [f"{len(self.norms)} features", *left_out, *names, *more, *absent]
        return named(self, ", ".join(parts))

    def _repr_html_(self) -> str:
        return html_text(f"{self!r}\n\n{self}")

    def __str__(self) -> str:
        """A table with one row for each kind of component, most features first."""
        if self.left_out:
            return "components left out: more pairs of features than are compared at this size"
        groups: dict[tuple[Any, ...], list[Component]] = {}
        for component in self.components:
            groups.setdefault(_group(component), []).append(component)
        ordered = sorted(groups.values(), key=lambda g: -sum(len(c.features) for c in g))
        rows = [_COLUMNS, *(_row(group) for group in ordered[:_ROWS])]
        lines = align_left(rows)
        if len(ordered) > _ROWS:
            lines.append(f"and {len(ordered) - _ROWS} more kinds")
        if self.not_represented.size:
            lines.append(f"{self.not_represented.size} features not represented")
        return "\n".join(lines)


def _group(component: Component) -> tuple[str, int, int, bool, bool]:
    exact = component.exact_capacity is not None
    return component.label, len(component.features), component.dimension, exact, component.signed


def _row(group: list[Component]) -> tuple[str, ...]:
    first = group[0]
    return (
        str(len(group)),
        first.label,
        str(len(first.features)),
        str(first.dimension),
        _capacity(first) if first.exact_capacity else _range([c.measured_capacity for c in group]),
        _range([c.eigenvalue for c in group]),
        f"{min(c.margin for c in group):.2g}",
    )


def _capacity(component: Component) -> str:
    exact = component.exact_capacity
    return f"{component.measured_capacity:.4g}" if exact is None else str(exact)


def _range(values: list[float]) -> str:
    low, high = f"{min(values):.4g}", f"{max(values):.4g}"
    return low if low == high else f"{low} to {high}"
