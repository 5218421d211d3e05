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


def unfit_pieces(checkpoint: Mapping[str, np.ndarray], empty: Mapping[str, Any]) -> str | None:
    """Why a checkpoint is none of a part that is trained in pieces; None where it is.

    Arguments:
        checkpoint: arrays by name.
        empty: the part's results before training, by variable.
    """
    reason = unfit_arrays(checkpoint, {f"results.{name}": array for name, array in empty.items()})
    if reason is not None:
        return reason
    pieces, shape = checkpoint["pieces"], checkpoint.get("shape")
    if shape is None or {pieces.dtype.kind, shape.dtype.kind} != {"i"} or shape.shape != (2,):
        return "its pieces have no shape"
    if pieces.ndim != 2 or pieces.shape[1] != 4 or not len(pieces):
        return "it has no pieces"
    sizes, places = pieces[:, 1::2] - pieces[:, ::2], np.zeros(empty["status"].shape, int)
    if (pieces < 0).any() or (pieces[:, 1::2] > places.shape).any():
        return "it has pieces that are none of this part"
    if (sizes < 1).any() or (sizes > shape).any():
        return "its pieces do not fit their shape"
    for first, after, first_seed, after_seed in pieces.tolist():
        places[first:after, first_seed:after_seed] += 1
    return "its pieces overlap" if (places > 1).any() else None


def cut_checkpoint(
    checkpoint: Mapping[str, np.ndarray], place: tuple[slice, slice], lanes: Lanes
) -> dict[str, np.ndarray]:
    """The checkpoint of some of the replicas of one that is fit.

    Replicas that were dropped have no place in `lanes` either.

    Arguments:
        checkpoint: arrays by name.
        place: which rows and seeds.
        lanes: where these would lie at the beginning.
    """
    found = Lanes(checkpoint["members"], checkpoint["lanes"])
    slots = np.full((*checkpoint["block.status"].shape, 2), -1)
    sources = np.stack(np.nonzero(found.used), axis=-1)
    slots[found.members[found.used], found.seeds[sources[:, 0]]] = sources
    taken = slots[place][np.maximum(lanes.members, 0), np.maximum(lanes.seeds, 0)[:, None]]
    index = tuple(np.maximum(np.moveaxis(taken, -1, 0), 0))
    members = np.where(lanes.used & (taken[..., 0] >= 0), lanes.members, -1)
    changed = {
        name: array[index] if name.startswith("state.") else array[place]
        for name, array in checkpoint.items()
        if name.startswith(("state.", "block.")) or name == "losses"
    }
    return {"step": checkpoint["step"], "members": members, "lanes": lanes.seeds, **changed}


def unfit_arrays(found: Mapping[str, np.ndarray], expected: Mapping[str, Any]) -> str | None:
    """Why arrays are not those of these shapes and types; None where they are."""
    for name, array in expected.items():
        if name not in found:
            return f"it has no {name}"
        if (found[name].shape, found[name].dtype) != (array.shape, array.dtype):
            text = f"{found[name].dtype}{list(found[name].shape)}"
            return f"its {name} is {text}, not {array.dtype}{list(array.shape)}"
    return None
