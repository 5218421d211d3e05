"""What a store holds, as it says itself: which sweep, how it is cut, which files belong to it."""

import dataclasses
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jaxsup.sweep.store.identity import fingerprint_of
from jaxsup.sweep.store.schema import LAYOUT_VERSION


@dataclasses.dataclass(frozen=True)
class Facts:
    """What does not change while a store is filled.

    Attributes:
        attributes: of the dataset, as the process that made the store wrote them.
        files: SHA-256 of metadata and coordinates, by their names.
        grid: names of the dimensions that replicas lie on: (axes..., "seed").
        sizes: of all dimensions.
        variables: the other dimensions of every data variable.
        tile: sizes of a tile over `grid`.
    """

    attributes: dict[str, Any]
    files: dict[str, str]
    grid: tuple[str, ...]
    sizes: dict[str, int]
    variables: dict[str, tuple[str, ...]]
    tile: tuple[int, ...]

    @property
    def fingerprint(self) -> str:
        """Of the sweep."""
        return self.attributes["fingerprint"]

    @property
    def sealed(self) -> bool:
        """Whether records carry a seal; the first layouts had none."""
        return self.attributes["layout_version"] >= LAYOUT_VERSION

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of `grid`."""
        return tuple(self.sizes[dim] for dim in self.grid)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of tiles along each dimension of `grid`."""
        return tuple(-(-size // each) for size, each in zip(self.shape, self.tile, strict=True))

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return math.prod(self.counts)

    def is_tile(self, name: str) -> bool:
        """Whether a tile is called so."""
        if not re.fullmatch(r"(0|[1-9][0-9]{0,17})(\.(0|[1-9][0-9]{0,17}))*", name):
            return False
        index = [int(number) for number in name.split(".")]
        return len(index) == len(self.counts) and all(map(int.__lt__, index, self.counts))

    def files_of(self, tile: str) -> set[str]:
        """Names of the files of a tile: one chunk of every variable."""
        index = tile.split(".")
        return {
            "/".join([name, "c", *index, *("0" for _ in inner)])
            for name, inner in self.variables.items()
        }

    def names(self) -> Iterator[str]:
        """Names of all tiles."""
        return (".".join(map(str, index)) for index in itertools.product(*map(range, self.counts)))

    def replicas(self, tile: str) -> int:
        """Number of networks of a tile."""
        pairs = zip(self.region(tile), self.shape, strict=True)
        return math.prod(len(range(*part.indices(size))) for part, size in pairs)

    def region(self, tile: str) -> tuple[slice, ...]:
        """The grid positions that a tile covers."""
        places = zip(map(int, tile.split(".")), self.tile, strict=True)
        return tuple(slice(place * size, (place + 1) * size) for place, size in places)


def facts_from(attributes: Mapping[str, Any] | None, files: Mapping[str, str]) -> Facts | None:
    """The facts that the attributes of a store tell; None where they tell none, or contradict.

    Arguments:
        attributes: of the dataset.
        files: SHA-256 of metadata and coordinates, by their names.
    """
    try:
        attributes = dict(attributes or {})
        schema, plan = json.loads(attributes["schema"]), json.loads(attributes["plan"])
        facts = Facts(
            attributes,
            dict(files),
            tuple(schema["grid"]),
            dict(schema["sizes"]),
            {name: tuple(inner) for name, inner in schema["variables"].items()},
            tuple(plan["tile"]),
        )
        whole = len(facts.counts) > 0 and facts.tiles > 0
        told = attributes["layout_version"] != LAYOUT_VERSION or (
            fingerprint_of(attributes) == facts.fingerprint
        )
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError):
        return None
    return facts if whole and told else None


def schema_from(metadata: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """The schema of a store whose layout did not write one.

    Arguments:
        metadata: of its arrays, by name.
        files: those of the manifest: data variables have no chunk among them.

    Raises:
        KeyError, TypeError, ValueError: the metadata tell none.
    """
    grid = metadata["complete"]["dimension_names"]
    sizes: dict[str, int] = {}
    for array in metadata.values():
        sizes.update(zip(array.get("dimension_names", ()), array["shape"], strict=False))
    told = {name.removesuffix("/zarr.json") for name in files if name.endswith("/zarr.json")}
    variables = told - {name.split("/c")[0] for name in files if name.rpartition("/c")[1]}
    inner = {name: metadata[name]["dimension_names"][len(grid) :] for name in variables}
    return json.dumps({"grid": grid, "sizes": sizes, "variables": inner})
