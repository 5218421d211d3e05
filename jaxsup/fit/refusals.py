"""Why a curve is refused as a power law: the reasons, and which of them holds for a fit."""

import enum
import math

from jaxsup.fit.windows import Assessment


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
        "the noise is correlated over {entries:.2g} of {points} entries, too long to tell the "
        "exponent ({low:.2g} to {high:.2g}) from it"
    )
    STRUCTURE = (
        "the residuals swing with a period of about {period:.2g} decades, which is structure or "
        "noise correlated over as long"
    )
    REACHES_ZERO = "the exponent's interval, {low:.2g} to {high:.2g}, reaches 0"

    def explain(self, **figures: float | int) -> str:
        """The sentence of a `PowerLawFit.reason`.

        Arguments:
            figures: numbers for the placeholders of the member's text; others are left out.
        """
        return "no power law here: " + self.value.format(**figures)


def find_refusal(assessment: Assessment, fit: int, max_drift: float | int) -> Refusal | None:
    """The first check that a fit fails; None where it passes all.

    Arguments:
        assessment: of all fits of a curve.
        fit: which of them.
        max_drift: largest accepted drift as a fraction of the exponent.
    """
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
    if drift <= max_drift * slopes.mean():
        return Refusal.MAY_DRIFT
    return Refusal.STEEPENS if slopes[0] <= slopes[-1] else Refusal.FLATTENS


def refusal_figures(assessment: Assessment, fit: int) -> dict[str, float]:
    """The figures that the texts of `find_refusal`'s members hold."""
    slopes = assessment.slopes[fit]
    return {
        "fall": -100 * math.expm1(-assessment.drop[fit]),
        "error": float(assessment.sensitivity.error[fit]),
        "lowest": float(slopes.min()),
        "highest": float(slopes.max()),
    }
