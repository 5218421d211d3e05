"""What `jaxsup spectrum` prints of a checkpoint: a row a matrix, below them what was assumed."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxsup.cli.terminal import one_line

if TYPE_CHECKING:
    from jaxsup.weights.files.orientation import Orientation
    from jaxsup.weights.table import CheckpointRow

_COLUMNS = (
    "matrix",
    "stored as",
    "features",
    "rank",
    "saturation",
    "null",
    "localization",
    "eff. rank",
    "tail exponent",
    "tail",
    "KS",
    "coherence",
    "rms cosine",
)
_EXPLAINED = """\
null           saturation of a Gaussian matrix of the same shape: max(K, N) / (K + N - 1)
localization   mean over features of sum_k mu_ik^2: 1 where each is on one eigenspace
eff. rank      exp of the entropy of the singular values' shares
tail exponent  alpha of the eigenvalues' density lambda^-alpha in its upper end, with a 95% interval
tail, KS       eigenvalues in it, and its distance to the fit; of a Gaussian matrix, which has no
               tail, the ends of the interval are a factor of 3 or more apart, KS is 0.11 to 0.18"""


def counted(rows: Iterator[CheckpointRow], total: int) -> list[CheckpointRow]:
    """All rows, with a count of them on the terminal while they are measured.

    Arguments:
        rows: measured one by one.
        total: how many there are.
    """
    if not sys.stderr.isatty():
        return list(rows)
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("matrices"))
    # The terminal itself: the command's own stream lets no control characters through.
    console = Console(file=getattr(sys.stderr, "terminal", sys.stderr))
    with Progress(*columns, console=console, transient=True) as bar:
        return list(bar.track(rows, total=total))


def table_text(rows: Sequence[CheckpointRow], left_out: dict[str, int]) -> str:
    """The table and its footer.

    Arguments:
        rows: measured, in the order of the checkpoint.
        left_out: how many tensors are none of them, by why.
    """
    cells = [_cells(row) for row in rows]
    widths = [max(len(line[k]) for line in [_COLUMNS, *cells]) for k in range(len(_COLUMNS))]
    lines = [_line(_COLUMNS, widths)]
    for row, line in zip(rows, cells, strict=True):
        if row.summary is None:
            start = _line(line[:3], widths[:3])
            lines.append(f"{start:<{sum(widths[:3]) + 4}}  not measured: {one_line(row.problem)}")
        else:
            lines.append(_line(line, widths))
    return "\n".join([*lines, "", *_footer(rows, left_out)])


def table_dict(
    path: Path,
    rows: Sequence[CheckpointRow],
    left_out: dict[str, int],
    figure: Path | None,
    *,
    x64: bool,
) -> dict[str, Any]:
    """All rows with every field, as JSON-safe values."""
    return {
        "checkpoint": str(path),
        "matrices": [row.to_dict() for row in rows],
        "left_out": left_out,
        "precision": {"spectrum": "float64", "cosines": "float64" if x64 else "float32"},
        "figure": None if figure is None else str(figure),
    }


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Text on the left, numbers on the right."""
    parts = [
        f"{cell:<{width}}" if k in (0, 2) else f"{cell:>{width}}"
        for k, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(parts).rstrip()


def _cells(row: CheckpointRow) -> tuple[str, ...]:
    from jaxsup.weights.tails import Tail

    rows, columns = row.shape
    start = (one_line(row.tensor) or "(no name)", f"{rows} x {columns}", _side(row.orientation))
    found = row.summary
    if found is None:
        return (*start, *[""] * (len(_COLUMNS) - len(start)))
    exponent, size, distance = "-", "-", "-"
    if isinstance(found.tail, Tail):
        low, high = found.tail.interval
        exponent = f"{found.tail.exponent:.2f} [{low:.2f}, {high:.2f}]"
        size, distance = str(found.tail.size), f"{found.tail.distance:.3f}"
    at_least = "" if found.coherence.exact else ">= "
    return (
        *start,
        str(found.rank),
        f"{found.saturation:.4f}",
        f"{found.saturation_null:.4f}",
        f"{found.localization:.4f}",
        f"{found.effective_rank:.1f}",
        exponent,
        size,
        distance,
        f"{at_least}{found.coherence.value:.4f}",
        f"{found.coherence.root_mean_square:.4f}",
    )


def _side(orientation: Orientation) -> str:
    """Which side was taken for the features, and why."""
    side = "rows" if orientation.value == "features-latent" else "columns"
    why = {"given": "given", "name": "name", "longer side": "longer", "square": "square"}
    return f"{side} ({why[orientation.reason]})"


def _footer(rows: Sequence[CheckpointRow], left_out: dict[str, int]) -> list[str]:
    from jaxsup.weights.tails import NoTail

    lines = _EXPLAINED.splitlines()
    lines += _orientation_lines({row.orientation.reason for row in rows})
    measured = [row.summary for row in rows if row.summary is not None]
    reasons = Counter(found.tail.reason for found in measured if isinstance(found.tail, NoTail))
    lines += [f"tail -         {reason} ({count})" for reason, count in reasons.items()]
    if not all(found.coherence.exact for found in measured):
        lines.append("coherence >=   of some features against all; --full: all pairs")
    if left_out:
        parts = [f"{count} {reason}" for reason, count in left_out.items()]
        total = sum(left_out.values())
        tensors = f"{total} tensor{'s' * (total != 1)}"
        lines.append(f"left out       {tensors}: {one_line('; '.join(parts))}")
    return lines


def _orientation_lines(reasons: set[str]) -> list[str]:
    """What was assumed of rows and columns, and how to switch."""
    if reasons == {"given"}:
        return ["features       as --orientation says"]
    meanings = {
        "name": "rows, by a name that is an embedding's (name)",
        "longer side": "the longer side (longer)",
        "square": "columns of what is square (square)",
    }
    said = "; ".join(text for reason, text in meanings.items() if reason in reasons)
    return [
        f"features       assumed: {said}.",
        "               nn.Linear stores outputs x inputs, Conv1D inputs x outputs: neither says",
        "               which are features. --orientation features-latent, or latent-features,",
        "               settles it for all; --tensor chooses those that it holds for.",
    ]
