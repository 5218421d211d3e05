"""One tolerance, many thresholds: what noise on the vectors does to the numbers that are compared.

The noise model is w_i -> w_i + e_i with ||e_i|| <= eps ||w_i|| for every feature i. Then

- a direction turns by at most asin(eps), so a cosine moves by at most 2 asin(eps);
- log ||w_i|| moves within [log(1 - eps), log(1 + eps)], so differences by at most 2 atanh(eps);
- the amplitude a_j = ||W E_j||_F / ||W||_F of a projector E_j moves into
  [(a_j - eps) / (1 + eps), (a_j + eps) / (1 - eps)].

Each threshold is what noise of relative size `tolerance` can do to numbers that are equal (or zero)
without it; each `*_margin` is the inverse: the eps that a distance to the threshold survives. The
verdict on an exact, well separated geometry therefore has a margin of exactly `tolerance`.
"""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """Thresholds that belong to relative noise `noise` (eps above), 0 < noise < 1/4."""

    noise: float

    @property
    def edge(self) -> float:
        """|cos| up to which two vectors count as orthogonal: 2 asin(eps)."""
        return 2.0 * math.asin(self.noise)

    @property
    def color(self) -> float:
        """Width up to which cosines are one color, gap beyond which they are two: 4 asin(eps)."""
        return 4.0 * math.asin(self.noise)

    @property
    def log_norm(self) -> float:
        """Spread of log norms up to which norms count as equal: 2 atanh(eps)."""
        return 2.0 * math.atanh(self.noise)

    @property
    def amplitude(self) -> float:
        """Amplitude up to which an idempotent counts as unused: eps / (1 - eps)."""
        return self.noise / (1.0 - self.noise)

    @property
    def tightness(self) -> float:
        """Deviation of amplitudes from those of a tight frame that is forgiven: 2 eps/(1 - eps)."""
        return 2.0 * self.noise / (1.0 - self.noise)

    @property
    def log_eigenvalue(self) -> float:
        """Gap of log eigenvalues up to which two components share an eigenspace: 4 atanh(eps)."""
        return 4.0 * math.atanh(self.noise)


def edge_margin(slack: float) -> float:
    """Noise under which a cosine moves by at most `slack`: sin(slack / 2)."""
    return math.sin(min(slack, math.pi) / 2.0)


def color_margin(slack: float) -> float:
    """Noise under which a difference of two cosines moves by at most `slack`: sin(slack / 4)."""
    return math.sin(min(slack, 2.0 * math.pi) / 4.0)


def log_norm_margin(slack: float) -> float:
    """Noise under which a difference of two log norms moves by at most `slack`: tanh(slack / 2)."""
    return math.tanh(slack / 2.0)


def amplitude_margin(slack: float, threshold: float) -> float:
    """Noise under which an amplitude `slack` away from `threshold` does not cross it."""
    return slack / (1.0 + threshold)


def tightness_margin(slack: float) -> float:
    """Noise under which an amplitude (at most 1) moves by at most `slack`: slack / (2 + slack)."""
    return slack / (2.0 + slack)
