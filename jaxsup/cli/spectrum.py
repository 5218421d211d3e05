"""`jaxsup spectrum`: what a weight matrix holds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from jaxsup.cli.devices import configure_devices, use_devices
from jaxsup.cli.pictures import check_picture, use_house_style
from jaxsup.cli.terminal import one_line

if TYPE_CHECKING:
    from jaxsup.weights.diagnosis import Diagnosis
    from jaxsup.weights.read import Weights
    from jaxsup.weights.tensors import ChosenTensors


@dataclasses.dataclass
class SpectrumCommand:
    """Say what a weight matrix holds: spectrum, capacities, coherence, named feature geometries.

    Of several matrices, a table with a row for each: saturation beside that of a random matrix,
    localization, effective rank, the exponent of the spectrum's tail, coherence.

    Try:
      jaxsup spectrum weights.npy
      jaxsup spectrum model.safetensors --tensor wte.weight --out wte.png
      jaxsup spectrum trained.npz --tensor W --tolerance 0.02 --json > found.json
      jaxsup spectrum model.safetensors --out all.png
      jaxsup spectrum model.safetensors.index.json --tensor 'model.layers.*.mlp.*'
      jaxsup spectrum folder/of/the/model --json > table.json

    Features are the rows of what has the name of an embedding, else the longer side of the matrix,
    unless --orientation says otherwise; the table says which was taken. Of large matrices the
    coherence is a lower bound and the float64 check is left out; the table says so, and --full does
    both. No file is ever unpickled.

    Attributes:
        weights: File with the matrix: .npy, .npz or .safetensors; or a model in several files, by
            its .safetensors.index.json; or a folder in which one of these lies.
        tensor: Name of the matrix, where the file holds several; or a pattern as 'encoder.*.weight'
            (quoted), in which * is any text. More than one may be given: --tensor A --tensor B.
            Default: all matrices.
        orientation: What rows and columns are. Default: rows of embeddings are features, else the
            longer side is; of a square, columns.
        tolerance: Noise that names forgive, of one matrix: 0.001 for converged weights, 0.01 to
            0.05 for noisy ones.
        cluster_tolerance: Gap, relative to the largest eigenvalue, up to which eigenvalues share an
            eigenspace.
        full: At any size: coherence over all pairs of features, and a check in float64.
        x64: Compute in float64. The spectra of a table always are, its cosines with this.
        out: Figure to write: .png, .pdf or .svg.
        features: Features whose spectral measures are shown. Default: those of largest norm.
        component: Component to draw, counted from 0. Default: the largest with a name that can be
            drawn.
        json: Print every field for programs.
        list: Only list the tensors of the file: name, shape and type.
        force: Replace a picture that is there.
    """

    weights: tyro.conf.Positional[Path]
    tensor: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    orientation: Literal["latent-features", "features-latent"] | None = None
    tolerance: float = 1e-3
    cluster_tolerance: float = 1e-4
    full: bool = False
    x64: bool = False
    out: Path | None = None
    features: tuple[int, ...] = ()
    component: int | None = None
    json: bool = False
    list: bool = False
    force: bool = False

    def run(self) -> None:
        """Read, measure, print and draw.

        Raises:
            ValueError: the file holds no such matrix, or an option does not suit it.
        """
        if self.list:
            print("\n".join(_listed(self.weights)))
            return
        if self.out is not None:
            check_picture(self.out, force=self.force)
            use_house_style()
        from jaxsup.weights.read import read_matrix
        from jaxsup.weights.shards import list_checkpoint
        from jaxsup.weights.tensors import select_tensors, single_matrix

        path = str(self.weights)
        selection = select_tensors(path, list_checkpoint(self.weights), self.tensor)
        if len(selection.matrices) > 1:
            self._report_all(selection)
            return
        stored = single_matrix(path, selection.chosen)
        weights = read_matrix(stored, orientation=self.orientation)
        self._check_positions(weights.matrix.shape[1])
        configure_devices(1, x64=self.x64)
        use_devices(1)
        from jaxsup.weights.diagnosis import diagnose

        diagnosis = diagnose(
            weights.matrix,
            full=self.full,
            tolerance=self.tolerance,
            relative_tolerance=self.cluster_tolerance,
        )
        if self.component is not None:
            from jaxsup.plot.diagnosis import choose_component

            choose_component(diagnosis, self.component)
        # What was measured is told first: a picture that can't be drawn must not take it along.
        if self.json:
            print(json.dumps(self._to_dict(weights, diagnosis), allow_nan=False, indent=1))
        else:
            for name, value in _describe_file(weights).items():
                print(f"{name:<14} {value}")
            print(diagnosis, flush=True)
        if self.out is not None:
            from jaxsup.plot import save_figure
            from jaxsup.plot.diagnosis import diagnosis_figure

            figure = diagnosis_figure(diagnosis, features=self.features, component=self.component)
            save_figure(figure, self.out)
            if not self.json:
                print(f"\nfigure   {self.out}")

    def _report_all(self, selection: ChosenTensors) -> None:
        """Measure, print and draw all of several matrices.

        Raises:
            ValueError: an option is one for a single matrix, or out of its range.
        """
        from jaxsup._internal.validation import fail

        single = {"--features": self.features or None, "--component": self.component}
        for option, value in single.items():
            if value is not None:
                text, do = f"{len(selection.matrices)} of them", "name one with --tensor"
                raise fail(option, "one matrix", text, do, described=True)
        self._check_tolerances()
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
            print(spectrum_table.table_text(rows, left_out), flush=True)
        if self.out is not None:
            from jaxsup.plot import save_figure
            from jaxsup.plot.checkpoint import checkpoint_figure

            save_figure(checkpoint_figure(rows), self.out)
            if not self.json:
                print(f"\nfigure   {self.out}")

    def _check_positions(self, count: int) -> None:
        """Check that the chosen features are there, and the tolerances.

        Raises:
            ValueError: one is outside of its range.
        """
        from jaxsup._internal.validation import fail

        for feature in self.features:
            if not 0 <= feature < count:
                raise fail("--features", f"features 0..{count - 1}", feature, "count from 0")
        if self.component is not None and self.component < 0:
            raise fail("--component", "a component 0, 1, ...", self.component, "count from 0")
        self._check_tolerances()

    def _check_tolerances(self) -> None:
        """Check that the tolerances make sense.

        Raises:
            ValueError: one is outside of its range.
        """
        from jaxsup._internal.validation import check_number

        do = "give a relative size, say 1e-3"
        open_range = {"low_open": True, "high_open": True}
        check_number("--tolerance", self.tolerance, do, low=0, high=0.25, **open_range)
        check_number(
            "--cluster-tolerance", self.cluster_tolerance, do, low=0, high=1, high_open=True
        )

    def _to_dict(self, weights: Weights, diagnosis: Diagnosis) -> dict[str, Any]:
        from jaxsup.weights.diagnosis import largest_features

        features = self.features or largest_features(diagnosis)
        return {
            "file": str(weights.path),
            "tensor": weights.tensor,
            "shape": list(weights.shape),
            "dtype": weights.dtype,
            "orientation": weights.orientation,
            "orientation_assumed": weights.assumed,
            "precision": _precision(),
            "figure": None if self.out is None else str(self.out),
            **diagnosis.to_dict(features),
        }


def _precision() -> str:
    """What JAX computes in."""
    import jax.numpy as jnp

    return "float64" if jnp.result_type(float) == "float64" else "float32"


def _describe_file(weights: Weights) -> dict[str, str]:
    rows, columns = weights.shape
    return {
        "file": one_line(weights.path),
        **({} if weights.tensor is None else {"tensor": one_line(weights.tensor)}),
        "stored as": f"{rows:,} x {columns:,}, {weights.dtype}",
        "orientation": weights.describe_orientation(),
    }


def _listed(path: Path) -> list[str]:
    """A line for every tensor of a checkpoint."""
    from jaxsup.weights.shards import list_checkpoint

    tensors = [
        (one_line(tensor.name) or "(no name)", " x ".join(map(str, tensor.shape)), tensor.dtype)
        for tensor in list_checkpoint(path)
    ]
    widths = [max((len(row[k]) for row in tensors), default=0) for k in range(2)]
    return [f"{n:<{widths[0]}}  {s:<{widths[1]}}  {kind}" for n, s, kind in tensors]
