"""What forms when: regimes of the loss of every network and law, and its geometry beside them."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup import SGD, PowerLawFeatures, Student, Sweep, fit
from jaxsup.fit import intervals
from jaxsup.fit.intervals import Estimate
from jaxsup.fit.stretches.regimes import Regimes, Stretch
from jaxsup.reproduce.analysis import formation_curves as curves

if TYPE_CHECKING:
    import xarray as xr

START = 5.0
"""eta t from which on curves are looked at, as in `transition`."""
SHARES = (0.1, 0.5, 0.9)
"""Shares of the change whose steps are told."""
ABOUT_ONE = (0.8, 1.2)
"""Local exponents that count as about 1."""
OBSERVABLES = ("response_saturation", "response_spread", "response_localization")


class Peak(NamedTuple):
    """Where a rate is largest.

    Attributes:
        place: "start", "inside" or "end" of the curve, for all seeds; or "unclear".
        step: over seeds, None unless inside.
    """

    place: str
    step: Estimate | None


class Course(NamedTuple):
    """The course of one observable; an estimate is over seeds, None where it cannot be known.

    Attributes:
        first: value at step 0, mean over seeds.
        start, end: values at eta t = `START` and at the end, likewise.
        directness: |change| over the length of the way, mean over seeds, in [0, 1].
        steps: at which each of `SHARES` has formed for good.
        stretches: share of the change in each stretch of the regimes.
        about_one: share of the change while the local exponent is in `ABOUT_ONE`.
        correlation: rank correlation of the local exponent with the rate of forming.
        fastest: where that rate is largest.
        delay: decades of t by which it is largest later than the local exponent; None where one
            of the two is largest at an end.
    """

    first: float
    start: float
    end: float
    directness: float
    steps: tuple[Estimate | None, ...]
    stretches: tuple[Estimate | None, ...]
    about_one: Estimate | None
    correlation: Estimate | None
    fastest: Peak
    delay: Estimate | None

    def to_dict(self) -> dict[str, Any]:
        """All fields, JSON-safe."""
        return {name: _plain(value) for name, value in self._asdict().items()}


@dataclasses.dataclass(frozen=True)
class Row:
    """A kind of network and a law: curves of all seeds and what they show.

    Attributes:
        kind: "bottleneck" or "autoencoder".
        a: exponent of the features.
        features, latent: N and K.
        learning_rate: eta.
        steps: recorded ones from eta t = `START` on.
        loss: of the seeds that learned.
        values: of each observable, likewise [seeds, steps].
        diverged: seeds that diverged.
        silent: seeds whose loss at the end is above half of that at the start.
        regimes: of the loss, over all seeds; None where no seed learned.
        edges: steps between which the stretches of the regimes lie.
        time_shares: of each stretch in log t.
        time_about_one: share of log t in which the local exponent is in `ABOUT_ONE`.
        steepest: where the local exponent is largest; None where no seed learned.
        courses: of each observable; empty where no seed learned.
    """

    kind: str
    a: float
    features: int
    latent: int
    learning_rate: float
    steps: Float[np.ndarray, " steps"]
    loss: Float[np.ndarray, "seeds steps"]
    values: dict[str, Float[np.ndarray, "seeds steps"]]
    diverged: int
    silent: int
    regimes: Regimes | None = None
    edges: tuple[float, ...] = ()
    time_shares: tuple[float, ...] = ()
    time_about_one: float = math.nan
    steepest: Peak | None = None
    courses: dict[str, Course] = dataclasses.field(default_factory=dict)

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """Of the regimes, from early to late."""
        return self.regimes.stretches if self.regimes else ()

    @property
    def name(self) -> str:
        """The network and its law in a few words."""
        return f"{self.kind}, a = {self.a:g}"

    def stretch_at(self, step: float) -> Stretch | None:
        """The stretch of the regimes that a step lies in."""
        ends = self.edges[1:]
        return next((s for s, end in zip(self.stretches, ends, strict=True) if step <= end), None)

    def to_dict(self) -> dict[str, Any]:
        """The row without its curves, JSON-safe."""
        names = ("kind", "a", "features", "latent", "learning_rate", "diverged", "silent")
        numbers = {name: getattr(self, name) for name in names}
        return {
            **numbers,
            "seeds": len(self.loss),
            "regimes": self.regimes.to_dict() if self.regimes else None,
            "edges": list(self.edges),
            "time_shares": list(self.time_shares),
            "time_about_one": _plain(self.time_about_one),
            "steepest": _plain(self.steepest),
            "courses": {name: course.to_dict() for name, course in self.courses.items()},
        }


def _plain(value: Any) -> Any:
    """Estimates as mappings, tuples as lists, not finite as None."""
    if isinstance(value, Estimate):
        return value._asdict()
    if isinstance(value, Peak):
        return {"place": value.place, "step": _plain(value.step)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def measure(dataset: xr.Dataset, sweep: Sweep) -> list[Row]:
    """One row a network and law, in the order of the sweep.

    Arguments:
        dataset: of `formation`'s sweep, with axes "network" and "law".
        sweep: that sweep.
    """
    networks, laws = sweep.shape
    places = [(network, law) for network in range(networks) for law in range(laws)]
    return [_measure_row(dataset, sweep, *place) for place in places]


def _measure_row(dataset: xr.Dataset, sweep: Sweep, network: int, law: int) -> Row:
    experiment = sweep.experiment_at((network, law))
    student, optimizer, features = experiment.student, experiment.optimizer, experiment.features
    assert isinstance(student, Student)
    assert isinstance(optimizer, SGD)
    assert isinstance(features, PowerLawFeatures)
    learning_rate = float(optimizer.learning_rate)
    cell = dataset.isel(network=network, law=law).transpose("seed", "step", ...)
    loss = cell["loss"].values.astype(np.float64)
    whole = cell["status"].values == 0
    learned = whole & (loss[:, -1] < loss[:, 0] / 2)
    later = learning_rate * cell["step"].values >= START
    steps = cell["step"].values[later].astype(np.float64)
    values = {name: cell[name].values[learned].astype(np.float64) for name in OBSERVABLES}
    found = _measure_courses(steps, loss[learned], values, later) if learned.any() else {}
    return Row(
        kind="bottleneck" if student.core else "autoencoder",
        a=float(features.exponent),
        features=features.count,
        latent=student.latent,
        learning_rate=learning_rate,
        steps=steps,
        loss=loss[learned][:, later],
        values={name: curve[:, later] for name, curve in values.items()},
        diverged=int((cell["status"].values == 1).sum()),
        silent=int((whole & ~learned).sum()),
        **found,
    )


def _measure_courses(
    steps: Float[np.ndarray, " steps"],
    loss: Float[np.ndarray, "seeds records"],
    values: dict[str, Float[np.ndarray, "seeds records"]],
    later: np.ndarray,
) -> dict[str, Any]:
    """The regimes of the loss and how each observable forms beside them."""
    loss = loss[:, later]
    regimes = fit.regimes(steps, loss)
    edges = curves.edges_between([stretch.window for stretch in regimes.stretches], steps)
    local = fit.local_exponent(steps, loss)
    bins = curves.edges_between([(step, step) for step in local.steps.tolist()], steps)
    near = (local.exponent >= ABOUT_ONE[0]) & (local.exponent <= ABOUT_ONE[1])
    alphas = np.array([fit.local_exponent(steps, curve).exponent for curve in loss])
    return {
        "regimes": regimes,
        "edges": tuple(edges.tolist()),
        "time_shares": tuple(_time_shares(edges).tolist()),
        "time_about_one": float(_time_shares(bins)[near].sum()),
        "steepest": _peak(local.steps, alphas),
        "courses": {
            name: _measure_course(steps, curve, later, edges, bins, near, alphas)
            for name, curve in values.items()
        },
    }


def _time_shares(edges: Float[np.ndarray, " edges"]) -> Float[np.ndarray, " parts"]:
    """Of each part between two edges, in log t."""
    return np.diff(np.log(edges)) / np.log(edges[-1] / edges[0])


def _measure_course(
    steps: Float[np.ndarray, " steps"],
    records: Float[np.ndarray, "seeds records"],
    later: np.ndarray,
    edges: Float[np.ndarray, " edges"],
    bins: Float[np.ndarray, " bins"],
    near: np.ndarray,
    alphas: Float[np.ndarray, "seeds points"],
) -> Course:
    values = records[:, later]
    crossings = curves.forming_steps(steps, values, SHARES)
    shares = curves.shares_between(steps, values, edges)
    within = curves.shares_between(steps, values, bins)[:, near].sum(axis=1)
    points, rates = curves.rates(steps, values)
    return Course(
        first=float(records[:, 0].mean()),
        start=float(values[:, 0].mean()),
        end=float(values[:, -1].mean()),
        directness=float(curves.directness(values).mean()),
        steps=tuple(_of_steps(column) for column in crossings.T),
        stretches=tuple(_over_seeds(column) for column in shares.T),
        about_one=_over_seeds(within),
        correlation=_over_seeds(curves.rank_correlations(alphas, rates), ends=(-1.0, 1.0)),
        fastest=_peak(points, rates),
        delay=_delay(points, alphas, rates),
    )


def _peak(steps: Float[np.ndarray, " n"], rates: Float[np.ndarray, "seeds n"]) -> Peak:
    points = curves.peaks(rates)
    place = curves.place_of(points, len(steps))
    return Peak(place, _of_steps(steps[points]) if place == "inside" else None)


def _delay(
    steps: Float[np.ndarray, " n"],
    alphas: Float[np.ndarray, "seeds n"],
    rates: Float[np.ndarray, "seeds n"],
) -> Estimate | None:
    early, late = curves.peaks(alphas), curves.peaks(rates)
    places = {curves.place_of(points, len(steps)) for points in (early, late)}
    return _over_seeds(np.log10(steps[late] / steps[early])) if places == {"inside"} else None


def _over_seeds(
    samples: Float[np.ndarray, " seeds"], ends: tuple[float, float] = (-math.inf, math.inf)
) -> Estimate | None:
    """Mean with Student's interval; None for one seed, or where one has no number."""
    if len(samples) < 2 or not np.isfinite(samples).all():
        return None
    return intervals.from_samples(np.clip(samples, *ends), ends=ends)


def _of_steps(samples: Float[np.ndarray, " seeds"]) -> Estimate | None:
    """The same of steps, by their logarithms."""
    estimate = _over_seeds(np.log(samples))
    if estimate is None:
        return None
    value, low, high = (math.exp(number) for number in estimate[:3])
    return Estimate(value, low, high, f"{estimate.basis}, of logarithms")
