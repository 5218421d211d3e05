"""Windows of a loss curve, and how far a power law fitted over each may be trusted.

Each window is cut into thirds: the scatter of the residuals about a line of each third is the
noise, the difference between those lines' slopes the drift. Formulas and the reasons for each bound
are in docs/methods/power_law_fits.md.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxsup.fit.curves import Curve
from jaxsup.fit.least_squares import Fits

MIN_POINTS = 9  # three in each third: a line, and one more to see the noise by
_MIN_DROP = math.log(1.1)  # a loss that falls by less over the window is a plateau
_MIN_SIGNAL = 5.0  # exponent / bound of its error: a falling loss, not a lucky stretch of noise
_HIDDEN = 5.0  # drift that noise may hide / accepted drift; exp(-t) drifts by 6 and more
_MIN_SHARE = 0.1  # where (L - floor) / L is less, the window shows the floor, not the power law
_MAX_OFFSET = 3.0  # largest -floor / L; beyond, c + A t^-alpha is a logarithm and alpha undefined
_RESOLUTION = 1e-3  # relative error granted to one decade: of two clean windows the longer wins
_WINDOW_ENDS = (25, 21)  # candidate ends of automatic windows, without and with a floor
_PARAMETERS = 6  # of the three lines
_TINY = 1e-300  # keeps the residuals of an exact fit from 0 / 0


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


class Thirds(NamedTuple):
    """A line through the residuals of each third of every window.

    Attributes:
        scatter: about the line, over sqrt(1 - leverage): its square is unbiased for white noise.
        slope: of the line, sign dropped.
        square: sum of squares of log t about its mean.
        bins: bins in the third.
    """

    scatter: Float[np.ndarray, "fits 3 points"]
    slope: Float[np.ndarray, "fits 3"]
    square: Float[np.ndarray, "fits 3"]
    bins: Float[np.ndarray, "fits 3"]


class Noise(NamedTuple):
    """What the scatter about the lines of the thirds says of the fits' errors.

    Attributes:
        mean_square: of the scatter, over the window.
        variance: of each third's slope.
        error: standard error of the exponent.
        freedom: degrees of freedom of that error.
        bound: 95% upper bound of the noise over its estimate, as a variance: few bins may show
            little noise by luck.
    """

    mean_square: Float[np.ndarray, " fits"]
    variance: Float[np.ndarray, "fits 3"]
    error: Float[np.ndarray, " fits"]
    freedom: Float[np.ndarray, " fits"]
    bound: Float[np.ndarray, " fits"]


class Checks(NamedTuple):
    """Whether each fit passes; a check counts where those before it are passed.

    Attributes:
        falls: the loss falls over the window, by more than a plateau does.
        clear: the exponent stands out from the noise.
        above_floor: enough decades stand out from the fitted floor, which is no runaway.
        steady: the local slope drifts little, and the noise hides no more.
    """

    falls: Bool[np.ndarray, " fits"]
    clear: Bool[np.ndarray, " fits"]
    above_floor: Bool[np.ndarray, " fits"]
    steady: Bool[np.ndarray, " fits"]


class Assessment(NamedTuple):
    """How far the fits of one curve are to be trusted.

    Attributes:
        noise: errors of the exponents.
        slopes: local exponents of the thirds.
        drift: their largest difference beyond two standard errors, amplified by fitting a floor.
        drop: of log L over the window.
        score: relative error of the exponent to expect; windows compete on it.
        checks: what each fit passes.
    """

    noise: Noise
    slopes: Float[np.ndarray, "fits 3"]
    drift: Float[np.ndarray, " fits"]
    drop: Float[np.ndarray, " fits"]
    score: Float[np.ndarray, " fits"]
    checks: Checks


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
    *,
    min_decades: float | int,
    max_drift: float | int,
) -> Assessment:
    """Judge the fits of one curve over the windows.

    Arguments:
        curve: the binned curve.
        fits: one a window.
        windows: what they were fitted over.
        min_decades: decades that must stand out from a fitted floor.
        max_drift: largest accepted drift as a fraction of the exponent.

    Returns:
        Errors, drifts and checks of every fit.
    """
    thirds = _cut_in_thirds(curve, fits, windows)
    noise = _measure_noise(fits, thirds, windows.size)
    drift = _measure_drift(fits, thirds, noise)
    fitted, rows = curve.y - fits.residual, np.arange(windows.first.size)
    drop = fitted[rows, windows.first] - fitted[rows, windows.last]
    limit = max_drift * _positive_exponent(fits)
    checks = Checks(
        falls=(drop > _MIN_DROP) & (fits.exponent > 0),
        clear=_positive_exponent(fits) >= _MIN_SIGNAL * np.sqrt(noise.bound) * noise.error,
        above_floor=_stands_above_floor(curve, fits, windows, min_decades),
        steady=(drift <= limit) & (_hidden_drift(fits, thirds, noise) <= _HIDDEN * limit),
    )
    slopes = fits.exponent[:, None] + thirds.slope
    score = _expected_error(curve, fits, windows, noise, drift)
    return Assessment(noise, slopes, drift, drop, score, checks)


def choose_window(assessment: Assessment) -> int:
    """The fit that passes most checks before its first failure; of those, the lowest score."""
    passed = np.logical_and.accumulate(assessment.checks).sum(0)
    return int(np.lexsort((assessment.score, -passed))[0])


def _positive_exponent(fits: Fits) -> Float[np.ndarray, " fits"]:
    """The exponent, or next to nothing where the loss rises."""
    return np.maximum(fits.exponent, 1e-9)


def _cut_in_thirds(curve: Curve, fits: Fits, windows: Windows) -> Thirds:
    """Lines by least squares through the residuals of each third."""
    edges = [windows.first + (windows.size * part) // 3 for part in range(4)]
    parts = [Windows(edges[k], edges[k + 1] - 1).mask(len(curve.x)) for k in range(3)]
    inside = np.stack(parts, 1).astype(float)
    count = inside.sum(2, keepdims=True)
    dx = (curve.x - (inside @ curve.x)[..., None] / count) * inside
    square = np.sum(dx**2, 2, keepdims=True)
    residual = fits.residual[:, None] * inside
    slope = -np.sum(dx * residual, 2, keepdims=True) / square
    scatter = residual - inside * residual.sum(2, keepdims=True) / count + dx * slope
    scatter = scatter / np.sqrt(1 - inside / count - dx**2 / square)
    return Thirds(scatter, slope[..., 0], square[..., 0], count[..., 0])


def _measure_noise(fits: Fits, thirds: Thirds, size: Int[np.ndarray, " fits"]) -> Noise:
    """Errors by leverage (HC2), widened by the lag-1 autocorrelation of the scatter."""
    from scipy.special import chdtri

    total = np.sum(thirds.scatter**2, (1, 2))
    inflation = _inflation(thirds, total, size)
    terms = (fits.influence * thirds.scatter.sum(1)) ** 2
    error = np.sqrt(inflation * terms.sum(1))
    # Satterthwaite's degrees of freedom; 3 is the fourth moment of a normal.
    effective = 3 * terms.sum(1) ** 2 / np.maximum(np.sum(terms**2, 1), _TINY)
    spare = size - _PARAMETERS
    freedom = np.maximum(np.minimum(effective, size) * spare / size / inflation, 1.0)
    # A third's own noise, steadied by three points' worth of the whole window's.
    steadied = (np.sum(thirds.scatter**2, 2) + 3 * (total / size)[:, None]) / (thirds.bins + 3)
    variance = inflation[:, None] * steadied / thirds.square
    return Noise(total / size, variance, error, freedom, spare / chdtri(spare, 0.95))


def _inflation(
    thirds: Thirds, total: Float[np.ndarray, " fits"], size: Int[np.ndarray, " fits"]
) -> Float[np.ndarray, " fits"]:
    """(1 + r) / (1 - r), r the lag-1 autocorrelation corrected for the lines' parameters."""
    u = thirds.scatter.sum(1)
    r = np.sum(u[:, 1:] * u[:, :-1], 1) / np.maximum(total, _TINY)
    r = np.clip(r + (1 + r) * _PARAMETERS / size, 0.0, 0.9)
    return (1 + r) / (1 - r)


def _measure_drift(fits: Fits, thirds: Thirds, noise: Noise) -> Float[np.ndarray, " fits"]:
    """D, D^2 = max over pairs of (s_i - s_j)^2 - 4 var(s_i - s_j), amplified by a floor."""
    i, j = [0, 1, 0], [1, 2, 2]
    difference, variance = thirds.slope[:, i] - thirds.slope[:, j], noise.variance
    excess = difference**2 - 4 * (variance[:, i] + variance[:, j])
    return fits.amplification * np.sqrt(np.maximum(excess.max(1), 0))


def _hidden_drift(fits: Fits, thirds: Thirds, noise: Noise) -> Float[np.ndarray, " fits"]:
    """The drift that the noise, at its upper bound, leaves possible: differences + 2 errors."""
    error = np.sqrt(noise.bound * (noise.variance[:, 0] + noise.variance[:, 2]))
    return fits.amplification * (np.ptp(thirds.slope, 1) + 2 * error)


def _stands_above_floor(
    curve: Curve, fits: Fits, windows: Windows, min_decades: float | int
) -> Bool[np.ndarray, " fits"]:
    """L - c is a tenth of L over `min_decades`, and c no less than -3 L at the window's start."""
    reach = curve.x - curve.x[windows.first][:, None]
    visible = np.max((fits.share >= _MIN_SHARE) * reach, 1)
    lowest = -_MAX_OFFSET * np.exp(curve.y[windows.first])
    return (fits.floor >= lowest) & (visible >= min_decades * math.log(10) * (1 - 1e-9))


def _expected_error(
    curve: Curve,
    fits: Fits,
    windows: Windows,
    noise: Noise,
    drift: Float[np.ndarray, " fits"],
) -> Float[np.ndarray, " fits"]:
    """sqrt(noise^2 + D^2 / 12) / alpha, combined with what a window of finite length resolves."""
    width = curve.x[windows.last] - curve.x[windows.first]
    resolution = _RESOLUTION * fits.amplification * math.log(10) / width
    # Windows compete on plain noise: by their own leverage and autocorrelation luck would choose.
    plain = noise.mean_square * np.sum(fits.influence**2, 1)
    return np.sqrt((plain + drift**2 / 12) / _positive_exponent(fits) ** 2 + resolution**2)
