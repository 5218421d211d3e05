"""Which settings an atlas of exponents trains: a full grid, a ladder of sizes, and a screen.

The screen has all factors. Those that a compiled program is made for (N, batch, optimizer, values,
embedding) have two levels each and half of their combinations: those in which an even number of
them leaves its first level, the regular fraction 2^(5-1) of resolution V with the defining relation
I = ABCDE. Those that a program takes as arguments (a, b, N/K, step size, density, activation) are
crossed in full, with each other and with the half fraction. So all main effects and all
interactions of two factors are orthogonal to each other. Confounded are interactions of structural
factors only: any two of them with the other three, one with the other four.

Reference:
    Box, Hunter and Hunter, Statistics for Experimenters, 2nd ed. (2005), chapter 6.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jaxsup import SGD, Adam, Experiment, Sweep
from jaxsup.experiment.activations import LeakyReLU

STRUCTURAL = ("features", "batch_size", "optimizer", "values", "embedding")
"""Factors of the half fraction; the others are crossed in full."""
_CROSSED = ("a", "b", "ratio", "step", "density", "slope")
FACTORS = (*_CROSSED, *STRUCTURAL)
"""All factors, by the names of a `Setting`'s fields."""
WORDS = {
    "a": "feature exponent a",
    "b": "channel exponent b",
    "ratio": "N/K",
    "step": "step size",
    "density": "density",
    "slope": "activation",
    "features": "N",
    "batch_size": "batch",
    "optimizer": "optimizer",
    "values": "values",
    "embedding": "embedding",
}
"""What people call a factor."""
_RATE, _IDENTITY_RATE, _ADAM_RATE = 0.5, 0.1, 0.01


@dataclasses.dataclass(frozen=True)
class Setting:
    """A point of the atlas.

    Attributes:
        part: "grid" or "screen": what it was trained for.
        a, b: exponents of features and teacher.
        ratio: N/K.
        step: step size as a fraction of the largest of its kind, see `rate`.
        density: mean number of active features.
        slope: of the activation below 0: 0 is ReLU, 1 the identity.
        features: N.
        batch_size: samples of an update.
        optimizer: "SGD" or "Adam".
        values: law of a feature's value, as `jaxsup.PowerLawFeatures` takes it.
        embedding: "identity", "random" (frozen) or "learned".
    """

    part: str
    a: float
    b: float
    ratio: int
    step: float
    density: float
    slope: float
    features: int
    batch_size: int
    optimizer: str
    values: str
    embedding: str

    @property
    def rate(self) -> float:
        """The learning rate eta.

        SGD: `step` / 2 K/N / max(1, density): the frame operator multiplies the gradient by about
        N/K, and active features add up. A tenth of `step` for W = I, whose outputs larger steps
        kill. Adam: 0.01 `step`.
        """
        if self.optimizer == "Adam":
            return self.step * _ADAM_RATE
        if self.embedding == "identity":
            return self.step * _IDENTITY_RATE
        return self.step * _RATE / self.ratio / max(1.0, self.density)

    def fields(self, steps: int) -> dict[str, Any]:
        """The experiment's fields, by path, at so many updates."""
        optimizer = Adam if self.optimizer == "Adam" else SGD
        return {
            "features.exponent": self.a,
            "teacher.exponent": self.b,
            "student.latent": self.features // self.ratio,
            "features.density": self.density,
            "student.activation": LeakyReLU(self.slope),
            "features.count": self.features,
            "batch_size": self.batch_size,
            "optimizer": optimizer(self.rate),
            "features.values": self.values,
            "student.embedding": self.embedding,
            "steps": steps,
        }


class AtlasSweep(Sweep):
    """A sweep along one axis "setting", that knows what its settings are.

    Arguments:
        experiment: what all settings share.
        settings: along the axis.
        steps: updates at each N.
        seeds: as `jaxsup.Sweep` takes them.
    """

    def __init__(
        self,
        experiment: Experiment,
        settings: Sequence[Setting],
        steps: Mapping[int, int],
        seeds: int,
    ) -> None:
        fields = [setting.fields(steps[setting.features]) for setting in settings]
        axis = {name: [each[name] for each in fields] for name in fields[0]}
        super().__init__(experiment, {"setting": axis}, seeds)
        self.settings = tuple(settings)


def describe_level(factor: str, level: Any) -> str:
    """A level in a word or a number."""
    names: Mapping[str, Mapping[Any, str]] = {
        "slope": {0.0: "ReLU", 1.0: "linear"},
        "values": {"uniform": "[0, 2]", "unit": "[0, 1]", "sign": "±1", "symmetric": "[−1, 1]"},
        "embedding": {"random": "frozen", "identity": "W = I"},
    }
    return names.get(factor, {}).get(level, f"{level:g}" if factor in _NUMERIC else str(level))


_NUMERIC = ("a", "b", "ratio", "step", "density", "slope", "features", "batch_size")


def half_fraction(levels: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Combinations of two-level factors in which an even number leaves its first level.

    Where a factor is held at one level nothing is left out: the others are crossed in full.

    Arguments:
        levels: one or two of each factor, by name.
    """
    held = any(len(values) == 1 for values in levels.values())
    for picks in itertools.product(*(range(len(values)) for values in levels.values())):
        if held or sum(picks) % 2 == 0:
            pairs = zip(levels.items(), picks, strict=True)
            yield {name: values[pick] for (name, values), pick in pairs}


def screen(levels: Mapping[str, Sequence[Any]]) -> list[Setting]:
    """The screen's settings, those of one program beside each other.

    Arguments:
        levels: of every factor in `FACTORS`: one or two of the structural ones, one or more of the
            others. First levels are the reference.
    """
    crossed = list(itertools.product(*(levels[name] for name in _CROSSED)))
    return [
        Setting("screen", **structure, **dict(zip(_CROSSED, values, strict=True)))
        for structure in half_fraction({name: levels[name] for name in STRUCTURAL})
        for values in crossed
    ]


def grid(
    students: Sequence[tuple[str, int]],
    a: Sequence[float],
    b: Sequence[float],
    sizes: Sequence[int],
    reference: Mapping[str, Any],
) -> list[Setting]:
    """All combinations of students, a, b and N at the reference of every other factor.

    Arguments:
        students: pairs of embedding and N/K.
        a, b, sizes: levels of a, b and N.
        reference: the other factors' levels, by name.
    """
    return [
        Setting("grid", a=a_, b=b_, ratio=ratio, features=N, embedding=embedding, **reference)
        for N in sizes
        for embedding, ratio in students
        for a_, b_ in itertools.product(a, b)
    ]
