"""Why a curve is refused as a power law: the reasons, and which of them holds for a fit."""

import enum
import math
from typing import NamedTuple

from jaxsup.fit.single.jumps import Jump
from jaxsup.fit.single.record_noise import Noise
from jaxsup.fit.single.structure import Smoothness, Structure
from jaxsup.fit.single.windows import Assessment

_CHANCE = 0.003  # that noise alone is called structure


class Refusal(enum.Enum):
    """Why there is no power law; a member's value is what people read, with its figures to fill in.

    `docs/methods/power_law_fits.md` has the formula of each.
    """

    NOTHING_POSITIVE = "no finite positive loss in the window"
    TOO_SHORT = (
        "too short, {points} points over {decades:.2g} decades "
        "({needed_points} points and {needed_decades:g} decades are needed)"
    )
    RISES = "the loss does not fall over the window"
    PLATEAU = "plateau, the loss falls by only {fall:.2g}% over the window"
    TOO_NOISY = "too noisy, the slope's standard error is {error:.2g}"
    FLOOR = "too few decades stand out from the fitted floor, or it runs away to minus infinity"
    STEEPENS = (
        "the local slope changes from {lowest:.2g} to {highest:.2g} over the window "
        "(exponential or cut-off)"
    )
    FLATTENS = (
        "the local slope changes from {highest:.2g} to {lowest:.2g} over the window (flattening)"
    )
    MAY_DRIFT = "too noisy to see whether the local slope is steady"
    CORRELATED = (
        "the noise is correlated over about {memory:.2g} of {entries} entries, too long to tell it "
        "from the law: record more often, or train several seeds"
    )
    STRUCTURE = "what the law leaves is structure, {structure}"
    REACHES_ZERO = "the exponent's interval, {low:.2g} to {high:.2g}, reaches 0"

    def explain(self, **figures: float | int | str) -> str:
        """The sentence of a `PowerLawFit.reason`.

        Arguments:
            figures: what fills the placeholders of the member's text; others are left out.
        """
        return "no power law here: " + self.value.format(**figures)


class Evidence(NamedTuple):
    """What speaks for and against the fit that was chosen.

    Attributes:
        assessment: of all fits of the curve.
        fit: which of them it is.
        structure: of its residuals.
        jump: the clearest in its window.
        smoothness: of the whole curve.
        noise: about it.
        bins: its window's.
        seeds: whose mean curve it is of.
    """

    assessment: Assessment
    fit: int
    structure: Structure
    jump: Jump
    smoothness: Smoothness
    noise: Noise
    bins: slice
    seeds: int

    @property
    def limit(self) -> float:
        """The largest accepted drift of the local slope."""
        return self.assessment.max_drift * float(self.assessment.exponent[self.fit])

    @property
    def shift(self) -> float:
        """What the clearest jump does to the exponent, where residuals are no noise."""
        known = min(self.jump.chance, self.structure.chance) < _CHANCE
        return self.jump.shift if known else 0.0

    @property
    def jumps(self) -> bool:
        """Whether the loss jumps, by more than a drift that is accepted."""
        return self.jump.chance < _CHANCE and self.jump.slope > self.limit

    @property
    def swings(self) -> bool:
        """Whether the local slope swings, by more than a drift that is accepted."""
        return self.structure.chance < _CHANCE and self.structure.slope > self.limit

    @property
    def entries(self) -> int:
        """Entries of the record in the window."""
        return int(self.noise.counts[self.bins].sum())

    @property
    def memory(self) -> float:
        """Entries over which the noise is correlated, 1 / (1 - rho)."""
        return 1 / (1 - self.noise.median)

    @property
    def slow(self) -> Refusal | None:
        """What one curve's noise is refused as if it is correlated over a quarter of the window."""
        if self.seeds > 1 or self.memory <= self.entries / 4:
            return None
        return Refusal.STRUCTURE if self.smoothness.bends else Refusal.CORRELATED


def find_refusal(evidence: Evidence) -> Refusal | None:
    """The first check that a fit fails; None where it passes all."""
    refusal = _failed_check(evidence.assessment, evidence.fit)
    if refusal not in (None, Refusal.TOO_NOISY, Refusal.MAY_DRIFT):
        return refusal
    if evidence.jumps or evidence.swings:
        return Refusal.STRUCTURE
    if refusal is Refusal.TOO_NOISY:
        return evidence.slow or refusal
    return refusal


def _failed_check(assessment: Assessment, fit: int) -> Refusal | None:
    """The first check of the window that a fit fails."""
    checks, slopes = assessment.checks, assessment.slopes[fit]
    drift, error = assessment.drift[fit], assessment.sensitivity.error[fit]
    if not checks.falls[fit]:
        return Refusal.PLATEAU if assessment.drop[fit] > 0 else Refusal.RISES
    if checks.clear[fit]:
        if not checks.above_floor[fit]:
            return Refusal.FLOOR
        if checks.steady[fit]:
            return None
    elif drift <= 10 * error:  # curvature within the thirds looks like noise: large drift tells
        return Refusal.TOO_NOISY
    if drift <= assessment.max_drift * slopes.mean():
        return Refusal.MAY_DRIFT
    return Refusal.STEEPENS if slopes[0] <= slopes[-1] else Refusal.FLATTENS


def refusal_figures(evidence: Evidence) -> dict[str, float | str]:
    """The figures that the texts of `find_refusal`'s members hold."""
    assessment, fit = evidence.assessment, evidence.fit
    slopes = assessment.slopes[fit]
    return {
        "fall": -100 * math.expm1(-assessment.drop[fit]),
        "error": float(assessment.sensitivity.error[fit]),
        "lowest": float(slopes.min()),
        "highest": float(slopes.max()),
        "structure": _describe_structure(evidence),
        "memory": evidence.memory,
        "entries": evidence.entries,
    }


def _describe_structure(evidence: Evidence) -> str:
    """A jump where there is one, or else the wave that swings most, or else bends."""
    if evidence.jumps:
        factor = math.exp(min(evidence.jump.size, 300.0))
        return f"the loss jumps to {factor:.2g} of the law at step {evidence.jump.step:g}"
    if evidence.smoothness.bends and not evidence.swings:
        return "the curve bends smoothly, and that is no noise"
    slope, period = evidence.structure.slope, evidence.structure.period
    swings = f"the local slope swings by +-{slope:.2g} with a period of about {period:.2g} decades"
    return f"{swings} (or noise correlated over as long)"
