"""Claim: on a GPU, sweeps run at half of the binding roofline, and 1,000x the eager loop.

The bottleneck students of `benchmarks.bottleneck` on JAX's GPU, many more of them, against the
eager PyTorch loop on the same GPU, and against the peaks of matrix products and memory measured
in the same turns at JAX's default precision. Skipped with a line where there is no GPU.
"""

import dataclasses
from typing import Any

from benchmarks import bottleneck
from benchmarks.comparison import Row, compare
from benchmarks.turns import Prepared, take_turns

_SMALL = dataclasses.replace(bottleneck.CASES["small"], networks=32_768, device="cuda")
_LARGE = dataclasses.replace(bottleneck.CASES["large"], networks=64, device="cuda")


def measure(*, quick: bool = False, tiny: bool = False) -> list[Row]:
    """All rows; none without a GPU."""
    facts = take_turns(__name__, ("platform",), {}, 0, apart=not tiny)["platform"].facts
    if facts["platform"] != "gpu":
        print(f"skipped: JAX has no GPU here, its devices are {facts['platform']}")
        return []
    rows = []
    for name, case, target in (("small", _SMALL, 1000.0), ("large", _LARGE, None)):
        if quick:
            case = dataclasses.replace(case, seconds=case.seconds / 4)
        seats, notes = bottleneck.contend(("jaxsup", "eager", "products", "memory"), case, 5)
        if seats["eager"].missing:
            print(f"skipped: eager PyTorch loop on the GPU: {seats['eager'].missing}")
        else:
            costs = seats["jaxsup"].costs, seats["eager"].costs
            against = "eager PyTorch loop on this GPU"
            rows.append(compare(case.name, against, *costs, target=target, note=notes["eager"]))
        share = 0.5 if name == "large" else None
        rows.append(bottleneck.roofline(case, seats, share))
    return rows


def platform(case: dict[str, Any]) -> Prepared:
    """What JAX computes on."""
    del case
    import jax

    return Prepared(lambda: (0.0, 1.0), facts={"platform": jax.devices()[0].platform})


CONTENDERS = {"platform": platform}
