"""The linear student without superposition that a setting is compared with: curve and start-up.

What a power law for infinitely many features says of a run is read at the run's own number of
features, step size and steps. Host numpy in double precision, from a configuration as a dataset
holds it.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxsup._internal.display import fields_in_short
from jaxsup._internal.validation import check_number
from jaxsup.experiment.features import GaussianFeatures, PowerLawFeatures
from jaxsup.experiment.optimizers import SGD
from jaxsup.experiment.students import Student
from jaxsup.experiment.tables import object_from_table
from jaxsup.experiment.teachers import DiagonalTeacher
from jaxsup.theory.rank_one import rank_one_modes

START_UP_TOLERANCE = 0.02
"""Distance from the asymptotic exponent, relative to it, that ends the start-up."""

_SUMMED = 400  # features summed one by one; the integral over the others is exact to 1e-6
_GRID = np.geomspace(0.01, 1e8, 801)  # of s = 2 eta l_1 t
_MOST_CORRELATED = 2**14  # features with a mean: 4 s, four times as long at each doubling
_HELD = 4_000_000  # modes times steps evaluated at once


class LinearReference(NamedTuple):
    """The student yhat = B x (+ c) from a zero start: L(t) = sum_k weights_k (1 - rates_k)^(2t).

    Attributes:
        weights: 1/2 l_k |A q_k|^2 with the eigenvalues l_k and eigenvectors q_k of E[x x^T], in
            units of the loss.
        rates: eta l_k; the loss grows where one is above 2. Of more than 16,384 features with a
            mean, weights and rates are a single NaN, and so is the loss: they are not solved for.
        start_up: step with which the start-up ends, see `start_up`.
    """

    weights: Float[np.ndarray, " modes"]
    rates: Float[np.ndarray, " modes"]
    start_up: float
    __repr__ = fields_in_short

    def loss(self, steps: ArrayLike) -> Float[np.ndarray, " steps"]:
        """L after each of `steps` > 0 updates, [steps]."""
        t = np.asarray(steps, np.float64)
        with np.errstate(divide="ignore", over="ignore"):  # rates of 1, and above 2
            slopes = 2 * np.where(self.rates < 1, np.log1p(-np.minimum(self.rates, 1)), 0)
            fast = self.rates >= 1
            slopes[fast] = 2 * np.log(self.rates[fast] - 1)
            rows = max(1, _HELD // self.rates.size)
            parts = [t[k : k + rows] for k in range(0, t.size, rows)]
            sums = [np.exp(part[:, None] * slopes) @ self.weights for part in parts]
        return np.concatenate(sums) if sums else t


def linear_reference(table: Mapping[str, Any]) -> LinearReference | None:
    """The linear student without superposition (K = N, W = I) beside a configuration's student.

    It sees the same features, is asked the same, has a bias if the other has one, and descends the
    expected loss at the same rate from a zero start. In superposition, or with another activation,
    it is what the student would be without.

    Arguments:
        table: an experiment as a dataset's ``configuration`` holds it.

    Returns:
        The reference; None where (a + 2b - 1)/a does not apply or the curve has no such form: laws
        and teachers other than power laws with a > 0 and a + 2b > 1, optimizers other than SGD at
        one positive rate and without momentum, students without a core or with noise, weighted
        losses, and training sets.
    """
    try:
        parts = [
            object_from_table(name, table[name])
            for name in ("features", "teacher", "student", "optimizer")
        ]
    except (KeyError, ValueError):  # incomplete, or of classes from outside of the package
        return None
    features, teacher, student, optimizer = parts
    if type(features) not in (PowerLawFeatures, GaussianFeatures):
        return None
    if type(teacher) is not DiagonalTeacher or type(student) is not Student or not student.core:
        return None
    if not descends_plainly(optimizer):
        return None
    if table.get("training_set") is not None or student.hidden_noise is not None:
        return None
    a, b = float(features.exponent), float(teacher.exponent)
    if not (a > 0 and a + 2 * b > 1 and table.get("importance", 1.0) == 1):
        return None
    count = features.count
    if not float(optimizer.learning_rate) > 0:
        return None
    scale = {"half_sum": 1.0, "sum": 2.0, "mean": 2.0 / count}[table.get("reduction", "half_sum")]
    rate = float(optimizer.learning_rate) * scale
    gains = np.arange(1.0, count + 1) ** -b
    eigenvalues, energies, leading = _modes(features, gains, bias=student.bias)
    weights = scale * eigenvalues * energies / 2
    return LinearReference(weights, rate * eigenvalues, start_up(a, b, rate * leading))


def descends_plainly(optimizer: object) -> bool:
    """Whether an optimizer is SGD at one constant rate, without momentum."""
    extra = ("momentum", "schedule", "bias_learning_rate")
    return type(optimizer) is SGD and all(getattr(optimizer, name) is None for name in extra)


def start_up(a: float, b: float, rate: float, tolerance: float = START_UP_TOLERANCE) -> float:
    """Step from which infinitely many features' local exponent stays near (a + 2b - 1)/a = alpha.

    With l_i = l_1 i^-a, A_ii = i^-b and s = 2 eta l_1 t, the loss of gradient flow is L ~ sum_i
    i^-(a + 2b) exp(-s i^-a). Its local exponent -d log L / d log t tends to alpha once the first
    features are learned: it lacks s^alpha e^-s / Gamma(alpha) of it while the first is not, and
    then swings about alpha while the next are learned one after the other (the more the larger a
    is). Steps of finite size divide it by 1 + (alpha + 1) / (4t), from L ~ Gamma(2t + 1) /
    Gamma(2t + 1 + alpha) at eta l_1 = 1. The start-up ends where both, each by itself, stay within
    `tolerance` of alpha.

    Arguments:
        a: > 0.
        b: so that a + 2b > 1.
        rate: eta l_1 > 0, with the largest second moment l_1.
        tolerance: accepted distance relative to alpha, in (0, 1).

    Returns:
        The step t; infinity where the flow stays further away up to s = 1e8.

    Raises:
        ValueError: an argument is outside of its range.

    >>> [round(start_up(a, 0.5, 0.5)) for a in (1.5, 3.0)]
    [25, 65]
    """
    check_number("a", a, "pass a of i^-a", low=0, low_open=True)
    check_number("a + 2b", a + 2 * b, "raise a or b", low=1, low_open=True)
    check_number("rate", rate, "pass eta times E[x_1^2]", low=0, low_open=True)
    ends: dict[str, Any] = {"low": 0, "high": 1, "low_open": True, "high_open": True}
    check_number("tolerance", tolerance, "give a share of alpha, such as 0.02", **ends)
    alpha = (a + 2 * b - 1) / a
    return max(_flow_start_up(a, b, tolerance) / (2 * rate), (alpha + 1) / (4 * tolerance))


@functools.lru_cache(maxsize=4096)
def _flow_start_up(a: float, b: float, tolerance: float) -> float:
    """The s = 2 eta l_1 t from which gradient flow's local exponent stays within tolerance."""
    from scipy.special import gamma, gammainc

    alpha, i = (a + 2 * b - 1) / a, np.arange(1.0, _SUMMED + 1)
    decay = np.exp(-_GRID[:, None] * i**-a)
    # The features beyond: an integral from the middle between two of them.
    beyond = _GRID * (_SUMMED + 0.5) ** -a
    tail = _GRID**-alpha * gammainc(alpha, beyond) * gamma(alpha) / a
    loss = decay @ i ** -(a + 2 * b) + tail
    tail = _GRID ** -(alpha + 1) * gammainc(alpha + 1, beyond) * gamma(alpha + 1) / a
    fall = decay @ i ** -(2 * a + 2 * b) + tail
    away = np.flatnonzero(np.abs(_GRID * fall / loss / alpha - 1) > tolerance)
    if not away.size:
        return 0.0
    return float(_GRID[away[-1] + 1]) if away[-1] + 1 < _GRID.size else float("inf")


def _modes(
    features: PowerLawFeatures | GaussianFeatures,
    gains: Float[np.ndarray, " features"],
    *,
    bias: bool,
) -> tuple[Float[np.ndarray, " modes"], Float[np.ndarray, " modes"], float]:
    """Eigenvalues of E[x x^T], |A q_k|^2 of each, and the largest E[x_i^2].

    A bias is the column of a feature that is always 1 and asked for nothing.
    """
    moments = features.moments()
    diagonal, factor = (np.asarray(part, np.float64) for part in (moments.diagonal, moments.factor))
    leading = float(np.max(diagonal + factor**2))
    if not factor.any():
        return diagonal, gains**2, leading
    if gains.size > _MOST_CORRELATED:
        return np.full(1, np.nan), np.full(1, np.nan), leading
    energies = gains**2
    if bias:  # the factor is the mean, which E[x 1] is too: the matrix remains of rank one
        diagonal, factor, energies = (
            np.append(array, last) for array, last in ((diagonal, 0), (factor, 1), (energies, 0))
        )
    modes = rank_one_modes(diagonal, factor, energies)
    return modes.values, modes.energies, leading
