"""Claim: regimes and local exponents of a sweep cost less together than curve by curve.

Curves of one law or two, 3% noise a seed, at 80 log-spaced steps, read before the clock starts.
Both ways take turns in this process and are timed by its processor time; BLAS uses one thread where
the environment says so (OMP_NUM_THREADS=1).
"""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.comparison import Row, compare
from jaxsup.fit.curves import Losses, read_losses
from jaxsup.fit.stretches.local_exponents import LocalOptions, find_local_exponents
from jaxsup.fit.stretches.regime_search import RegimeOptions, find_regimes

_NOISE = 0.03


def measure(*, quick: bool = False, tiny: bool = False) -> list[Row]:
    """A row for each kind of fit, with one seed and with five."""
    curves, rounds = (6, 1) if tiny else (100, 2) if quick else (400, 3)
    kinds: dict[str, Callable[[list[Losses]], Any]] = {
        "regimes": lambda records: find_regimes(records, RegimeOptions()),
        "local exponents": lambda records: find_local_exponents(records, LocalOptions()),
    }
    rows = []
    for seeds in (1, 5):
        records = _make_records(curves, seeds)
        for kind, find in kinds.items():
            find(records[:2])
            together, alone = [], []
            for _ in range(rounds):
                together.append(_cost(lambda f=find, r=records: f(r), curves))
                alone.append(_cost(lambda f=find, r=records: [f([one]) for one in r], curves))
            work = f"{kind}, {curves} curves, {seeds} seed{'s' * (seeds > 1)}"
            rows.append(compare(work, "one by one", together, alone))
    return rows


def _make_records(count: int, seeds: int) -> list[Losses]:
    """t^-0.3, every other curve with t^-1 behind a break at a random place."""
    rng = np.random.default_rng(0)
    steps = np.unique(np.round(np.geomspace(1, 3e4, 80)))
    records = []
    for place in range(count):
        center = math.exp(rng.uniform(4, 7))
        law = steps**-0.3 * np.maximum(1, steps / center) ** (-0.7 * (place % 2))
        noise = 1 + _NOISE * rng.standard_normal((seeds, steps.size))
        records.append(read_losses(steps, law * noise))
    return records


def _cost(work: Callable[[], Any], curves: int) -> float:
    """Seconds of processor time a curve."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / curves
