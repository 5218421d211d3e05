"""The published figures of the package: their names, their titles, and where their classes are.

A file of `jaxsup.reproduce.figures` holds one class. The table lists them without importing any, so
that the command can print them before JAX is loaded.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from jaxsup.reproduce.figure import AbstractFigure, AbstractWeightsFigure


class Entry(NamedTuple):
    """A figure of the package.

    Attributes:
        figure: name of its class, in the file with the figure's name.
        title: what it shows, in one line.
    """

    figure: str
    title: str


FIGURES = {
    "acceleration": Entry(
        "Acceleration",
        'Both readings of "up to tenfold": a ratio of exponents, and steps to a given loss.',
    ),
    "anatomy": Entry(
        "Anatomy",
        "Anatomy of one family of runs: how superposition turns sequential into parallel learning.",
    ),
    "capacity": Entry(
        "Capacity",
        "Capacity over width and sparsity: saturation, spread and the linear law, beside nulls.",
    ),
    "energy-levels": Entry(
        "EnergyLevels",
        "Energy levels: random starts end at a few discrete losses, each with its own geometry.",
    ),
    "formation": Entry(
        "Formation",
        "Formation: when saturation and localization form, against the regimes of the loss curve.",
    ),
    "frontier": Entry(
        "ComputeFrontier",
        "The compute-optimal frontier: which width K is best for so much compute, and its loss.",
    ),
    "localization": Entry(
        "Localization",
        "Saturation forces localization: both measured on many autoencoders, all along training.",
    ),
    "no-superposition": Entry(
        "NoSuperposition",
        "Without superposition: loss curves and exponents over (a, b), with the theory laid over.",
    ),
    "real-weights": Entry(
        "RealWeights",
        "The diagnosis of an embedding matrix of your own: overlaps, saturation, eigenspaces.",
    ),
    "scaling-with-width": Entry(
        "ScalingWithWidth",
        "Scaling with width: loss against latent dimensions in weak and in strong superposition.",
    ),
    "toy-geometry": Entry(
        "ToyGeometry",
        "The toy model's geometry: dimensions per feature against sparsity, and their shapes.",
    ),
    "toy-intro": Entry(
        "ToyIntro",
        "The toy model's introduction: five features in the plane, from dense data to sparse.",
    ),
    "toy-phase-diagram": Entry(
        "ToyPhaseDiagram",
        "Two features in one dimension: which is represented, over density and importance.",
    ),
    "trainability": Entry(
        "Trainability",
        "Trainability: where networks learn, fall silent or diverge, over two learning rates.",
    ),
    "transition": Entry(
        "Transition",
        "Training exponents on both sides of the transition into superposition, with controls.",
    ),
    "universality": Entry(
        "Universality",
        "The atlas: over which data, channels and optimizers the training exponent is about 1.",
    ),
}
"""The figures of the package by name."""


def figure_titles() -> dict[str, str]:
    """Names of the figures with their titles; imports none of them."""
    return {name: entry.title for name, entry in FIGURES.items()}


def find_figure(name: str) -> AbstractFigure[Any] | AbstractWeightsFigure[Any]:
    """The figure of a name.

    Raises:
        ValueError: there is none of that name.
    """
    from jaxsup._internal.validation import check_choice

    check_choice("figure", name, FIGURES)
    module = importlib.import_module("jaxsup.reproduce.figures." + name.replace("-", "_"))
    return getattr(module, FIGURES[name].figure)()
