"""What a figure is: a configuration, a measurement, claims and a picture.

Training, the dataset, resuming and the files are the same for all figures, see
`jaxsup.reproduce.reproduce`. The verdict on a claim follows from its numbers by the rule of
`jaxsup.reproduce.claims`.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar

from jaxsup._internal.display import fields_in_short
from jaxsup._internal.validation import check_choice

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from jaxsup.reproduce.claims import Claim
    from jaxsup.sweep.grid import Sweep
    from jaxsup.weights.files.read import Weights

Scale = TypeVar("Scale")
"""How large a figure's experiment is: whatever its class makes of it."""


Records: TypeAlias = list[dict[str, Any]]
"""Numbers for programs, JSON-safe: a mapping a setting, or whatever a figure counts."""


class Findings(NamedTuple):
    """What a figure's measurement gives.

    Attributes:
        records: numbers for programs.
        text: lines for people.
        figure: the picture.
        claims: the published statements that it is about, each with its verdict.
        dataset: what to store beside the picture, where nothing was trained.
    """

    records: Records
    text: list[str]
    figure: Figure
    claims: list[Claim]
    dataset: xr.Dataset | None = None
    __repr__ = fields_in_short


class _Described(abc.ABC, Generic[Scale]):
    """The name, the title and the scales that every figure has."""

    name: str
    title: str
    scales: Mapping[str, Scale]

    def scale(self, name: str) -> Scale:
        """The scale of a name.

        Raises:
            ValueError: there is none of that name.
        """
        check_choice("scale", name, self.scales)
        return self.scales[name]


class AbstractFigure(_Described[Scale]):
    """A figure about networks that it trains.

    To write one, in the package or outside of it, derive a class, set the attributes, and write
    `configure` and `measure`; then call `jaxsup.reproduce.reproduce` with an instance. The figures
    of the package build their findings by three more methods, whose arguments are whatever the
    figure measures: ``summarize`` (lines for people), ``draw`` (the picture) and ``claims``.

    Attributes:
        name: of the files, in lower case with hyphens.
        title: what the figure shows, in one line.
        scales: "smoke" (seconds), "quick" (at most minutes on two cores) and "paper" (an
            accelerator), each with the value that `configure` takes; others as a figure needs them.
        widths: padded widths that a scan over the latent dimension may compile to, see
            `jaxsup.run`.
    """

    widths: int = 2

    @abc.abstractmethod
    def configure(self, scale: Scale) -> Sweep:
        """What is trained, for a value of `scales`."""

    @abc.abstractmethod
    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        """What the trained networks say, the claims and the picture.

        Arguments:
            dataset: result of `jaxsup.run` for the sweep.
            sweep: what `configure` returned.
        """


class AbstractWeightsFigure(_Described[Scale]):
    """A figure about a matrix of weights that the user brings; it trains nothing.

    To write one, derive a class, set the attributes, and write `inspect`.

    Attributes:
        name, title: as those of an `AbstractFigure`.
        scales: likewise, each with the value that `inspect` takes.
    """

    @abc.abstractmethod
    def inspect(self, weights: Weights, scale: Scale) -> Findings:
        """What the matrix holds, the claims and the picture.

        Arguments:
            weights: result of `jaxsup.weights.read_weights`.
            scale: a value of `scales`.
        """
