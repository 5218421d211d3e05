"""Pictures of every command where Matplotlib is set up for notebooks and LaTeX."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.extended
def test_reproduce_and_plot_draw_whatever_matplotlib_is_set_to(tmp_path: Path) -> None:
    """`spectrum --out` is tested in test_spectrum.py."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\n")
    environment = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.not_installed"}
    for arguments, picture in (
        (("reproduce", "energy-levels", "--scale", "smoke", "--out", "r"), "r/energy-levels.png"),
        (("plot", "r/dataset.zarr", "--out", "p.png"), "p.png"),
    ):
        command = [sys.executable, "-m", "jaxsup", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
        )
        assert done.returncode == 0, done.stderr
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
