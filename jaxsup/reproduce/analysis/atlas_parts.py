"""What an atlas is read from: its grid, its ladders over N, its screen, and lines about them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from jaxsup.reproduce.analysis.atlas_design import FACTORS, WORDS, describe_level
from jaxsup.reproduce.analysis.atlas_table import RESPONSES
from jaxsup.reproduce.analysis.effects import Effects, format_effects, measure_effects
from jaxsup.reproduce.analysis.size_limits import Ladder, format_ladders, ladders


class Parts(NamedTuple):
    """The parts of an atlas.

    Attributes:
        base: N of the grid.
        grid: its rows at that N, a row a student and law.
        screen: rows of the screen.
        ladders: over N, of frozen embeddings at the smallest N/K, one an (a, b).
        effects: of the screen's factors on each of `RESPONSES`.
    """

    base: int
    grid: pd.DataFrame
    screen: pd.DataFrame
    ladders: list[Ladder]
    effects: dict[str, Effects | None]

    @staticmethod
    def of(table: pd.DataFrame, base: int) -> Parts:
        """The parts of a table that `atlas_table.tabulate` made.

        Arguments:
            table: all settings.
            base: N of the grid.
        """
        grid, screen = (table.loc[table["part"] == part] for part in ("grid", "screen"))
        frozen = grid.loc[grid["embedding"] == "random"]
        ladder = frozen.loc[frozen["ratio"] == frozen["ratio"].min()]
        return Parts(
            base,
            grid.loc[grid["features"] == base],
            screen,
            ladders(ladder),
            {name: measure_effects(screen, FACTORS, name, f"{name}_error") for name in RESPONSES},
        )

    @property
    def frozen(self) -> pd.DataFrame:
        """The grid's students in superposition with a frozen embedding, as the source has them."""
        return self.grid.loc[self.grid["embedding"] == "random"]

    @property
    def level_names(self) -> dict[str, str]:
        """The screen's levels of each factor, from first to last."""
        return {factor: self._levels(factor) for factor in FACTORS}

    def _levels(self, factor: str) -> str:
        levels = list(dict.fromkeys(self.screen[factor]))
        return " → ".join(describe_level(factor, level) for level in (levels[0], levels[-1]))

    @property
    def pairs(self) -> Float[np.ndarray, "laws 2"]:
        """Last exponents at the smallest N/K, frozen, and with W = I, where both exist."""
        frozen, laws = self.frozen, ["a", "b"]
        crowded = frozen.loc[frozen["ratio"] == frozen["ratio"].min()].set_index(laws)["last"]
        plain = self.grid.loc[self.grid["embedding"] == "identity"].set_index(laws)["last"]
        both = pd.concat([crowded, plain], axis=1, join="inner").dropna()
        return both.to_numpy(np.float64)

    def lines(self, near: tuple[float, float]) -> list[str]:
        """Counts, effects and ladders for people.

        Arguments:
            near: exponents that count as about 1.
        """
        counts = [_count(f"screen, {len(FACTORS)} factors", self.screen, near)]
        for embedding, part in self.grid.groupby("embedding", sort=False):
            name = describe_level("embedding", embedding)
            counts.append(_count(f"grid, N = {self.base}, {name}", part, near))
        lines = [*counts, "", "what leaving the reference changes (screen)"]
        for response, effects in self.effects.items():
            lines += format_effects(effects, WORDS, self.level_names, RESPONSES[response])
        return [*lines, "", "frozen embedding at several N", *format_ladders(self.ladders)]


def _count(words: str, table: pd.DataFrame, near: tuple[float, float]) -> str:
    """How many settings have what."""
    numbers = {name: table[name].to_numpy(np.float64) for name in (*RESPONSES, "laws", "rising")}
    near_one = [
        f"{name} {np.sum((numbers[name] >= near[0]) & (numbers[name] <= near[1]))}"
        for name in RESPONSES
    ]
    present = [values[np.isfinite(values)] for name, values in numbers.items() if name in RESPONSES]
    medians = [f"{np.median(values):.2f}" if values.size else "-" for values in present]
    return (
        f"{words}: {len(table)} settings, {np.sum(numbers['laws'] > 0)} with a power law, "
        f"{np.sum(numbers['laws'] > 1)} with two or more, {np.sum(numbers['rising']):.0f} rising "
        f"at the end; within {near[0]:g}..{near[1]:g}: {', '.join(near_one)}; medians "
        f"{', '.join(medians)}; {np.sum(table['diverged'].to_numpy())} networks diverged"
    )
