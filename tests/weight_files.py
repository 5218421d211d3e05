"""Files of weights, written by the specifications of their formats."""

import json
from pathlib import Path

import numpy as np

W = np.asarray([[1.0, -2.0, 0.5], [0.25, 4.0, -0.125]], np.float32)  # exact in every type here


def write_safetensors(
    path: Path, tensors: dict[str, tuple[str, tuple[int, ...], bytes]], *, pad: int = 0
) -> Path:
    """A file by the format's specification: length, JSON header, bytes."""
    header, start = {}, 0
    for name, (kind, shape, data) in tensors.items():
        offsets = [start, start + len(data)]
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": offsets}
        start += len(data)
    text = json.dumps(header).encode() + b" " * pad
    data = b"".join(data for _, _, data in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path
