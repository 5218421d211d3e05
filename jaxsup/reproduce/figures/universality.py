"""The atlas: over which data, channels and optimizers the training exponent is about 1."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from jaxsup import SGD, DiagonalTeacher, Experiment, PowerLawFeatures, Record, Student, Sweep
from jaxsup.reproduce import AbstractFigure
from jaxsup.reproduce.analysis import atlas_design
from jaxsup.reproduce.analysis.atlas_design import Setting
from jaxsup.reproduce.registry import FIGURES

_LEVELS: dict[str, tuple[Any, ...]] = {
    "a": (1.1, 2.0),
    "b": (0.0, 0.5),
    "ratio": (2, 8),
    "step": (1.0, 0.5),
    "density": (1.0, 3.0),
    "slope": (0.0, 1.0),
    "features": (32, 64),
    "batch_size": (32, 8),
    "optimizer": ("SGD", "Adam"),
    "values": ("uniform", "sign"),
    "embedding": ("random", "learned"),
}
"""Levels of the screen at quick scale, the reference first."""


@dataclasses.dataclass(frozen=True)
class Scale:
    steps: dict[int, int]
    base: int
    a: tuple[float, ...]
    b: tuple[float, ...]
    ratios: tuple[int, ...]
    levels: dict[str, tuple[Any, ...]]
    seeds: int
    evaluation_samples: int = 1024
    sampling: str = "dense"
    points: int = 80

    @property
    def reference(self) -> dict[str, Any]:
        names = ("step", "density", "slope", "batch_size", "optimizer", "values")
        return {name: self.levels[name][0] for name in names}

    def settings(self) -> list[Setting]:
        sizes, first, base = sorted(self.steps), self.ratios[0], self.base
        def cells(students, sizes):
            return atlas_design.grid(students, self.a, self.b, sizes, self.reference)
        others = [("identity", 1), *(("learned", ratio) for ratio in self.ratios)]
        return [
            *cells([("random", ratio) for ratio in self.ratios], sizes[:-1]),
            *cells([("random", first)], sizes[-1:]),
            *cells(others, [base]),
            *atlas_design.screen(self.levels),
        ]


SCALES = {
    "smoke": Scale({16: 100, 24: 100, 32: 100}, 16, (1.1, 2.0), (0.0,), (2,), {**{k: v[:1] for k, v in _LEVELS.items()}, **{k:_LEVELS[k] for k in atlas_design.STRUCTURAL}, "features": (16, 24)}, 2, 128, points=40),
    "quick": Scale({32: 2000, 64: 3000, 128: 4000, 256: 4000}, 64, (1.1, 1.3, 1.5, 1.75, 2.0), (0.0, 0.25, 0.5, 1.0), (2, 4, 8), _LEVELS, 8),
}


class Universality(AbstractFigure[Scale]):
    name = "universality"
    title = FIGURES[name].title
    scales = SCALES
    widths = 1

    def configure(self, scale: Scale) -> Sweep:
        settings = scale.settings()
        fields = [setting.fields(scale.steps[setting.features]) for setting in settings]
        experiment = Experiment(
            PowerLawFeatures(scale.base, scale.a[0]),
            DiagonalTeacher(scale.b[0]),
            Student(scale.base // 2),
            SGD(1.0),
            steps=scale.steps[scale.base],
            sampling=scale.sampling,
            record=Record(points=scale.points, evaluation_samples=scale.evaluation_samples),
        )
        axis = {name: [each[name] for each in fields] for name in fields[0]}
        return Sweep(experiment, {"setting": axis}, scale.seeds)

    def measure(self, dataset, sweep): ...
