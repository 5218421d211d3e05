"""Where a sweep starts other than at random: given arrays, or the end of another sweep.

What a dataset holds is matched by the names and values of axes and by seeds. An axis that only
the new sweep has starts everywhere from the same parameters.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, Integer, PyTree

from jaxsup._internal.paths import local_path
from jaxsup._internal.validation import fail
from jaxsup.experiment.initial import check_names, given_arrays, start_shapes
from jaxsup.sweep.grid import Sweep
from jaxsup.sweep.initial import Initial
from jaxsup.sweep.programs import Program
from jaxsup.sweep.store.ends import ends_of
from jaxsup.sweep.store.read import open_store

if TYPE_CHECKING:
    import xarray as xr


def read_initial(sweep: Sweep, programs: Sequence[Program], initial: Any) -> Initial:
    """The parameters that a sweep starts from, matched with its networks.

    Arguments:
        sweep: what starts.
        programs: what trains it.
        initial: parameters or arrays by name, each of one network or [axes..., seed, ...] of the
            sweep; or a dataset of `jaxsup.run`, or its folder.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: they do not fit the sweep.
    """
    names = list(dict.fromkeys(name for p in programs for name in start_shapes(p.first)))
    if isinstance(initial, str | Path):
        initial = open_store(local_path(initial, "initial"))
    if hasattr(initial, "data_vars"):
        arrays, origin = ends_of(initial, sweep, names), _origin(initial)
    else:
        arrays, origin = _arrays(sweep, programs, initial), "arrays"
    check_names(arrays, dict.fromkeys(names))
    dtype = np.dtype(jnp.result_type(float))
    arrays = {name: np.asarray(array, dtype) for name, array in arrays.items()}
    found = Initial(arrays, sweep.shape, sweep.seeds, origin)
    for program in programs:
        _check_shapes(found, sweep, program)
    return found


def with_initial(programs: Sequence[Program], initial: Initial | None) -> list[Program]:
    """The programs, starting from these parameters."""
    return [dataclasses.replace(program, initial=initial) for program in programs]


def start_arrays(
    program: Program, rows: Int[np.ndarray, "*axes"], seeds: Integer[np.ndarray, " lanes"]
) -> dict[str, np.ndarray]:
    """The arrays that replicas start from as a program holds them, [lanes, slots, ...].

    Arguments:
        program: what trains them.
        rows: positions into ``program.points``, [slots] or [lanes, slots].
        seeds: the seeds of the lanes.
    """
    if program.initial is None:
        return {}
    rows = np.broadcast_to(rows, (len(seeds), rows.shape[-1]))
    arrays = program.initial.at(program.points[rows], seeds)
    shapes, axes = start_shapes(program.example), program.padded_axes
    latents, fitted = program.latents[rows], {}
    for name, values in arrays.items():
        own = values
        if values.shape[2:] != shapes[name]:
            own = np.zeros((*rows.shape, *shapes[name]), values.dtype)
            common = (slice(size) for size in map(min, values.shape[2:], shapes[name]))
            place = (slice(None), slice(None), *common)
            own[place] = values[place]
        for axis in axes.get(name, ()):
            # Padding is 0 whatever the array holds there: NaN where its network diverged.
            inside = np.arange(own.shape[axis + 2]) < latents[..., None]
            sizes = [*rows.shape, *([1] * len(shapes[name]))]
            sizes[axis + 2] = -1
            own = np.where(inside.reshape(sizes), own, 0)
        fitted[name] = own
    return fitted


def _origin(dataset: "xr.Dataset") -> str:
    fingerprint = dataset.attrs.get("fingerprint")
    return f"the end of the sweep {fingerprint[:16]}" if fingerprint else "a dataset"


def _arrays(sweep: Sweep, programs: Sequence[Program], initial: PyTree) -> dict[str, np.ndarray]:
    """Given arrays with an axis for each axis of the sweep, and for its seeds."""
    arrays = given_arrays(initial)
    shapes = start_shapes(programs[0].first)
    check_names(arrays, shapes)
    grid, found = (*sweep.shape, len(sweep.seeds)), {}
    for name, array in arrays.items():
        values, inner = np.asarray(array), len(shapes[name])
        leading = values.shape[: values.ndim - inner]
        if leading not in ((), grid):
            expected = f"the shape of one network's, or {grid} before it"
            text, advice = f"a shape {values.shape}", "give a dataset to match axes by name"
            raise fail(f"initial.{name}", expected, text, advice, described=True)
        if not np.isfinite(values).all():
            text, advice = "one that holds others", "start from networks that have not diverged"
            raise fail(f"initial.{name}", "finite numbers", text, advice, described=True)
        found[name] = values if leading else values.reshape((1,) * len(grid) + values.shape)
    return found


def _check_shapes(initial: Initial, sweep: Sweep, program: Program) -> None:
    """Raise unless the arrays are as large as a program's networks, and hold nothing beyond."""
    shapes, axes = start_shapes(program.example), program.padded_axes
    check_names(initial.arrays, shapes)
    for latent in np.unique(program.latents).tolist():
        points = program.points[program.latents == latent]
        for name, array in initial.arrays.items():
            inner, own = array.shape[len(sweep.shape) + 1 :], list(shapes[name])
            for axis in axes.get(name, ()):
                own[axis] = latent
            if inner == tuple(own):
                continue
            fits = len(inner) == len(own) and all(map(int.__ge__, inner, own))
            for seed in sweep.seeds if fits else ():
                values = initial.at(points[None], np.array([seed]))[name]
                values[(Ellipsis, *map(slice, own))] = 0
                fits &= not np.nan_to_num(values, posinf=1, neginf=1).any()
            if not fits:
                text, advice = f"a shape {inner}", "start from networks of the same sizes"
                expected = f"a shape {tuple(own)}"
                raise fail(f"initial.{name}", expected, text, advice, described=True)
