"""The numbers that the authors print of their sweep, and the claims that hold ours to them.

Two tables are published (arXiv 2602.02224, public repository): means over all 32 widths in four
ranges of sparsity, and one network of K = 112 at six sparsities. The first is the yardstick of a
sweep over widths, whatever its N; the second of networks with N = 1,024 and K = 112.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxsup.fit import intervals
from jaxsup.fit.intervals import Estimate
from jaxsup.reproduce.analysis.capacity_table import QUANTITIES, Row, estimate
from jaxsup.reproduce.claims import Claim, Published
from jaxsup.spectral.nulls import gaussian_null

SOURCE = "arXiv 2602.02224, repository"
PUBLISHED_SIZE = (1024, 112)
STEP = 0.73
"""The sparsity at which the repository's slack falls."""


class Range(NamedTuple):
    """Means over the networks of a range of sparsity [low, high)."""

    low: float
    high: float
    deficit: float
    slack: float
    spread: float


RANGES = (
    Range(0.0, 0.3, 1 - 0.9998, 0.00019, 0.0124),
    Range(0.3, 0.6, 1 - 0.9985, 0.00151, 0.0296),
    Range(0.6, 0.9, 1 - 0.9983, 0.00169, 0.0332),
    Range(0.9, 1.0, 1 - 0.9971, 0.00294, 0.0503),
)


class Printed(NamedTuple):
    """One network of N = 1,024 and K = 112, seed 0."""

    sparsity: float
    deficit: float
    spread: float
    projection: float
    participation: float
    eigenspaces: float
    mean_eigenvalue: float


PRINTED = (
    Printed(0.0, 1 - 0.99995, 0.0069, 0.140, 13.8, 32, 1.0005),
    Printed(0.303, 1 - 0.99914, 0.0268, 0.098, 29.1, 104, 1.063),
    Printed(0.505, 1 - 0.9954, 0.0442, 0.122, 28.6, 107, 1.756),
    Printed(0.707, 1 - 0.9976, 0.0237, 0.076, 37.4, 107, 2.052),
    Printed(0.909, 1 - 0.9992, 0.0281, 0.072, 37.9, 111, 4.978),
    Printed(0.990, 1 - 0.9985, 0.0383, 0.072, 38.1, 111, 13.46),
)
_WORDS = {
    "rank_share": "rank / K",
    "deficit": "1 - saturation",
    "slack": "slack, 1 - D / leverage",
    "spread": "spread, sd / mean of the eigenvalue that a feature sees",
    "projection": "largest projection on one eigenspace",
    "participation": "eigenspaces a feature spreads over, 1 / sum of squares",
    "eigenspaces": "number of eigenspaces",
    "mean_eigenvalue": "mean eigenvalue that a feature sees",
}
_STATEMENTS = {
    "rank_share": "Trained autoencoders use all of their rank.",
    "deficit": "Capacities saturate the rank.",
    "slack": "Features are localized: D is their leverage.",
    "spread": "Features are localized: they see one eigenvalue.",
    "projection": "What the repository prints of the strict measure.",
    "participation": "What the repository prints of the strict measure.",
    "eigenspaces": "What the repository prints.",
    "mean_eigenvalue": "What the repository prints.",
}


def _published(quantity: str, value: float) -> Published:
    """The published number with its tolerance: a factor of 2, or 25%; see the figure."""
    if quantity == "rank_share":
        return Published(0.999, 1.0, f"{value:.3f}; tolerance 0.001")
    if quantity in ("deficit", "slack"):
        return Published(value / 2, value * 2, f"{value:.2g}; tolerance a factor of 2")
    return Published.about(value, 0.25 * value, f"{value:.3g}; tolerance 25%")


def claims_of(rows: Sequence[Row]) -> list[Claim]:
    """Every claim that these rows can speak to."""
    size = {(row.features, row.latent) for row in rows}
    claims = _printed(rows) if size == {PUBLISHED_SIZE} else _ranges(rows)
    return [*claims, *_law(rows), *_collapse(rows), *_step(rows)]


def _ranges(rows: Sequence[Row]) -> list[Claim]:
    claims = []
    for published in RANGES:
        inside = [row for row in rows if published.low <= row.sparsity < published.high]
        numbers = {"rank_share": 1.0, **published._asdict()}
        where = f"sparsity {published.low:g} to {published.high:g}"
        quantities = ("rank_share", "deficit", "slack", "spread") if inside else ()
        claims += [_claim(inside, quantity, numbers[quantity], where) for quantity in quantities]
    return claims


def _printed(rows: Sequence[Row]) -> list[Claim]:
    claims = []
    for published in PRINTED:
        inside = [row for row in rows if abs(row.sparsity - published.sparsity) < 1e-3]
        numbers = {"rank_share": 1.0, **published._asdict()}
        where = f"sparsity {published.sparsity:g}"
        quantities = [quantity for quantity in QUANTITIES if inside and quantity in numbers]
        claims += [_claim(inside, quantity, numbers[quantity], where) for quantity in quantities]
    return claims


def _claim(rows: Sequence[Row], quantity: str, value: float, where: str) -> Claim:
    """A printed number against the mean over the networks of some rows."""
    published, measured = _published(quantity, value), estimate(rows, quantity)
    quantity_words = f"{_WORDS[quantity]}, {where}"
    return Claim(quantity_words, _STATEMENTS[quantity], SOURCE, published, measured)


def _law(rows: Sequence[Row]) -> list[Claim]:
    """D = |w|^2 / lambda within eigenspaces: the slope, and its correlation with 1 / lambda."""
    lines = np.concatenate([row.lines for row in rows])
    statement = "Within an eigenspace, capacity is the squared norm over the eigenvalue."
    slope = Published.about(0.978, 0.067, "0.978 +- 0.067 over 16,407 lines")
    correlation = Published(0.95, 1.0, "r = 0.972; read as 0.95 or more")
    projection = Published.about(0.189, 0.25 * 0.189, "0.189 +- 0.183; tolerance 25%")
    if len(lines) < 10:
        reason = f"{len(lines)} eigenspaces have a line: 20 features and R^2 above 0.1"
        return [Claim("slope x lambda of a line", statement, SOURCE, slope, None, reason)]

    def correlate(some: np.ndarray) -> float:
        return float(np.corrcoef(1 / some[:, 0], some[:, 1])[0, 1])

    return [
        Claim(
            "slope x lambda, mean over lines",
            statement,
            SOURCE,
            slope,
            intervals.from_bootstrap(lines[:, 0] * lines[:, 1], np.mean, what="lines"),
        ),
        Claim(
            "correlation of slope and 1 / lambda over lines",
            statement,
            SOURCE,
            correlation,
            intervals.from_bootstrap(lines, correlate, what="lines", ends=(-1.0, 1.0)),
        ),
        Claim(
            "share of a feature on its eigenspace, mean over lines",
            "What the repository prints of the strict measure.",
            SOURCE,
            projection,
            intervals.from_bootstrap(lines[:, 3], np.mean, what="lines"),
        ),
    ]


def _collapse(rows: Sequence[Row]) -> list[Claim]:
    """The abstract's words, read strictly and read as a spread that is small beside its null."""
    statement = 'Features "collapse onto single eigenspaces".'
    shares = [QUANTITIES["projection"](row) for row in rows]
    ratios = [
        QUANTITIES["spread"](row) / gaussian_null(row.latent, row.features).eigenvalue_spread
        for row in rows
        if row.latent > 1
    ]
    strict = Published(0.9, 1.0, "single eigenspaces; read as a share of 0.9 or more")
    weak = Published(0.0, 0.25, "the weaker reading: eigenvalues within a quarter of the null's")
    readings = (
        (
            "largest projection on one eigenspace (tolerance 1e-4), all networks",
            strict,
            _over_networks(shares, (0.0, 1.0)),
        ),
        (
            "spread over that of a Gaussian matrix, all networks",
            weak,
            _over_networks(ratios, (0.0, np.inf)),
        ),
    )
    claims = []
    for quantity, published, measured in readings:
        reason = "" if measured else "fewer than two networks"
        source = "arXiv 2602.02224, abstract"
        claims.append(Claim(quantity, statement, source, published, measured, reason))
    return claims


def _over_networks(values: Sequence[np.ndarray], ends: tuple[float, float]) -> Estimate | None:
    """Mean over networks, None of fewer than two."""
    numbers = np.concatenate(values) if values else np.zeros(0)
    if len(numbers) < 2:
        return None
    return intervals.from_samples(np.clip(numbers, *ends), "networks", ends=ends)


def _step(rows: Sequence[Row]) -> list[Claim]:
    """Slack just below a sparsity of 0.73 over that just above."""
    below = [row for row in rows if STEP - 0.06 <= row.sparsity < STEP]
    above = [row for row in rows if STEP <= row.sparsity < STEP + 0.06]
    published = Published(3.0, 12.0, "0.0024 / 0.0004 = 6; tolerance a factor of 2")
    statement = "Slack falls in a step at a sparsity of 0.73."
    quantity = "slack at sparsity 0.67 to 0.73 over that at 0.73 to 0.79"
    pairs = [
        np.mean(QUANTITIES["slack"](a)) / np.mean(QUANTITIES["slack"](b))
        for a in below
        for b in above
        if a.latent == b.latent
    ]
    if len(pairs) < 2:
        reason = "fewer than two pairs of sparsities around the step"
        return [Claim(quantity, statement, SOURCE, published, None, reason)]
    measured = intervals.from_samples(pairs, "pairs of rows")
    return [Claim(quantity, statement, SOURCE, published, measured)]
