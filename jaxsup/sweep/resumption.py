"""Whether a checkpoint is one of the part that would go on from it.

Its file's checksum says that it is as it was written, not that this package wrote it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxsup.sweep.lanes import Lanes
from jaxsup.training.state import DIVERGED


def unfit_results(
    checkpoint: Mapping[str, np.ndarray], empty: Mapping[str, np.ndarray], last: int
) -> str | None:
    """Why the results so far, and the step, are none of a part; None where they are.

    Arguments:
        checkpoint: arrays by name.
        empty: the part's results before training, by variable.
        last: its last update, at which there is nothing to go on with.
    """
    reason = unfit_arrays(checkpoint, {f"block.{name}": array for name, array in empty.items()})
    if reason is not None:
        return reason
    losses, step = checkpoint.get("losses"), checkpoint.get("step")
    if losses is None or losses.dtype.kind != "f" or losses.shape != empty["status"].shape:
        return "it has no losses of this part"
    if step is None or step.dtype.kind not in "iu" or step.shape != () or not 0 <= step < last:
        return f"its step is none from 0 to {last - 1}"
    return None


def unfit_lanes(checkpoint: Mapping[str, np.ndarray], largest: Lanes) -> str | None:
    """Why the places of the replicas are none of a part; None where they are.

    Every replica has one place, or has diverged.

    Arguments:
        checkpoint: arrays by name, of which the results are fit.
        largest: the places of all replicas before training.
    """
    members, lanes = checkpoint.get("members"), checkpoint.get("lanes")
    status = checkpoint["block.status"]
    if members is None or lanes is None or {members.dtype.kind, lanes.dtype.kind} != {"i"}:
        return "it has no lanes"
    if members.ndim != 2 or lanes.shape != members.shape[:1]:
        return "its lanes and slots do not fit each other"
    if any(found > most for found, most in zip(members.shape, largest.shape, strict=True)):
        return "it has more lanes or slots than this part"
    used = members >= 0
    rows, seeds = members[used], np.broadcast_to(lanes[:, None], members.shape)[used]
    if not len(rows) or (seeds < 0).any():
        return "it trains no replica, or one without a seed"
    if (rows >= status.shape[0]).any() or lanes.max() >= status.shape[1]:
        return "it trains replicas that are none of this part"
    places = np.zeros(status.shape, int)
    np.add.at(places, (rows, seeds), 1)
    if (places > 1).any() or (status[places == 0] != DIVERGED).any():
        return "it trains replicas twice, or not at all"
    return None


def unfit_arrays(found: Mapping[str, np.ndarray], expected: Mapping[str, Any]) -> str | None:
    """Why arrays are not those of these shapes and types; None where they are."""
    for name, array in expected.items():
        if name not in found:
            return f"it has no {name}"
        if (found[name].shape, found[name].dtype) != (array.shape, array.dtype):
            text = f"{found[name].dtype}{list(found[name].shape)}"
            return f"its {name} is {text}, not {array.dtype}{list(array.shape)}"
    return None
