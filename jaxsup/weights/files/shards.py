"""Checkpoints: one file of weights, an index of several, or a folder that holds one of these."""

import json
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from jaxsup._internal.paths import local_path
from jaxsup._internal.validation import fail
from jaxsup.weights.files.formats import ENDINGS, StoredTensor, check_file, list_tensors, refusal

INDEX_ENDING = ".safetensors.index.json"
"""Ending of a file that says which of several .safetensors files holds which tensor."""

_LISTED = 4  # files that an error message names


def list_checkpoint(path: str | Path) -> list[StoredTensor]:
    """The tensors of a checkpoint: of its files in the order of their names, then of the file.

    Arguments:
        path: a .npy, .npz or .safetensors file, the .safetensors.index.json of a model in several
            files, or a folder in which just one of these lies.

    Raises:
        FileNotFoundError: there is no such file or folder, or a file that the index names is not
            there.
        ValueError: a file is damaged or not what its ending says, the index is no index, a file
            lacks a tensor that the index says it holds, or the folder holds no weights, or several.
    """
    file = local_path(path)
    if file.is_dir():
        file = _weights_in(file)
    if file.name.endswith(INDEX_ENDING):
        return _list_shards(file)
    return list_tensors(file)


def _weights_in(folder: Path) -> Path:
    """The one file of weights, or index, that is directly in a folder."""
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    except OSError as error:
        raise refusal(folder, "a folder", error) from None
    names = [name for name in names if not name.startswith(".")]
    indices = [name for name in names if name.endswith(INDEX_ENDING)]
    parts = {shard for name in indices for shard in _read_index(folder / name).values()}
    files = [n for n in names if PurePath(n).suffix.lower() in ENDINGS and n not in parts]
    candidates = [*indices, *files]
    if not candidates:
        text, do = "none directly in it", "give the file with the weights"
        expected = f"a folder with a {', '.join(ENDINGS)} or {INDEX_ENDING} file"
        raise fail(str(folder), expected, text, do, described=True)
    if len(candidates) > 1:
        more = f" and {len(candidates) - _LISTED} more" if len(candidates) > _LISTED else ""
        do = f"give one of them: {', '.join(candidates[:_LISTED])}{more}"
        text = f"{len(candidates)} of them"
        raise fail(str(folder), "a folder with one file of weights", text, do, described=True)
    return folder / candidates[0]


def _read_index(file: Path) -> dict[str, str]:
    """By the name of each tensor, the file beside the index that holds it."""
    check_file(file)
    try:
        content: Any = json.loads(file.read_bytes())
        places = dict(content["weight_map"].items())
    except OSError as error:
        raise refusal(file, "a file", error) from None
    except (ValueError, RecursionError) as error:
        raise _bad_index(file, f"no JSON: {error}", "copy the file again") from None
    except (KeyError, TypeError, AttributeError):
        raise _bad_index(file, "JSON without one", "copy the file again") from None
    if not places or not all(isinstance(shard, str) for shard in places.values()):
        text = "one with entries that name no file" if places else "one that names no files"
        raise _bad_index(file, text, "copy the file again")
    for shard in set(places.values()):
        # What an index names is read: nothing elsewhere on this machine.
        if PurePath(shard).is_absolute() or ".." in PurePath(shard).parts or "\\" in shard:
            text = f"the path {shard!r}"
            raise _bad_index(file, text, "name files beside the index")
        if PurePath(shard).suffix.lower() != ".safetensors":
            raise _bad_index(file, f"the file {shard!r}", "name .safetensors files")
    return places


def _bad_index(file: Path, text: str, do: str) -> ValueError:
    expected = "a weight_map from tensors to .safetensors files beside it"
    return fail(str(file), expected, text, do, described=True)


def _list_shards(index: Path) -> list[StoredTensor]:
    """The tensors that an index names, of all its files."""
    places = _read_index(index)
    tensors = []
    for shard in sorted(set(places.values())):
        wanted = {name for name, place in places.items() if place == shard}
        file = index.parent / shard
        if not file.exists():
            count = f"{len(wanted):,} tensor{'s' * (len(wanted) != 1)}"
            raise FileNotFoundError(
                f"{index}: expected the file {shard} beside it, for {count}; got none there; "
                "copy or download it too"
            )
        found = [stored for stored in list_tensors(file) if stored.name in wanted]
        missing = sorted(wanted - {stored.name for stored in found})
        if missing:
            text = _without(missing)
            do = "copy index and files of one version"
            raise fail(str(file), f"the tensors that {index.name} names", text, do, described=True)
        tensors += found
    return tensors


def _without(missing: Sequence[str]) -> str:
    others = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
    return f"none called {missing[0]!r}{others}"
