"""Windows of a loss curve, and how far a power law fitted over each may be trusted.

Each window is cut into thirds, and a line is fitted to the residuals of each: the differences
between their slopes, beyond what the record's noise makes, are the drift. Formulas and the reasons
for each bound are in docs/methods/power_law_fits.md.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxsup.fit.curves import Curve
from jaxsup.fit.single.least_squares import Fits
from jaxsup.fit.single.record_noise import Noise

MIN_POINTS = 9  # three in each third: a line, and one more
_MIN_DROP = math.log(1.1)  # a loss that falls by less over the window is a plateau
_MIN_SIGNAL = 5.0  # exponent / bound of its error: a falling loss, not a lucky stretch of noise
_HIDDEN = 5.0  # drift that noise may hide / accepted drift; exp(-t) drifts by 6 and more
_MIN_SHARE = 0.1  # where (L - floor) / L is less, the window shows the floor, not the power law
_MAX_OFFSET = 3.0  # largest -floor / L; beyond, c + A t^-alpha is a logarithm and alpha undefined
_BEYOND = 2.344  # errors that part a pair of three slopes by chance in 5% (Tukey)
_RESOLUTION = 1e-3  # relative error granted to one decade: of two clean windows the longer wins
_WINDOW_ENDS = (25, 21)  # candidate ends of automatic windows, without and with a floor
_RIVALS = 64  # windows that are chosen from again
_COLUMNS = (
    "exponent",
    "slopes",
    "amplification",
    "resolution",
    "drop",
    "drift",
    "score",
)
_DIFFERENCES = np.array([[1.0, -1, 0], [0, 1, -1], [1, 0, -1]])  # between thirds


class Windows(NamedTuple):
    """Contiguous stretches of bins.

    Attributes:
        first: first bin.
        last: last bin, included.
    """

    first: Int[np.ndarray, " fits"]
    last: Int[np.ndarray, " fits"]

    @property
    def size(self) -> Int[np.ndarray, " fits"]:
        """Bins in each window."""
        return self.last - self.first + 1

    def mask(self, count: int) -> Bool[np.ndarray, "fits points"]:
        """Which of `count` bins lie in each window."""
        index = np.arange(count)
        return (index >= self.first[:, None]) & (index <= self.last[:, None])


class Sensitivity(NamedTuple):
    """How the fits answer to a change of log L, and how well noise leaves them known.

    Attributes:
        exponent: d alpha / d log L.
        slopes: d of the local exponents of the thirds / d log L.
        error: standard error of the exponent.
        variance: of the differences between the thirds' local exponents (_DIFFERENCES).
        bound: 95% upper bound of the noise over its estimate, as a variance.
    """

    exponent: Float[np.ndarray, "fits points"]
    slopes: Float[np.ndarray, "fits 3 points"]
    error: Float[np.ndarray, " fits"]
    variance: Float[np.ndarray, "fits 3"]
    bound: float


class Checks(NamedTuple):
    """Whether each fit passes; a check counts where those before it are passed.

    Attributes:
        falls: the loss falls over the window, by more than a plateau does.
        clear: the exponent stands out from the noise.
        above_floor: enough decades stand out from the fitted floor, which is no runaway.
        steady: the local slope drifts little, and the noise hides no more.
    """

    falls: Bool[np.ndarray, "*draws fits"]
    clear: Bool[np.ndarray, "*draws fits"]
    above_floor: Bool[np.ndarray, "*draws fits"]
    steady: Bool[np.ndarray, "*draws fits"]


class Assessment(NamedTuple):
    """How far the fits of one curve are to be trusted.

    Attributes:
        exponent: alpha of each fit.
        slopes: local exponents of the thirds.
        sensitivity: of both to noise.
        amplification: of errors, by fitting a floor.
        resolution: relative error that a window of finite length is granted.
        drop: of log L over the window.
        drift: largest difference of `slopes` beyond that of noise, amplified by a floor.
        score: relative error of the exponent to expect; windows compete on it.
        checks: what each fit passes.
        max_drift: largest accepted drift as a fraction of the exponent.
    """

    exponent: Float[np.ndarray, "*draws fits"]
    slopes: Float[np.ndarray, "*draws fits 3"]
    sensitivity: Sensitivity
    amplification: Float[np.ndarray, " fits"]
    resolution: Float[np.ndarray, " fits"]
    drop: Float[np.ndarray, " fits"]
    drift: Float[np.ndarray, "*draws fits"]
    score: Float[np.ndarray, "*draws fits"]
    checks: Checks
    max_drift: float | int


def candidate_windows(
    curve: Curve, min_decades: float | int, *, floor: bool, whole: bool
) -> Windows:
    """The windows to try that are long enough; `whole`: the whole curve alone."""
    end = len(curve.x) - 1
    if end < 0:
        return Windows(curve.start, curve.start)
    ends = np.unique(np.linspace(0, end, 2 if whole else _WINDOW_ENDS[floor]).round().astype(int))
    windows = Windows(*(grid.ravel() for grid in np.meshgrid(ends, ends)))
    decades = (curve.x[windows.last] - curve.x[windows.first]) / math.log(10)
    long_enough = (windows.size >= MIN_POINTS) & (decades >= min_decades * (1 - 1e-9))
    return Windows(windows.first[long_enough], windows.last[long_enough])


def assess(
    curve: Curve,
    fits: Fits,
    windows: Windows,
    noise: Noise,
    *,
    min_decades: float | int,
    max_drift: float | int,
) -> Assessment:
    """Judge the fits of one curve over the windows.

    Arguments:
        curve: the binned curve.
        fits: one a window.
        windows: what they were fitted over.
        noise: of the whole record.
        min_decades: decades that must stand out from a fitted floor.
        max_drift: largest accepted drift as a fraction of the exponent.

    Returns:
        Errors, drifts and checks of every fit.
    """
    thirds = _slopes_of_thirds(curve, windows)
    slopes = fits.exponent[:, None] + np.einsum("wkp,wp->wk", thirds, fits.residual)
    width = curve.x[windows.last] - curve.x[windows.first]
    fitted, rows = curve.y - fits.residual, np.arange(windows.first.size)
    drop = fitted[rows, windows.first] - fitted[rows, windows.last]
    nothing = np.zeros_like(drop)
    above = _stands_above_floor(curve, fits, windows, min_decades)
    assessment = Assessment(
        exponent=fits.exponent,
        slopes=slopes,
        sensitivity=_measure_sensitivity(fits, thirds, noise),
        amplification=fits.amplification,
        resolution=_RESOLUTION * fits.amplification * math.log(10) / width,
        drop=drop,
        drift=nothing,
        score=nothing,
        checks=Checks((drop > _MIN_DROP) & (fits.exponent > 0), above, above, above),
        max_drift=max_drift,
    )
    return judge(assessment, fits.exponent, slopes)


def judge(
    assessment: Assessment,
    exponent: Float[np.ndarray, "*draws fits"],
    slopes: Float[np.ndarray, "*draws fits 3"],
) -> Assessment:
    """The assessment with other exponents and slopes, their drifts, checks and scores.

    What tells a plateau or a floor is kept.
    """
    sensitivity, kept = assessment.sensitivity, assessment.checks
    positive = np.maximum(exponent, 1e-9)
    difference = slopes @ _DIFFERENCES.T
    excess = (difference**2 - _BEYOND**2 * sensitivity.variance).max(-1)
    drift = assessment.amplification * np.sqrt(np.maximum(excess, 0))
    # The drift that noise, at its upper bound, leaves possible: differences + 2 errors.
    margin = 2 * np.sqrt(sensitivity.bound * sensitivity.variance[:, 2])
    hidden = assessment.amplification * (slopes.max(-1) - slopes.min(-1) + margin)
    limit = assessment.max_drift * positive
    error = math.sqrt(sensitivity.bound) * sensitivity.error
    checks = kept._replace(
        clear=positive >= _MIN_SIGNAL * error,
        steady=(drift <= limit) & (hidden <= _HIDDEN * limit),
    )
    relative = (sensitivity.error**2 + drift**2 / 12) / positive**2
    score = np.sqrt(relative + assessment.resolution**2)
    return assessment._replace(
        exponent=exponent, slopes=slopes, drift=drift, score=score, checks=checks
    )


def choose_window(assessment: Assessment) -> Int[np.ndarray, "*draws"]:
    """The fit that passes most checks before its first failure; of those, the lowest score."""
    passed = _passed(assessment)
    most = passed == passed.max(-1, keepdims=True)
    return np.asarray(np.argmin(np.where(most, assessment.score, np.inf), -1))


def choose_again(
    assessment: Assessment,
    best: int,
    residual: Float[np.ndarray, " points"],
    draws: Float[np.ndarray, "draws points"],
) -> Float[np.ndarray, "draws 2"]:
    """Errors of alpha under noise, where the window is chosen again and where it is kept.

    Arguments:
        assessment: of all fits of the curve.
        best: the fit that was chosen: its model stands for the curve in its window, and the curve
            itself elsewhere.
        residual: of that fit.
        draws: noise of the bins' log L.

    Returns:
        For each draw, the exponent less that of the model.
    """
    order = np.lexsort((assessment.score, -_passed(assessment)))[:_RIVALS]
    rivals = _select(assessment, order)
    change = draws - residual
    exponent = rivals.exponent + change @ rivals.sensitivity.exponent.T
    flat = rivals.sensitivity.slopes.reshape(-1, draws.shape[1])
    slopes = rivals.slopes + (change @ flat.T).reshape(len(draws), -1, 3)
    chosen = choose_window(judge(rivals, exponent, slopes))
    errors = exponent - assessment.exponent[best]
    return np.stack([errors[np.arange(len(draws)), chosen], errors[:, 0]], 1)


def _passed(assessment: Assessment) -> Int[np.ndarray, "*draws fits"]:
    """Checks that each fit passes before its first failure."""
    checks = np.stack(np.broadcast_arrays(*assessment.checks))
    return np.logical_and.accumulate(checks).sum(0)


def _select(assessment: Assessment, fits: Int[np.ndarray, " some"]) -> Assessment:
    """The assessment of some of the fits."""
    sensitivity = assessment.sensitivity
    kept = {name: getattr(sensitivity, name)[fits] for name in sensitivity._fields[:-1]}
    columns = {name: getattr(assessment, name)[fits] for name in _COLUMNS}
    return assessment._replace(
        **columns,
        sensitivity=sensitivity._replace(**kept),
        checks=Checks(*(check[fits] for check in assessment.checks)),
    )


def _slopes_of_thirds(curve: Curve, windows: Windows) -> Float[np.ndarray, "fits 3 points"]:
    """What gives the slope, sign dropped, of a line by least squares through each third."""
    edges = [windows.first + (windows.size * part) // 3 for part in range(4)]
    parts = [Windows(edges[k], edges[k + 1] - 1).mask(len(curve.x)) for k in range(3)]
    inside = np.stack(parts, 1).astype(float)
    count = inside.sum(2, keepdims=True)
    dx = (curve.x - (inside @ curve.x)[..., None] / count) * inside
    return -dx / np.sum(dx**2, 2, keepdims=True)


def _measure_sensitivity(
    fits: Fits, thirds: Float[np.ndarray, "fits 3 points"], noise: Noise
) -> Sensitivity:
    """Errors by the covariance of the noise, which is one for all windows: else luck chooses."""
    from scipy.special import chdtri

    exponent = fits.influence
    absorbed = (thirds @ fits.jacobian.transpose(0, 2, 1)) @ fits.inverse
    slopes = exponent[:, None] + thirds - absorbed
    differences = _DIFFERENCES @ slopes
    stack = np.concatenate([exponent[:, None], differences], 1)
    variance = np.einsum("wkp,wkp->wk", stack @ noise.covariance(), stack)
    variance = np.maximum(variance, 0.0)
    bound = noise.freedom / float(chdtri(noise.freedom, 0.95))
    return Sensitivity(exponent, slopes, np.sqrt(variance[:, 0]), variance[:, 1:], bound)


def _stands_above_floor(
    curve: Curve, fits: Fits, windows: Windows, min_decades: float | int
) -> Bool[np.ndarray, " fits"]:
    """L - c is a tenth of L over `min_decades`, and c no less than -3 L at the window's start."""
    reach = curve.x - curve.x[windows.first][:, None]
    visible = np.max((fits.share >= _MIN_SHARE) * reach, 1)
    lowest = -_MAX_OFFSET * np.exp(curve.y[windows.first])
    return (fits.floor >= lowest) & (visible >= min_decades * math.log(10) * (1 - 1e-9))
