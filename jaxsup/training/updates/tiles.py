"""Tiles of matrices in kernels of an NVIDIA GPU, written in Pallas for its Triton backend.

A program of a kernel computes a tile; places beyond a matrix are masked. Pallas is imported where a
kernel is made, not with the package: only where there is such a card.
"""

import functools
from typing import Any, NamedTuple

import jax.numpy as jnp

# Triton's products have no side below this.
_SMALLEST_SIDE = 16


class Tile(NamedTuple):
    """What a program of a kernel computes: rows x columns, `terms` of the sum at a time."""

    rows: int
    columns: int
    terms: int
    warps: int
    stages: int


def kernel_of(
    kernel: Any, tile: Tile, shapes: Any, grid: tuple[int, int], name: str, *, interpret: bool
) -> Any:
    """A kernel, a program a tile of so many rows and columns."""
    from jax.experimental import pallas
    from jax.experimental.pallas import triton

    options = None
    if not interpret:
        options = triton.CompilerParams(num_warps=tile.warps, num_stages=tile.stages)
    return pallas.pallas_call(
        functools.partial(kernel, tile=tile, shape=grid),
        grid=(-(-grid[0] // tile.rows), -(-grid[1] // tile.columns)),
        out_shape=shapes,
        compiler_params=options,
        interpret=interpret,
        name=name,
    )


def side_of(size: int) -> int:
    """The side of an array in a kernel that holds so many: a power of two."""
    return max(_SMALLEST_SIDE, 1 << (size - 1).bit_length())


def places(tile: Tile) -> tuple[Any, Any]:
    """Rows and columns of a program's tile."""
    from jax.experimental.pallas import program_id

    return (
        program_id(0) * tile.rows + jnp.arange(tile.rows),
        program_id(1) * tile.columns + jnp.arange(tile.columns),
    )


def first_row(tile: Tile) -> Any:
    """Where a program's tile begins."""
    from jax.experimental.pallas import program_id

    return program_id(0) * tile.rows


def load(ref: Any, place: tuple[Any, ...], mask: Any, *, volatile: bool = False) -> Any:
    """Entries of an array; 0 where the mask is not set. Volatile ones are not kept for later."""
    from jax.experimental.pallas import triton

    return triton.load(ref.at[place], mask=mask, other=0, volatile=volatile)


def load_tile(matrix: Any, places: tuple[Any, Any], shape: tuple[Any, Any], turned: bool) -> Any:
    """Entries of a matrix, which may be given turned; 0 beyond its shape."""
    (row, column), (m, n) = places, shape
    if turned:
        mask = (column < n)[:, None] & (row < m)[None, :]
        return load(matrix, (column[:, None], row[None, :]), mask).T
    return load(matrix, (row[:, None], column[None, :]), (row < m)[:, None] & (column < n)[None, :])


def store_at(ref: Any, place: tuple[Any, ...], values: Any, mask: Any) -> None:
    """Entries of an array, where the mask is set."""
    from jax.experimental.pallas import triton

    triton.store(ref.at[place], values, mask=mask)


def store(ref: Any, places: tuple[Any, Any], values: Any, shape: tuple[int, int]) -> None:
    """A tile of a matrix, but for what lies beyond its shape."""
    row, column = places
    mask = (row < shape[0])[:, None] & (column < shape[1])[None, :]
    store_at(ref, (row[:, None], column[None, :]), values, mask)


def store_row(ref: Any, column: Any, values: Any, mask: Any) -> None:
    """What a program leaves of its tile's columns, in a row for each row of tiles."""
    from jax.experimental.pallas import program_id

    store_at(ref, (program_id(0), column), values, mask)
