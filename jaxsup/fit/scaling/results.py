"""What a fit of a scaling law finds."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxsup._internal.display import html_table, html_text, named
from jaxsup._internal.validation import fail
from jaxsup.fit.intervals import Estimate
from jaxsup.fit.numbers import read_numbers


class ScalingTerm(NamedTuple):
    """A power law amplitude x^-exponent.

    Attributes:
        amplitude: A > 0, in units of the loss, at x = 1; infinite or 0 beyond float64's range.
        exponent: > 0 where the loss falls with x.
        log_amplitude: log A.
    """

    amplitude: Estimate
    exponent: Estimate
    log_amplitude: float


class ScalingFit(NamedTuple):
    """A law of the loss with 95% intervals.

    Attributes:
        floor: E; None where the law has none.
        size: the term of model size, A N^-alpha; None without sizes.
        data: the term of data, B D^-beta; None without data.
        residuals: log of the predicted loss over the measured, [points].
        objective: sum of their Huber losses.
        delta: of the Huber loss.
        problem: why the parameters say little, for people; empty where they do. An exponent whose
            interval reaches 0 is no law: its term and the floor are then one.
    """

    floor: Estimate | None
    size: ScalingTerm | None
    data: ScalingTerm | None
    residuals: Float[np.ndarray, " points"]
    objective: float
    delta: float
    problem: str = ""

    def predict(
        self, size: ArrayLike | None = None, data: ArrayLike | None = None
    ) -> Float[np.ndarray, "*shape"]:
        """The law's loss at model sizes and amounts of data.

        Raises:
            ValueError: what the law depends on is missing, or something else is given.
        """
        total: Any = 0.0 if self.floor is None else self.floor.value
        for name, term, values in (("size", self.size, size), ("data", self.data, data)):
            if (term is None) != (values is None):
                expected = "nothing, as it was fitted without" if term is None else "numbers"
                raise fail(name, expected, values, "give what the law was fitted to")
            if term is not None and values is not None:
                x = positive_numbers(name, values)
                # By logarithms: the amplitude at x = 1 may be beyond all numbers.
                total = total + np.exp(term.log_amplitude - term.exponent.value * np.log(x))
        return np.asarray(total, np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Numbers and intervals as JSON-safe values; symbols as in E + A / N^alpha + B / D^beta."""
        numbers = {"E": self.floor}
        for symbols, term in ((("A", "alpha"), self.size), (("B", "beta"), self.data)):
            numbers |= dict(zip(symbols, term[:2] if term else (None, None), strict=True))
        plain = {name: None if n is None else _json_safe(n) for name, n in numbers.items()}
        scatter = float(np.sqrt(np.mean(self.residuals**2)))
        return {
            **plain,
            "points": len(self.residuals),
            "rms_residual": scatter,
            "objective": self.objective,
            "delta": self.delta,
            "problem": self.problem,
        }

    def __str__(self) -> str:
        """A line a parameter."""
        numbers = self._parameters()
        lines = [f"{n:<6} {e.value:.5g}  ({e.low:.5g} to {e.high:.5g})" for n, e in numbers]
        return "\n".join([*lines, *self._remarks()])

    def __repr__(self) -> str:
        return named(self, str(self))

    def _repr_html_(self) -> str:
        rows = [
            (name, f"{e.value:.5g}", f"{e.low:.5g} to {e.high:.5g}")
            for name, e in self._parameters()
        ]
        table = html_table(rows, ("parameter", "value", "95% interval"))
        return table + html_text("\n".join(self._remarks()))

    def _parameters(self) -> list[tuple[str, Estimate]]:
        """The numbers of the law, by their symbols in E + A / N^alpha + B / D^beta."""
        numbers = [("E", self.floor)] if self.floor else []
        for symbols, term in ((("A", "alpha"), self.size), (("B", "beta"), self.data)):
            numbers += list(zip(symbols, term[:2], strict=True)) if term else []
        return numbers

    def _remarks(self) -> list[str]:
        """Points and scatter, and what is wrong."""
        scatter = float(np.sqrt(np.mean(self.residuals**2)))
        remark = f"{len(self.residuals)} points, rms of log residuals {scatter:.3g}"
        return [remark, *([self.problem] if self.problem else [])]


def positive_numbers(name: str, values: ArrayLike) -> Float[np.ndarray, "*shape"]:
    """The values as float64.

    Raises:
        ValueError: one is not positive and finite, or there are none.
    """
    numbers, _ = read_numbers(name, values)
    if not (np.isfinite(numbers) & (numbers > 0)).all() or not numbers.size:
        bad = numbers[~(np.isfinite(numbers) & (numbers > 0))]
        text = f"{bad.flat[0]:g}" if bad.size else "none"
        do = "leave out runs that diverged"
        raise fail(name, "positive finite numbers", text, do, described=True)
    return numbers


def _json_safe(estimate: Estimate) -> dict[str, Any]:
    """An estimate as JSON has it: None for what is not finite."""
    plain = estimate._asdict()
    return {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in plain.items()}
