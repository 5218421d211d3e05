"""Power-law fits of many curves, a process a core.

A fit is thousands of small steps of Python, which threads of one process would take in turns.
Processes are fresh Pythons: no forks of this one, whose devices have threads of their own, and none
imports the caller's script. Curves go to them as .npz, and results come back as JSON, which keeps
every digit: what is fitted does not depend on where.
"""

import contextlib
import dataclasses
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from jaxtyping import Float, Num

from jaxsup._internal.system import available_cores
from jaxsup.fit.single.power_law import fit_power_law
from jaxsup.fit.single.refusals import Refusal
from jaxsup.fit.single.result import PowerLawFit

_Curve: TypeAlias = tuple[Num[np.ndarray, " _"], Float[np.ndarray, "_ _"]]
_Result: TypeAlias = PowerLawFit | ValueError

# So many fits take several times as long as a process takes to start, a second.
_FEWEST = 500
_A_PROCESS = 100
_MOST_PROCESSES = 32
_PROGRAM = "from jaxsup.fit.tables.processes import serve; serve()"
_PAIRS = ("interval", "widest", "window")


def fit_curves(curves: Sequence[_Curve], options: Mapping[str, Any]) -> list[_Result]:
    """`fit_power_law` of each curve, or the error that refuses its arguments.

    Arguments:
        curves: steps and losses of each.
        options: of all fits, such as JSON holds.
    """
    processes = min(available_cores(), len(curves) // _A_PROCESS, _MOST_PROCESSES)
    found: list[_Result | None] = [None] * len(curves)
    if len(curves) >= _FEWEST and processes > 1:
        found[0] = _fit(curves[0], options)  # raises what no fit takes
        # Every so many-th: neighbors on an axis are alike, and take as long.
        shares = [range(1 + first, len(curves), processes) for first in range(processes)]
        served = _serve_all([[curves[place] for place in share] for share in shares], options)
        for share, results in zip(shares, served, strict=True):
            for place, result in zip(share, results, strict=False):
                found[place] = result
    # All of them where they are few, and what a process lacks that ended early.
    return [
        _fit(curve, options) if result is None else result
        for curve, result in zip(curves, found, strict=True)
    ]


def serve() -> None:
    """Fit the curves on standard input, a line of JSON each on standard output."""
    for line in _lines_of(sys.stdin.buffer):
        print(line, flush=True)  # who is no longer listened to ends here


def _fit(curve: _Curve, options: Mapping[str, Any]) -> _Result:
    try:
        return fit_power_law(*curve, **options)
    except ValueError as error:
        return error


def _serve_all(
    shares: Sequence[Sequence[_Curve]], options: Mapping[str, Any]
) -> list[list[_Result]]:
    """The results of a process a share; of one that ended early, those until then."""
    begun: list[subprocess.Popen[bytes]] = []

    def serve_one(share: Sequence[_Curve]) -> list[_Result]:
        with contextlib.suppress(OSError):  # no Python to be started, or no room for it
            process = _begin()
            begun.append(process)
            output, _ = process.communicate(_packed(share, options))
            return list(_results_in(output))
        return []

    with ThreadPoolExecutor(len(shares)) as threads:
        try:
            return list(threads.map(serve_one, shares))
        finally:  # Ctrl-C among other things: none outlives this call
            for process in begun:
                process.kill()


def _begin() -> "subprocess.Popen[bytes]":
    """A process that fits: it finds the package where this one does, and nothing else nearer.

    Without -P the current folder came first, and with it any json.py beside the user's curves.
    """
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(_search_path()),
            "OPENBLAS_NUM_THREADS": "1",
        },
    )


def _search_path() -> list[str]:
    """Where this process looks for modules, the current folder only if the package lies there."""
    given = [path for path in sys.path if isinstance(path, str)]
    root = str(Path(__file__).parents[3])
    if root in given:
        return [path for path in given if path]
    return list(dict.fromkeys([*(path or root for path in given), root]))


def _packed(curves: Sequence[_Curve], options: Mapping[str, Any]) -> bytes:
    """Curves and options as one .npz."""
    file = io.BytesIO()
    np.savez(
        file,
        shapes=np.array([loss.shape for _, loss in curves]),
        steps=np.concatenate([steps for steps, _ in curves]),
        losses=np.concatenate([loss.ravel() for _, loss in curves]),
        options=np.frombuffer(json.dumps(dict(options), default=_plain).encode(), np.uint8),
    )
    return file.getvalue()


def _plain(value: Any) -> Any:
    """NumPy's numbers, and others that a fit takes, as JSON has them."""
    return np.asarray(value, float).tolist()


def _lines_of(stream: BinaryIO) -> Iterator[str]:
    """The result of each curve that was packed."""
    with np.load(io.BytesIO(stream.read()), allow_pickle=False) as packed:
        shapes, steps, losses, options = (
            packed[name] for name in ("shapes", "steps", "losses", "options")
        )
    words = json.loads(options.tobytes())
    step_ends, loss_ends = np.cumsum(shapes[:, 1]), np.cumsum(shapes.prod(1))
    for shape, step_end, loss_end in zip(shapes, step_ends, loss_ends, strict=True):
        curve = losses[loss_end - shape.prod() : loss_end].reshape(shape)
        result = _fit((steps[step_end - shape[1] : step_end], curve), words)
        if isinstance(result, ValueError):
            yield json.dumps({"error": str(result)})
        else:
            refusal = None if result.refusal is None else result.refusal.name
            yield json.dumps({**dataclasses.asdict(result), "refusal": refusal})


def _results_in(output: bytes) -> Iterator[_Result]:
    """What the lines say; nothing after one that is not whole, or says something else."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        for line in output.splitlines():
            fields = json.loads(line)
            if "error" in fields:
                yield ValueError(fields["error"])
                continue
            pairs = {name: tuple(fields[name]) for name in _PAIRS}
            refusal = None if fields["refusal"] is None else Refusal[fields["refusal"]]
            yield PowerLawFit(**{**fields, **pairs, "refusal": refusal})
