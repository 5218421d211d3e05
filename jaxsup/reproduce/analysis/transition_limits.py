"""What the transition at few features can show, and what it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxsup.reproduce.analysis.transition_table import Row

_ENOUGH, _FEWEST = 256, 64
"""Features from which on exponents may be held to the claim, and from which on laws are seen."""


def limits(table: Sequence[Row]) -> list[str]:
    """Lines that say what the size decides; none where it is large enough.

    Arguments:
        table: result of `transition_table.measure`.
    """
    row = table[0]
    count = round(row.ratio * row.latent)
    if count >= _ENOUGH:
        return []
    seeds = len(row.loss) + row.silent + row.diverged
    size = f"This size ({count} features, {seeds} seeds)"
    if count < _FEWEST:
        return [f"{size} decides nothing: curves are too short. It shows that everything runs."]
    return [
        f"{size} shows: which stretches of the loss curves are power laws,",
        "how exponents climb along training where columns overlap (random W), and how they depend",
        "on N/K. It cannot show whether they reach 1: so few features are soon learned to the end",
        "(the linear student, dotted, steepens for that reason alone), floors come early, and few",
        "seeds give wide intervals. --scale quick has 256 features (minutes on two cores), --scale",
        "paper 1,024 (an accelerator).",
    ]
