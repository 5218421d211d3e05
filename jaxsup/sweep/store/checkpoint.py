"""A part that is not finished: everything from which its training goes on, in one file.

Arrays lie in the safetensors format; the header carries what they belong to and a checksum. A file
that does not fit is named and ignored: the part then starts again.
"""

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxsup.sweep.store.files import digest_arrays
from jaxsup.sweep.store.journal import write_atomically

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The file of one part.

    Attributes:
        path: where it lies.
        marks: what it must belong to: sweep, tiles, compiled shape, devices, versions. Training
            from a checkpoint must give the bits of training without, and these decide them.
    """

    path: Path
    marks: Mapping[str, str]

    def save(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Write the file, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        from safetensors.numpy import save

        plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        shapes = {name: array.shape for name, array in arrays.items()}
        plain = {name: array.reshape(shapes[name]) for name, array in plain.items()}
        header = {**self.marks, "sha256": digest_arrays(plain)}
        write_atomically(self.path, save(plain, metadata=header))

    def load(self) -> dict[str, np.ndarray] | None:
        """The arrays, or None where there is no file or none that fits."""
        from safetensors import SafetensorError, safe_open

        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="np") as file:
                header = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, ValueError) as error:
            self._refuse(" ".join(str(error).split()))
            return None
        for name, value in self.marks.items():
            if header.get(name) != value:
                self._refuse(f"it has {name} {header.get(name)!r}, not {value!r}")
                return None
        if header.get("sha256") != digest_arrays(arrays):
            self._refuse("its checksum differs")
            return None
        return arrays

    def forget(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)

    def _refuse(self, why: str) -> None:
        log.warning("%s: %s; this part starts again", self.path, why)
