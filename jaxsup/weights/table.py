"""The matrices of a checkpoint, each in a row of numbers, with memory for one of them at a time."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from jaxsup.spectral.spectrum import CLUSTER_TOLERANCE
from jaxsup.weights.checkpoint import BLOCK, MatrixSummary, measure_matrix
from jaxsup.weights.files.formats import StoredTensor
from jaxsup.weights.files.orientation import Orientation, settle_orientation
from jaxsup.weights.files.read import read_matrix

_SQUARES, _COPIES = 5, 4  # of the smaller product, and of the matrix, that measuring takes


@dataclasses.dataclass(frozen=True)
class CheckpointRow:
    """What is known of one stored matrix.

    Attributes:
        tensor: its name.
        file: where it is.
        shape: as stored.
        dtype: as stored.
        orientation: what its rows and columns were taken for.
        summary: None where it could not be measured.
        problem: why not; empty where it could.
    """

    tensor: str
    file: str
    shape: tuple[int, int]
    dtype: str
    orientation: Orientation
    summary: MatrixSummary | None
    problem: str

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-safe values; what is measured is None where it could not be."""
        measured = {} if self.summary is None else self.summary.to_dict()
        return {
            "tensor": self.tensor,
            "file": self.file,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "orientation": self.orientation.value,
            "orientation_by": self.orientation.reason,
            "problem": self.problem or None,
            **{name: measured.get(name) for name in SUMMARY_FIELDS},
        }


SUMMARY_FIELDS = (
    *(field.name for field in dataclasses.fields(MatrixSummary) if field.name != "tail"),
    "tail",
    "no_tail",
)


def measure_checkpoint(
    tensors: Sequence[StoredTensor],
    *,
    orientation: str | None = None,
    full: bool = False,
    x64: bool = False,
    relative_tolerance: float = CLUSTER_TOLERANCE,
) -> Iterator[CheckpointRow]:
    """Read and measure matrices one after the other; each row comes when it is done.

    A matrix that holds NaN, that does not fit in the free memory together with what measuring it
    takes, or whose file cannot be read any more, has a row that says so.

    Arguments:
        tensors: matrices; see `jaxsup.weights.files.tensors.select_tensors`.
        orientation, full, x64, relative_tolerance: see `jaxsup.weights.read_weights` and
            `measure_matrix`.
    """
    for stored in tensors:
        rows, columns = stored.shape
        settled = settle_orientation(stored.name, (rows, columns), orientation)
        summary, problem = None, ""
        try:
            weights = read_matrix(
                stored, orientation=orientation, spare=_working_memory(stored, x64=x64)
            )
            summary = measure_matrix(
                weights.matrix, full=full, x64=x64, relative_tolerance=relative_tolerance
            )
        except (ValueError, OSError, MemoryError) as error:
            text = str(error) or type(error).__name__
            problem = text.removeprefix(f"{stored.path}: ").removeprefix(f"{stored.name}: ")
        yield CheckpointRow(
            tensor=stored.name,
            file=str(stored.path),
            shape=(rows, columns),
            dtype=stored.dtype,
            orientation=settled,
            summary=summary,
            problem=problem,
        )


def _working_memory(stored: StoredTensor, *, x64: bool) -> int:
    """Bytes that measuring a matrix takes besides the matrix, about."""
    itemsize = 8 if x64 or "64" in stored.dtype else 4
    size, length = min(stored.shape), max(stored.shape)
    blocks = 4 * size * min(BLOCK, length)
    return 8 * (_SQUARES * size**2 + blocks + 8 * length) + _COPIES * itemsize * size * length
