"""`jaxsup spectrum`: what a weight matrix holds."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from jaxsup._internal.text import align_left
from jaxsup.cli.devices import configure_devices, use_devices
from jaxsup.cli.pictures import check_picture, use_house_style
from jaxsup.cli.terminal import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jaxsup.weights.files.formats import StoredTensor
    from jaxsup.weights.files.tensors import ChosenTensors

# Options that ask for something of a single matrix, and of two.
_OF_ONE = ("features", "neighbors", "neighborhood", "cluster_cosine", "top", "component")
_OF_NO_TABLE = (*_OF_ONE, "labels", "center", "unit_norm")
_OF_TWO = ("other_tensor", "absolute")


@dataclasses.dataclass
class SpectrumCommand:
    """Say what a weight matrix holds: spectrum, capacities, coherence, named feature geometries.

    Of several matrices, a table with a row for each: saturation beside that of a random matrix,
    localization, effective rank, the exponent of the spectrum's tail, coherence. Of two files, what
    their matrices share: principal angles, eigenspaces, matched features.

    Try:
      jaxsup spectrum weights.npy
      jaxsup spectrum model.safetensors --tensor wte.weight --out wte.png
      jaxsup spectrum trained.npz --tensor W --tolerance 0.02 --json > found.json
      jaxsup spectrum model.safetensors --out all.png
      jaxsup spectrum model.safetensors.index.json --tensor 'model.layers.*.mlp.*'
      jaxsup spectrum folder/of/the/model --json > table.json
      jaxsup spectrum model.safetensors --tensor wte.weight --labels vocab.txt --neighbors cat
      jaxsup spectrum decoder.npy --features 0:1000 --neighborhood 17:20 --cluster-cosine 0.8
      jaxsup spectrum early.safetensors late.safetensors --tensor wte.weight --out both.png

    Features are the rows of what has the name of an embedding, else the longer side of the matrix,
    unless --orientation says otherwise; the table says which was taken. Of large matrices the
    coherence is a lower bound and the float64 check is left out; the table says so, and --full does
    both. No file is ever unpickled.

    Attributes:
        weights: File with the matrix: .npy, .npz or .safetensors; or a model in several files, by
            its .safetensors.index.json; or a folder in which one of these lies.
        other: A second file, whose matrix is compared with that of the first.
        tensor: Name of the matrix, where the file holds several; or a pattern as 'encoder.*.weight'
            (quoted), in which * is any text. More than one may be given: --tensor A --tensor B.
            Default: all matrices.
        other_tensor: Name of the matrix in the second file. Default: as --tensor.
        labels: Names of the features: a text file of one name a line (vocab.txt), a tokenizer.json,
            or a JSON list or dictionary of names. Lists of features by name are then printed.
        center: Subtract the mean of the columns (the features), before anything else.
        unit_norm: Divide each column by its norm, after centering.
        orientation: What rows and columns are. Default: rows of embeddings are features, else the
            longer side is; of a square, columns.
        tolerance: Noise that names forgive, of one matrix: 0.001 for converged weights, 0.01 to
            0.05 for noisy ones.
        cluster_tolerance: Gap, relative to the largest eigenvalue, up to which eigenvalues share an
            eigenspace.
        full: At any size: coherence over all pairs of features, a check in float64, and more random
            matrices to compare with.
        x64: Compute in float64, whatever the file holds. The spectra of a table always are, its
            cosines with this.
        out: Figure to write: .png, .pdf or .svg.
        features: Features whose measures are shown, and whose own geometry is named: indices,
            ranges 0:1000 (without the end), names, with blanks or commas between them; =NAME is a
            name whatever it looks like. May be given again. Default: measures of those of largest
            norm.
        neighbors: List the 10 features nearest to one by cosine, or as many as NAME:COUNT says. May
            be given again.
        neighborhood: Name the geometry of a feature and the 12 that overlap most with it, or as
            many as NAME:COUNT says. May be given again.
        cluster_cosine: Find clusters: features that are connected by |cosines| above this.
        top: How many features the lists of most and least localized, largest, smallest and most
            crowded ones hold. Default: 10 with --labels, else no lists.
        absolute: Match the features of two files by |cosine|, where the signs of directions mean
            nothing.
        component: Component to draw, counted from 0. Default: the largest with a name that can be
            drawn.
        json: Print every field for programs.
        list: Only list the tensors of the file: name, shape and type.
        force: Replace a picture that is there.
    """

    weights: tyro.conf.Positional[Path]
    other: tyro.conf.Positional[Path | None] = None
    tensor: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    other_tensor: str | None = None
    labels: Path | None = None
    center: bool = False
    unit_norm: bool = False
    orientation: Literal["latent-features", "features-latent"] | None = None
    tolerance: float = 1e-3
    cluster_tolerance: float = 1e-4
    full: bool = False
    x64: bool = False
    out: Path | None = None
    features: Annotated[tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction] = ()
    neighbors: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    neighborhood: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    cluster_cosine: float | None = None
    top: int | None = None
    absolute: bool = False
    component: int | None = None
    json: bool = False
    list: bool = False
    force: bool = False

    def run(self) -> None:
        """Read, measure, print and draw.

        Raises:
            ValueError: the file holds no such matrix, or an option does not suit it.
        """
        if self.other is None:
            self._refuse(_OF_TWO, "two matrices", "one", "give a second file to compare")
        else:
            do = "leave it or the second file out"
            self._refuse((*_OF_ONE, "list"), "one matrix", "two of them", do)
        if self.list:
            print("\n".join(_listed(self.weights)))
            return
        if self.out is not None:
            check_picture(self.out, force=self.force)
            use_house_style()
        from jaxsup.weights.files.shards import list_checkpoint
        from jaxsup.weights.files.tensors import select_tensors, single_matrix

        path = str(self.weights)
        selection = select_tensors(path, list_checkpoint(self.weights), self.tensor)
        if self.other is not None:
            self._compare(single_matrix(path, selection.chosen))
        elif len(selection.matrices) > 1:
            self._report_all(selection)
        else:
            self._report_one(single_matrix(path, selection.chosen))

    def _report_one(self, stored: StoredTensor) -> None:
        """Measure, print and draw one matrix.

        Raises:
            ValueError: an option does not suit it.
        """
        from jaxsup.cli.spectrum_matrix import prepare_subject, report
        from jaxsup.weights.files.read import read_matrix

        self._check_options()
        subject = prepare_subject(self, read_matrix(stored, orientation=self.orientation))
        configure_devices(1, x64=self.x64)
        use_devices(1)
        from jaxsup.weights.diagnosis import diagnose
        from jaxsup.weights.features.inspection import inspect_features

        questions = subject.questions
        diagnosis = diagnose(
            subject.prepared.matrix,
            full=self.full,
            tolerance=self.tolerance,
            relative_tolerance=self.cluster_tolerance,
        )
        if self.component is not None:
            from jaxsup.plot.diagnosis import choose_component

            choose_component(diagnosis, self.component)
        inspection = inspect_features(diagnosis, questions, subject.labels, full=self.full)
        report(self, subject, diagnosis, inspection)
        if self.out is not None:
            from jaxsup.plot.diagnosis import diagnosis_figure
            from jaxsup.plot.inspection import inspection_figure

            named = self.component is not None or diagnosis.geometry.names
            if inspection.has_geometry and not named:
                self._save(lambda: inspection_figure(diagnosis, inspection))
            else:
                options = {"features": questions.features, "component": self.component}
                self._save(lambda: diagnosis_figure(diagnosis, **options))

    def _compare(self, stored: StoredTensor) -> None:
        """Compare two matrices, print and draw what they share.

        Raises:
            ValueError: the second file holds no such matrix, or they have no size in common.
        """
        from jaxsup.cli.spectrum_pair import compare_pair, read_pair

        self._check_options()
        pair = read_pair(self, stored)
        configure_devices(1, x64=self.x64)
        use_devices(1)
        found = compare_pair(self, pair)
        if self.out is not None:
            from jaxsup.plot.comparison import comparison_figure

            self._save(lambda: comparison_figure(found))

    def _save(self, draw: Callable[[], Figure]) -> None:
        """Draw and write the figure, after all that was measured has been told."""
        from jaxsup.plot import save_figure

        assert self.out is not None
        sys.stdout.flush()  # a picture that can't be drawn must not take it along
        save_figure(draw(), self.out)
        if not self.json:
            print(f"\nfigure   {self.out}")

    def _report_all(self, selection: ChosenTensors) -> None:
        """Measure, print and draw all of several matrices.

        Raises:
            ValueError: an option is one for a single matrix, or out of its range.
        """
        text = f"{len(selection.matrices)} of them"
        self._refuse(_OF_NO_TABLE, "one matrix", text, "name one with --tensor")
        self._check_options()
        configure_devices(1, x64=self.x64)
        use_devices(1)
        from jaxsup.cli import spectrum_table
        from jaxsup.weights.table import measure_checkpoint

        measured = measure_checkpoint(
            selection.matrices,
            orientation=self.orientation,
            full=self.full,
            x64=self.x64,
            relative_tolerance=self.cluster_tolerance,
        )
        rows = spectrum_table.counted(measured, len(selection.matrices))
        left_out = selection.reasons()
        if self.json:
            table = spectrum_table.table_dict(self.weights, rows, left_out, self.out, x64=self.x64)
            print(json.dumps(table, allow_nan=False, indent=1))
        else:
            print(f"checkpoint  {one_line(self.weights)}\n")
            print(spectrum_table.table_text(rows, left_out))
        if self.out is not None:
            from jaxsup.plot.checkpoint import checkpoint_figure

            self._save(lambda: checkpoint_figure(rows))

    def _refuse(self, options: Sequence[str], expected: str, text: str, do: str) -> None:
        """Refuse options that suit another number of matrices.

        Raises:
            ValueError: one of them was given.
        """
        from jaxsup._internal.validation import fail

        for option in options:
            value = getattr(self, option)
            if value is not None and value is not False and value != ():
                name = f"--{option.replace('_', '-')}"
                raise fail(name, expected, text, do, described=True)

    def _check_options(self) -> None:
        """Check the numbers that need no matrix.

        Raises:
            ValueError: one is outside of its range.
        """
        from jaxsup._internal.validation import check_number, fail

        if self.component is not None and self.component < 0:
            raise fail("--component", "a component 0, 1, ...", self.component, "count from 0")
        do = "give a relative size, say 1e-3"
        open_range = {"low_open": True, "high_open": True}
        check_number("--tolerance", self.tolerance, do, low=0, high=0.25, **open_range)
        check_number(
            "--cluster-tolerance", self.cluster_tolerance, do, low=0, high=1, high_open=True
        )
        if self.cluster_cosine is not None:
            do = "give a size such as 0.8"
            check_number("--cluster-cosine", self.cluster_cosine, do, low=0, high=1, **open_range)
        if self.top is not None:
            check_number("--top", self.top, "give a number of features", low=0)


def _listed(path: Path) -> list[str]:
    """A line for every tensor of a checkpoint."""
    from jaxsup.weights.files.shards import list_checkpoint

    tensors = [
        (one_line(tensor.name) or "(no name)", " x ".join(map(str, tensor.shape)), tensor.dtype)
        for tensor in list_checkpoint(path)
    ]
    return align_left(tensors)
