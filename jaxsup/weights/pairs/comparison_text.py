"""A `Comparison` in words."""

import numpy as np
from jaxtyping import Float, Int

from jaxsup._internal.text import align_left
from jaxsup.weights.features.labels import Labels
from jaxsup.weights.pairs.alignment import SameFeatures
from jaxsup.weights.pairs.comparison import Comparison, SharedEigenspaces, SubspaceAngles
from jaxsup.weights.pairs.matching import Assignment, Matches

_NEAR = 0.9  # cosine from which a match is counted as the same direction
_LISTED = 5  # matches at either end that are named
_WIDTH = 14  # of what stands before the values


def describe_comparison(comparison: Comparison, first: Labels, second: Labels) -> str:
    """Tables of all that was compared, and a line for what could not be.

    Arguments:
        comparison: what was found.
        first: names of the features of A.
        second: names of the features of B.
    """
    rows = _sizes(comparison)
    if comparison.bases is None:
        rows.append(("subspaces", "and features by their index: left out at this size (--full)"))
    if comparison.latent_angles is not None:
        rows += _angle_rows("column spaces", "latent dimensions", comparison.latent_angles)
    if comparison.feature_angles is not None:
        rows += _angle_rows("row spaces", "features", comparison.feature_angles)
    if comparison.same is not None:
        rows += _same_rows(comparison.same)
    parts = [rows]
    if comparison.matches is not None:
        kind = "|cosine|" if comparison.absolute else "cosine"
        parts.append([("matches", f"of each feature that is not zero, by {kind}")])
        for title, found in zip(("A in B", "B in A"), comparison.matches, strict=True):
            parts[-1] += _match_rows(title, found, absolute=comparison.absolute)
        parts[-1] += _assignment_rows(comparison.assignment, absolute=comparison.absolute)
    elif comparison.shapes[0][0] == comparison.shapes[1][0]:
        parts.append([("matches", "none: a matrix is zero")])
    blocks = ["\n".join(f"{name:<{_WIDTH}} {value}" for name, value in part) for part in parts]
    if comparison.eigenspaces is not None:
        blocks.append(_eigenspace_table(comparison.eigenspaces))
    if comparison.matches is not None:
        blocks.append(_named(comparison.matches[0], first, second))
    return "\n\n".join(blocks)


def _sizes(comparison: Comparison) -> list[tuple[str, str]]:
    rows = []
    for place, (name, (latent, features)) in enumerate(zip("AB", comparison.shapes, strict=True)):
        text = f"{latent:,} latent dimensions, {features:,} features"
        if comparison.bases is not None:
            text += f", rank {comparison.bases[place].rank:,} in float64"
        rows.append((name, text))
    (latent, features), (others, second) = comparison.shapes
    if latent != others:
        rows.append(("latent space", "not compared: the latent sizes differ"))
    if features != second:
        rows.append(("features", "not compared by index: their numbers differ"))
    return rows


def _angle_rows(name: str, of: str, found: SubspaceAngles) -> list[tuple[str, str]]:
    sizes = f"{found.dimensions[0]:,} and {found.dimensions[1]:,} of {found.ambient:,} {of}"
    if not found.angles.size:
        return [(name, f"{sizes}: no angles")]
    if found.forced:
        return [(name, f"{sizes}: one of them is the whole space, every angle is 0")]
    low, middle, high = np.degrees(np.percentile(found.angles, [0, 50, 100]))
    return [
        (name, f"{sizes}"),
        ("", f"principal angles {low:.3g} to {high:.3g} degrees, median {middle:.3g}"),
        ("", f"mean squared cosine {found.mean_squared_cosine:.4f}; random: {found.null:.4f}"),
    ]


def _same_rows(found: SameFeatures) -> list[tuple[str, str]]:
    rows = []
    if found.cosines is not None:
        rows.append(("same index", f"cosine {_spread(found.cosines)}"))
    text = f"cosine {_spread(found.aligned)}, after the best rotation; shuffled: {found.null:.4f}"
    return [*rows, ("" if rows else "same index", text)]


def _match_rows(title: str, found: Matches, *, absolute: bool) -> list[tuple[str, str]]:
    best = np.abs(found.cosines) if absolute else found.cosines
    partly = "" if found.exact else ", evenly spaced (--full: all)"
    near = int(np.sum(best >= _NEAR))
    mutual, count = int(found.mutual.sum()), found.features.size
    nulls = [
        f"{text} {null.mean:.4f} +- {null.stderr:.1g}"
        for text, null in (
            ("random directions", found.null),
            ("of A's mean and covariance", found.null_of_moments),
        )
    ]
    nulls[1] = nulls[1].replace("A's", f"{title[0]}'s")
    return [
        (title, f"{count:,} features{partly}: best {_spread(best)}"),
        ("", "; ".join(nulls)),
        ("", f"{near:,} of {_NEAR:g} or more; {mutual:,} are each other's best"),
    ]


def _assignment_rows(found: Assignment | None, *, absolute: bool) -> list[tuple[str, str]]:
    if found is None:
        return [("one to one", "left out: more than 2^24 pairs of features")]
    sizes = np.abs(found.cosines) if absolute else found.cosines
    return [("one to one", f"{found.features.size:,} pairs of largest sum: {_spread(sizes)}")]


def _eigenspace_table(found: SharedEigenspaces) -> str:
    counts = f"{len(found.sizes[0])} eigenspaces of A, {len(found.sizes[1])} of B"
    if found.overlaps is None:
        spans = _columns(
            ("dimension", "overlap", "random"),
            [
                (f"{k}", f"{overlap:.4f}", f"{k / found.latent:.4f}")
                for k, overlap in zip(found.leading, found.leading_overlaps, strict=True)
            ],
        )
        reason = f"{counts}, too many or chains of close eigenvalues: spans of the leading ones"
        return f"{reason}\n{spans}"
    rows = [
        (f"A {i} ({size})", *(f"{value:.4f}" for value in row))
        for i, (size, row) in enumerate(zip(found.sizes[0], found.overlaps, strict=True))
    ]
    heads = ("", *(f"B {j} ({size})" for j, size in enumerate(found.sizes[1])))
    title = f"{counts} (dimension): overlap tr(P Q) / smaller dimension"
    return f"{title}\n{_columns(heads, rows)}"


def _named(found: Matches, first: Labels, second: Labels) -> str:
    """The best and the worst matches of A in B."""
    order = np.argsort(-np.abs(found.cosines), kind="stable")
    count = min(_LISTED, order.size // 2) or order.size
    tables = []
    for title, places in (("best matched", order[:count]), ("worst matched", order[-count:])):
        rows = [
            (
                first.show(int(found.features[k])),
                second.show(int(found.partners[k])),
                f"{found.cosines[k]:.4f}",
                "yes" if found.mutual[k] else "no",
            )
            for k in places
        ]
        tables.append(f"{title}\n" + _columns(("A", "B", "cosine", "mutual"), rows))
    return "\n\n".join(tables)


def _columns(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join(f"  {line}" for line in align_left([heads, *rows]))


def _spread(values: Float[np.ndarray, " values"] | Int[np.ndarray, " values"]) -> str:
    low, middle, high = np.percentile(values, [5, 50, 95])
    return f"mean {values.mean():.4f}, median {middle:.4f}, 5% to 95%: {low:.4f} to {high:.4f}"
