"""What the factors of a designed experiment do to a measured number: effects and variance shares.

A table has a row a setting and a column a factor. Every factor is coded by contrasts that sum to
zero over its levels, so that on a balanced table main effects are orthogonal to each other and to
interactions. Where rows are missing they are not; shares are then those that the other factors
cannot explain, and no longer add up.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats


class Effect(NamedTuple):
    """What one factor does.

    Attributes:
        factor: column of the table.
        change: mean at its last level less that at its first, others alike.
        low, high: 95% interval of the change; NaN where nothing is left to estimate it from.
        share: of the variance, that is explained by it and by no other main effect.
    """

    factor: str
    change: float
    low: float
    high: float
    share: float


class Effects(NamedTuple):
    """What all factors do to one number.

    Attributes:
        rows: settings that have the number.
        missing: settings that do not.
        main: effects of the factors that vary, in the order asked for.
        pairs: share of the variance explained by interactions of two factors, main effects apart.
        strongest: the pairs of factors with the largest shares of their own, first the largest.
        rest: share that neither explains: interactions of more, and noise.
        noise: share due to the numbers' own errors, as these are stated: it may be above `rest`, or
            above 1 where they are too wide; NaN where they are not known.
        freedom: degrees of freedom left beside the effects; with 0, `rest` is 0 whatever the noise.
    """

    rows: int
    missing: int
    main: list[Effect]
    pairs: float
    strongest: list[tuple[str, str, float]]
    rest: float
    noise: float
    freedom: int


def measure_effects(
    table: pd.DataFrame, factors: Sequence[str], response: str, error: str | None = None
) -> Effects | None:
    """Main effects and interactions of two factors by least squares; None without variance.

    The interval of a change is Student's, from the residuals of a model of main effects and
    interactions of two factors.

    Arguments:
        table: see above; rows without the number are left out and counted.
        factors: columns to explain it by; one that does not vary is left out.
        response: column of the number.
        error: column of its standard errors, if they are known.
    """
    whole = table.loc[np.isfinite(table[response].to_numpy(np.float64))]
    y = whole[response].to_numpy(np.float64)
    total = float(np.sum((y - y.mean()) ** 2)) if len(y) else 0.0
    varying = [factor for factor in factors if whole[factor].nunique() > 1]
    blocks = {factor: _contrasts(whole[factor]) for factor in varying}
    if total == 0 or not varying:
        return None
    mains = _residual(y, blocks.values())
    products = {pair: _product(*(blocks[f] for f in pair)) for pair in _pairs(varying)}
    both, freedom = _residual_and_freedom(y, [*blocks.values(), *products.values()])
    variance = both / freedom if freedom > 0 else float("nan")
    effects = []
    for factor in varying:
        others = [block for name, block in blocks.items() if name != factor]
        change, half = _change(y, factor, blocks, variance, freedom)
        share = max(_residual(y, others) - mains, 0.0) / total
        effects.append(Effect(factor, change, change - half, change + half, share))
    own = [
        (*pair, max(mains - _residual(y, [*blocks.values(), block]), 0.0) / total)
        for pair, block in products.items()
    ]
    own.sort(key=lambda item: -item[2])
    noise = float("nan")
    if error is not None:
        squares = whole[error].to_numpy(np.float64) ** 2
        noise = float(np.nanmean(squares)) * len(y) / total if np.isfinite(squares).any() else noise
    missing = len(table) - len(whole)
    shares = (mains - both) / total, own[:3], both / total
    return Effects(len(whole), missing, effects, *shares, noise, freedom)


def _pairs(factors: Sequence[str]) -> list[tuple[str, str]]:
    return list(itertools.combinations(factors, 2))


def _contrasts(column: pd.Series) -> Float[np.ndarray, "rows contrasts"]:
    """Columns that sum to zero over the levels: each level's indicator less the first's."""
    levels = list(dict.fromkeys(column))
    values = column.to_numpy()
    first = (values == levels[0]).astype(np.float64)
    return np.stack([(values == level) - first for level in levels[1:]], axis=1)


def _product(
    one: Float[np.ndarray, "rows n"], other: Float[np.ndarray, "rows m"]
) -> Float[np.ndarray, "rows nm"]:
    return (one[:, :, None] * other[:, None, :]).reshape(len(one), -1)


def _residual(y: Float[np.ndarray, " rows"], blocks: object) -> float:
    return _residual_and_freedom(y, list(blocks))[0]  # pyright: ignore[reportArgumentType]


def _residual_and_freedom(
    y: Float[np.ndarray, " rows"], blocks: Sequence[Float[np.ndarray, "rows _"]]
) -> tuple[float, int]:
    """Sum of squares that a constant and the blocks leave, and its degrees of freedom."""
    X = np.concatenate([np.ones((len(y), 1)), *blocks], axis=1)
    q, r = np.linalg.qr(X)
    diagonal = np.abs(np.diagonal(r))
    if len(y) < X.shape[1] or diagonal.min() < 1e-9 * diagonal.max():
        u, s, _ = np.linalg.svd(X, full_matrices=False)
        q = u[:, s > 1e-9 * s[0]]
    left = y - q @ (q.T @ y)
    return float(left @ left), len(y) - q.shape[1]


def _change(
    y: Float[np.ndarray, " rows"],
    factor: str,
    blocks: dict[str, Float[np.ndarray, "rows _"]],
    variance: float,
    freedom: int,
) -> tuple[float, float]:
    """Last level less first in the model of main effects, and half its 95% interval."""
    X = np.concatenate([np.ones((len(y), 1)), *blocks.values()], axis=1)
    start = 1
    for name, block in blocks.items():
        if name == factor:
            break
        start += block.shape[1]
    size = blocks[factor].shape[1]
    # Level 1 has minus the sum of the others' coefficients, the last has its own.
    weight = np.zeros(X.shape[1])
    weight[start : start + size] = 1.0
    weight[start + size - 1] += 1.0
    inverse = np.linalg.pinv(X.T @ X)
    change = float(weight @ inverse @ (X.T @ y))
    spread = float(weight @ inverse @ weight)
    if freedom <= 0:
        return change, float("nan")
    return change, float(stats.t.ppf(0.975, freedom)) * float(np.sqrt(max(variance * spread, 0.0)))


def format_effects(
    effects: Effects | None, words: dict[str, str], levels: dict[str, str], title: str
) -> list[str]:
    """A line a factor, the largest share first, then what is left.

    Arguments:
        effects: result of `measure_effects`.
        words: names of the factors for people.
        levels: "first to last level" of each.
        title: of the number.
    """
    if effects is None:
        return [f"{title}: too few settings have one"]
    overlap = "; shares overlap and need not add up to 100%" if effects.missing else ""
    lines = [f"{title}: {effects.rows} settings, {effects.missing} without{overlap}"]
    lines += [
        f"  {words[one.factor]:20} {levels[one.factor]:22} {one.change:+6.2f} "
        f"({_interval(one)})  {one.share:5.1%} of the variance"
        for one in sorted(effects.main, key=lambda effect: -effect.share)
    ]
    pairs = "; ".join(f"{words[f]} x {words[g]} {share:.1%}" for f, g, share in effects.strongest)
    if not effects.freedom:
        return [*lines, "  interactions of two factors, and the rest: - (too few settings to tell)"]
    largest = f" (largest: {pairs})" if pairs else ""
    lines.append(f"  interactions of two factors: {effects.pairs:.1%}{largest}")
    return [*lines, f"  neither: {_rest(effects)}"]


def _interval(effect: Effect) -> str:
    """The interval of a change; "-" where nothing is left to estimate it from."""
    return "-" if np.isnan(effect.low) else f"{effect.low:+.2f} to {effect.high:+.2f}"


def _rest(effects: Effects) -> str:
    """The share that no effect explains, and how much of it is errors of measurement."""
    if np.isnan(effects.noise):
        return f"{effects.rest:.1%}"
    # Stated errors may be larger than all that is left: then they explain the whole of it.
    part = "all" if effects.noise >= effects.rest else f"{effects.noise:.1%}"
    return f"{effects.rest:.1%}, of it {part} errors of measurement"
