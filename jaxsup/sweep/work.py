"""How a sweep is cut: into tiles, which the store commits, and parts, which are trained at once.

A tile is a block of the grid (axes..., seed) and one Zarr chunk of every variable. All points of a
tile belong to one compiled program: along axes that change a program's structure a tile has one
position. A part is a group of tiles of one program, points x seeds, as many as fit in memory.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Int

from jaxsup._internal.validation import fail
from jaxsup.sweep.grid import Sweep
from jaxsup.sweep.programs import Program

# Replicas that a tile holds at most: what a damaged file or a lost commit costs.
_TILE_REPLICAS = 1024

_Item = TypeVar("_Item")
_Column = list[tuple[tuple[int, ...], tuple[slice, ...], np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Tile:
    """A block of the grid.

    Attributes:
        index: the tile's position among the tiles, over (axes..., seed).
        region: the grid positions that it covers, over (axes..., seed).
        points: flat indices of its points, in the order of the grid.
    """

    index: tuple[int, ...]
    region: tuple[slice, ...]
    points: Int[np.ndarray, " points"]

    @property
    def name(self) -> str:
        """The index as Zarr writes it, joined by dots."""
        return ".".join(map(str, self.index))

    @property
    def seeds(self) -> Int[np.ndarray, " seeds"]:
        """Positions of its seeds."""
        return np.arange(self.region[-1].start, self.region[-1].stop)

    @property
    def replicas(self) -> int:
        """Number of networks."""
        return len(self.points) * len(self.seeds)


@dataclasses.dataclass(frozen=True)
class Part:
    """Tiles that one call of the compiled program trains: points x seeds.

    Attributes:
        number: its place among the parts.
        program: which program trains it.
        tiles: its tiles, those of a seed block together.
        shape: points and seeds of the largest part of the program: all are padded to it, so that
            the program is compiled once.
    """

    number: int
    program: int
    tiles: tuple[Tile, ...]
    shape: tuple[int, int]

    @property
    def points(self) -> Int[np.ndarray, " points"]:
        """Flat indices of the points."""
        first = self.tiles[0].region[-1]
        return np.concatenate([t.points for t in self.tiles if t.region[-1] == first])

    @property
    def seeds(self) -> Int[np.ndarray, " seeds"]:
        """Positions of the seeds."""
        return np.unique(np.concatenate([tile.seeds for tile in self.tiles]))

    @property
    def replicas(self) -> int:
        """Number of networks."""
        return sum(tile.replicas for tile in self.tiles)

    def only(self, names: set[str]) -> list["Part"]:
        """What remains of the part when only the tiles of these names are trained."""
        wanted = [tile for tile in self.tiles if tile.name in names]
        if len(wanted) == len(self.tiles):
            return [self]
        blocks = itertools.groupby(wanted, key=lambda tile: tile.index[-1])
        return [dataclasses.replace(self, tiles=tuple(tiles)) for _, tiles in blocks]


def choose_tile(sweep: Sweep, capacities: Sequence[int]) -> tuple[int, ...]:
    """Sizes of a tile over (axes..., seed) for programs that train `capacities` replicas at once.

    Points come before seeds: the points of a seed share its random numbers.
    """
    capacity = min(capacities)
    room = max(1, capacity // -(-capacity // _TILE_REPLICAS))
    sizes = []
    for axis, structural in zip(reversed(sweep.axes), reversed(sweep.structural), strict=True):
        size = 1 if structural else _even(axis.size, room)
        sizes.append(size)
        room //= size
    return (*reversed(sizes), _even(len(sweep.seeds), room))


def cut_parts(
    sweep: Sweep, programs: Sequence[Program], tile: tuple[int, ...], capacities: Sequence[int]
) -> list[Part]:
    """All parts of a sweep, program by program; within a program, seed block by seed block.

    Raises:
        ValueError: a tile holds more replicas than may be trained at once.
    """
    program_of = np.empty(sweep.points, np.int64)
    for number, program in enumerate(programs):
        program_of[program.points] = number
    blocks = [_blocks(axis.size, size) for axis, size in zip(sweep.axes, tile, strict=False)]
    seed_blocks = list(enumerate(_blocks(len(sweep.seeds), tile[-1])))
    grid = np.arange(sweep.points).reshape(sweep.shape)
    columns: list[_Column] = [[] for _ in programs]
    for index in itertools.product(*(range(len(block)) for block in blocks)):
        region = tuple(block[i] for block, i in zip(blocks, index, strict=True))
        points = np.atleast_1d(grid[region]).ravel()
        columns[program_of[points[0]]].append((index, region, points))
    parts: list[Part] = []
    for number, column in enumerate(columns):
        points_each = max(len(points) for _, _, points in column)
        least = points_each * tile[-1]
        if least > capacities[number]:
            raise fail(
                "chunk",
                f"at least {least} replicas, a tile of this dataset",
                capacities[number],
                "allow a larger chunk or more memory, or begin a new dataset",
            )
        at_once = _even(len(column), capacities[number] // least)
        seeds_at_once = 1
        if at_once == len(column):
            seeds_at_once = _even(len(seed_blocks), capacities[number] // (at_once * least))
        shape = _largest(column, at_once), min(len(sweep.seeds), seeds_at_once * tile[-1])
        for some_seeds in _groups(seed_blocks, seeds_at_once):
            for some_points in _groups(column, at_once):
                tiles = tuple(
                    Tile((*index, j), (*region, seeds), points)
                    for j, seeds in some_seeds
                    for index, region, points in some_points
                )
                parts.append(Part(len(parts), number, tiles, shape))
    return parts


def _largest(column: _Column, each: int) -> int:
    return max(sum(len(points) for _, _, points in group) for group in _groups(column, each))


def _even(count: int, most: int) -> int:
    """The size of equal shares of `count` that hold at most `most`."""
    most = max(1, min(count, most))
    return -(-count // -(-count // most))


def _blocks(count: int, size: int) -> list[slice]:
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]


def _groups(items: list[_Item], size: int) -> list[list[_Item]]:
    return [items[first : first + size] for first in range(0, len(items), size)]
