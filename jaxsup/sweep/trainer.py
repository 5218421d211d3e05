"""Train one part of a sweep: points x seeds, in compiled segments that the host drives.

Replicas lie on [seeds, slots]. The slots of a seed share its keys, so its random numbers are drawn
once for all of them. Between two segments the host looks: it collects what was observed, reports,
drops replicas that have diverged, keeps a checkpoint, and stops when it is asked to.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PRNGKeyArray

from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.students import StudentParameters, named_arrays
from jaxsup.sweep.programs import Program
from jaxsup.sweep.store.schema import KEY_KIND, Layout
from jaxsup.training.state import (
    FINISHED,
    State,
    advance,
    drop_frozen,
    frozen_parameters,
    observe,
    restore_frozen,
    start,
)

# A segment ends after about this long: so long does a request to stop wait.
_SEGMENT_SECONDS = 1.0
# Segments grow at most by this factor over the last one, whose speed is all that is known.
_SEGMENT_GROWTH = 8
# Floating-point operations that compiling another shape is worth, about two seconds of a CPU:
# fewer replicas are trained once dropping the diverged ones saves more. A count, not a clock, so
# that a second run does the same.
_COMPILING_WORTH = 2e11


class Stopped(Exception):  # noqa: N818 - a request that was met, not an error
    """Training ended early, as it was asked to."""


@dataclasses.dataclass(frozen=True)
class Glance:
    """What the host sees between two segments.

    Attributes:
        step: updates made.
        diverged: replicas of the part that have diverged.
        losses: losses recorded last, [points, seeds], NaN where diverged.
    """

    step: int
    diverged: int
    losses: np.ndarray


def never() -> bool:
    """Nobody asks to stop."""
    return False


@dataclasses.dataclass
class Watch:
    """What happens between two segments.

    Attributes:
        glance: called after every segment.
        stop: whether to end now.
        save: keeps a checkpoint, a mapping from names to arrays; None where there is no store.
        save_every: seconds between two checkpoints at least.
    """

    glance: Callable[[Glance], None] = lambda _: None
    stop: Callable[[], bool] = never
    save: Callable[[dict[str, np.ndarray]], None] | None = None
    save_every: float = 60.0


class Programs(NamedTuple):
    """What is compiled for one shape.

    Attributes:
        freeze: the arrays that are not learned.
        begin: all replicas before their first update.
        visit: advances them by a segment, and observes them where that is due.
        state: structure of what they hand on.
        pace: updates of the last segment, a list of one: the next part begins with as many.
    """

    freeze: Callable
    begin: Callable
    visit: Callable
    state: Any
    pace: list[int]


class Trainer:
    """Compiled programs for a mesh of devices; each shape is compiled once.

    Attributes:
        compile_seconds: time spent on compilation so far.
    """

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.compile_seconds = 0.0
        self._compiled: dict[Any, Programs] = {}

    def programs(
        self, program: Program, varying: Experiment, keys: Array, slots: Array, *, alike: bool
    ) -> "Programs":
        """The compiled programs for arguments of these shapes.

        `varying` is [slots, ...] where all lanes are `alike`, else [lanes, slots, ...].
        """
        arguments = varying, program.fixed, keys, slots
        shapes = tuple((jnp.shape(x), jnp.result_type(x)) for x in jax.tree.leaves(arguments))
        name = jax.tree.structure(arguments), shapes, alike, program.update
        if name not in self._compiled:
            began = time.perf_counter()
            freeze, begin, visit = _programs(
                self.mesh,
                by_slots=_shares_slots(slots.shape, self.mesh.size),
                alike=alike,
                one_copy=program.shares_frozen,
                update_kind=program.update,
            )
            zero, false = jnp.int32(0), jnp.asarray(False)
            frozen, state = (jax.eval_shape(make, *arguments) for make in (freeze, begin))
            self._compiled[name] = Programs(
                freeze.lower(*arguments).compile(),
                begin.lower(*arguments).compile(),
                visit.lower(*arguments, frozen, state, zero, zero, false).compile(),
                jax.tree.structure(state),
                [1],
            )
            self.compile_seconds += time.perf_counter() - began
        return self._compiled[name]

    def train(
        self,
        program: Program,
        rows: np.ndarray,
        seeds: np.ndarray,
        shape: tuple[int, int],
        layout: Layout,
        watch: Watch,
        checkpoint: Mapping[str, np.ndarray] | None = None,
    ) -> dict[str, np.ndarray]:
        """Train rows x seeds of a program, padded to `shape`; go on from `checkpoint` if given.

        Arguments:
            rows: positions into ``program.points``.
            seeds: the seeds themselves.

        Returns:
            The variables of `layout` as arrays [rows, seeds, ...].

        Raises:
            Stopped: `watch` asked for it; what was done is in the last checkpoint.
        """
        run = _Run(self, program, rows, seeds, layout)
        if checkpoint is None:
            run.begin(shape)
        else:
            run.restore(checkpoint)
        run.drive(watch)
        return run.block


class _Run:
    """A part on its way: replicas on [seeds, slots], results on [rows, seeds].

    `lanes[j]` is the position of the seed that lane j trains, `members[j, k]` the row that slot k
    of the lane trains; -1 where there is only padding.
    """

    def __init__(
        self,
        trainer: Trainer,
        program: Program,
        rows: np.ndarray,
        seeds: np.ndarray,
        layout: Layout,
    ) -> None:
        self.trainer, self.program, self.steps = trainer, program, layout.steps
        self.kept = np.searchsorted(layout.kept, program.fixed.record.parameter_steps)
        self.rows, self.seeds = rows, np.asarray(seeds, np.uint32)
        self.block = layout.empty(len(rows), len(seeds))
        self.block["complete"][...] = True
        self.block["status"][...] = FINISHED
        self.losses = np.full((len(rows), len(seeds)), np.nan)
        self.step = 0

    def begin(self, shape: tuple[int, int]) -> None:
        """All replicas before their first update."""
        slots, lanes = _usual(len(self.rows), shape[0]), _usual(len(self.seeds), shape[1])
        devices = self.trainer.mesh.size
        if _shares_slots((lanes, slots), devices):
            slots += -slots % devices
        else:
            lanes += -lanes % devices
        self.lanes = np.full(lanes, -1)
        self.lanes[: len(self.seeds)] = np.arange(len(self.seeds))
        self.members = np.full((lanes, slots), -1)
        self.members[: len(self.seeds), : len(self.rows)] = np.arange(len(self.rows))
        self._gather()
        self.state = self.programs.begin(*self.arguments)

    def restore(self, checkpoint: Mapping[str, np.ndarray]) -> None:
        """Go on from what `checkpoint` returned."""
        self.step = int(checkpoint["step"])
        self.members, self.lanes = checkpoint["members"], checkpoint["lanes"]
        self.losses = np.array(checkpoint["losses"])
        self.block = {name: np.array(checkpoint[f"block.{name}"]) for name in self.block}
        self._gather()
        leaves = [checkpoint[f"state.{i}"] for i in range(self.programs.state.num_leaves)]
        self.state = jax.tree.unflatten(self.programs.state, leaves)

    def checkpoint(self) -> dict[str, np.ndarray]:
        """Everything from which training goes on as if it had not stopped."""
        leaves = jax.tree.leaves(self.state)
        return {
            "step": np.asarray(self.step),
            "members": self.members,
            "lanes": self.lanes,
            "losses": self.losses,
            **{f"state.{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)},
            **{f"block.{name}": array for name, array in self.block.items()},
        }

    def drive(self, watch: Watch) -> None:
        """Train to the end."""
        recorded = self.program.fixed.recorded_steps
        last = int(recorded[-1])
        saved, saving = time.perf_counter(), 0.0
        # A checkpoint may lie on a recorded step: observing it once more gives the same.
        for target in recorded[np.searchsorted(recorded, self.step) :].tolist():
            due = False
            while not due:
                stop = min(target, self.step + self.programs.pace[0])
                due = stop == target
                self._advance(stop, due)
                watch.glance(Glance(self.step, int((self.block["status"] == 1).sum()), self.losses))
                if self.step == last:
                    break
                asked = watch.stop()
                late = time.perf_counter() - saved > max(watch.save_every, 20 * saving)
                if watch.save is not None and (asked or late):
                    began = time.perf_counter()
                    watch.save(self.checkpoint())
                    saved = time.perf_counter()
                    saving = saved - began
                if asked:
                    raise Stopped
            if not self._drop_diverged(last - self.step):
                break
        self._harvest(self.members >= 0)

    def _advance(self, stop: int, due: bool) -> None:
        """Train up to `stop` updates, record if that is due, and set the pace."""
        began = time.perf_counter()
        bounds = jnp.int32(self.step), jnp.int32(stop), jnp.asarray(due)
        self.state, records = self.programs.visit(*self.arguments, self.frozen, self.state, *bounds)
        lanes, slots = np.nonzero(self.members >= 0)
        rows, seeds = self.members[lanes, slots], self.lanes[lanes]
        self.block["status"][rows, seeds] = np.asarray(self.state.status)[lanes, slots]
        took = max(time.perf_counter() - began, 1e-6)
        if stop > self.step:
            fitting = int((stop - self.step) * _SEGMENT_SECONDS / took)
            pace = self.programs.pace
            pace[0] = max(1, min(_SEGMENT_GROWTH * pace[0], fitting))
        self.step = stop
        if due:
            column = int(np.searchsorted(self.steps, stop))
            for name, value in records.items():
                found = np.asarray(value)[lanes, slots]
                inner = tuple(slice(size) for size in found.shape[1:])
                self.block[name][(rows, seeds, column, *inner)] = found
            self.losses = self.block["loss"][:, :, column]

    def _drop_diverged(self, steps_left: int) -> bool:
        """Train fewer slots where that saves enough; whether any replica is left.

        Lanes and slots shrink by halves, so that only a few shapes are ever compiled.
        """
        status = np.asarray(self.state.status)
        alive = (self.members >= 0) & (status == FINISHED)
        if not alive.any():
            return False
        lanes, slots = alive.shape
        devices = self.trainer.mesh.size
        by_slots = _shares_slots(alive.shape, devices)
        fewer_lanes = _halved(lanes, int(alive.any(axis=1).sum()), 1 if by_slots else devices)
        fewer_slots = _halved(slots, int(alive.sum(axis=1).max()), devices if by_slots else 1)
        saved = (lanes * slots - fewer_lanes * fewer_slots) * steps_left
        if (fewer_lanes, fewer_slots) == alive.shape or (
            saved * _update_cost(self.program.fixed) < _COMPILING_WORTH
        ):
            return True
        if _shares_slots((fewer_lanes, fewer_slots), devices) != by_slots:
            return True
        self._harvest((self.members >= 0) & ~alive)
        keep_lanes = np.argsort(~alive.any(axis=1), kind="stable")[:fewer_lanes]
        keep = np.argsort(~alive[keep_lanes], axis=1, kind="stable")[:, :fewer_slots]
        at = keep_lanes[:, None], keep
        self.members = np.where(alive[at], self.members[at], -1)
        self.lanes = np.where(alive[keep_lanes].any(axis=1), self.lanes[keep_lanes], -1)
        self.state = jax.tree.map(lambda leaf: np.asarray(leaf)[at], self.state)
        self._gather()
        return True

    def _gather(self) -> None:
        """The arguments of the replicas in the slots, and the programs compiled for their shape.

        As long as all lanes train the same rows, their settings are passed once: what depends on
        them alone is then computed once for all seeds.
        """
        rows = self.rows[np.maximum(self.members, 0)]
        used = self.members[self.lanes >= 0]
        alike = bool((used == used[:1]).all())
        if alike:
            rows = self.rows[np.maximum(used[0], 0)]
        varying = jax.tree.map(lambda leaf: jnp.asarray(leaf[rows]), self.program.varying)
        seeds = jnp.asarray(self.seeds[np.maximum(self.lanes, 0)])
        keys = jax.vmap(functools.partial(jax.random.key, impl=KEY_KIND))(seeds)
        slots = jnp.zeros(self.members.shape, jnp.int32)
        self.arguments = varying, self.program.fixed, keys, slots
        self.programs = self.trainer.programs(self.program, varying, keys, slots, alike=alike)
        self.frozen = self.programs.freeze(*self.arguments)

    def _harvest(self, which: np.ndarray) -> None:
        """Take over how the replicas in these slots ended."""
        lanes, slots = np.nonzero(which)
        rows, seeds = self.members[lanes, slots], self.lanes[lanes]
        for name in ("status", "last_step"):
            self.block[name][rows, seeds] = np.asarray(getattr(self.state, name))[lanes, slots]
        if self.state.snapshots is None:
            return
        for name, value in named_arrays(self.state.snapshots).items():
            found = np.asarray(value)[lanes, slots]
            inner = tuple(slice(size) for size in found.shape[2:])
            for position, column in enumerate(self.kept):
                self.block[name][(rows, seeds, column, *inner)] = found[:, position]


def _usual(count: int, usual: int) -> int:
    """The compiled size for `count`: the usual one, unless most of it would be padding."""
    return usual if 2 * count > usual else count


def _halved(size: int, needed: int, multiple: int) -> int:
    """`size` halved as long as `needed` fit; a multiple of `multiple`."""
    while size > 1 and -(-size // 2) >= needed:
        smaller = -(-size // 2)
        smaller += -smaller % multiple
        if smaller >= size:
            break
        size = smaller
    return size


def _shares_slots(shape: tuple[int, ...], devices: int) -> bool:
    """Whether devices share out the slots of every lane, or the lanes: [lanes, slots]."""
    lanes, slots = shape
    return slots >= devices or slots >= lanes


def _update_cost(experiment: Experiment) -> float:
    """Floating-point operations of an update, about: products forward and backward."""
    count, latent = experiment.features.count, experiment.student.latent
    rows = experiment.batch_size if experiment.gradient == "sampled" else count
    return 6.0 * rows * (2 * count * latent + latent**2)


@functools.cache
def _programs(
    mesh: Mesh, *, by_slots: bool, alike: bool, one_copy: bool, update_kind: Any
) -> tuple[Any, ...]:
    """The programs of a part: freeze, begin, and advance by a segment, observing where it is due.

    State and records are [lanes, slots, ...]. Each device holds its share of the slots, or of the
    lanes, and never talks to the others. With `one_copy`, the arrays that are not learned are
    [lanes, ...], see `shares_frozen`.
    """
    here, everywhere = PartitionSpec("replica"), PartitionSpec()
    grid = PartitionSpec(None, "replica") if by_slots else here
    keys_at = everywhere if by_slots else here
    settings_at = (here if by_slots else everywhere) if alike else grid
    frozen_at = keys_at if one_copy else grid
    setting: _Axes = (None if alike else 0, 0)
    frozen_axes: _Axes = (0, None if one_copy else 0)

    def freeze(varying: Experiment, fixed: Experiment, keys: Array, slots: Array) -> Any:
        def one(varying: Experiment, key: PRNGKeyArray) -> StudentParameters:
            return frozen_parameters(eqx.combine(varying, fixed), key)

        if one_copy:
            first = jax.tree.map(lambda leaf: leaf[0] if alike else leaf[0, 0], varying)
            return jax.vmap(functools.partial(one, first))(keys)
        return _over(slots.shape, one, (setting, varying), (_KEY, keys))

    def begin(varying: Experiment, fixed: Experiment, keys: Array, slots: Array) -> State:
        def one(varying: Experiment, key: PRNGKeyArray, slot: Array) -> State:
            del slot  # carries the axis where nothing else does
            experiment = eqx.combine(varying, fixed)
            return drop_frozen(experiment, start(experiment, key))

        return _over(slots.shape, one, (setting, varying), (_KEY, keys), (_GRID, slots))

    def visit(
        varying: Experiment,
        fixed: Experiment,
        keys: Array,
        slots: Array,
        frozen: StudentParameters,
        state: State,
        first: Array,
        stop: Array,
        due: Array,
    ) -> tuple[State, dict[str, Array]]:
        def train(
            varying: Experiment, key: PRNGKeyArray, frozen: StudentParameters, state: State
        ) -> State:
            experiment = eqx.combine(varying, fixed)
            state = advance(
                experiment, update_kind, key, restore_frozen(frozen, state), first, stop
            )
            return drop_frozen(experiment, state)

        def look(
            varying: Experiment, key: PRNGKeyArray, frozen: StudentParameters, state: State
        ) -> dict[str, Array]:
            return observe(
                eqx.combine(varying, fixed), update_kind, key, restore_frozen(frozen, state)
            )

        settings = (setting, varying), (_KEY, keys), (frozen_axes, frozen)
        state = _over(slots.shape, train, *settings, (_GRID, state))

        def look_at_all() -> dict[str, Array]:
            return _over(slots.shape, look, *settings, (_GRID, state))

        empty = jax.tree.map(
            lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype), jax.eval_shape(look_at_all)
        )
        return state, jax.lax.cond(due, look_at_all, lambda: empty)

    def compiled(function: Callable, inputs: tuple, outputs: Any, **options: Any) -> Any:
        place = functools.partial(NamedSharding, mesh)
        share = jax.shard_map(
            function, mesh=mesh, in_specs=inputs, out_specs=outputs, check_vma=False
        )
        shardings = {
            "in_shardings": tuple(map(place, inputs)),
            "out_shardings": jax.tree.map(place, outputs),
        }
        return jax.jit(share, **shardings, **options)

    inputs = settings_at, everywhere, keys_at, grid
    bounds = everywhere, everywhere, everywhere
    return (
        compiled(freeze, inputs, frozen_at),
        compiled(begin, inputs, grid),
        compiled(visit, (*inputs, frozen_at, grid, *bounds), (grid, grid), donate_argnums=5),
    )


_Axes = tuple[int | None, int | None]
"""Where an argument has its axes over lanes and over slots."""
_KEY: _Axes = (0, None)
_GRID: _Axes = (0, 0)


def _over(shape: tuple[int, ...], one: Callable, *arguments: tuple[_Axes, Any]) -> Any:
    """vmap over slots inside, lanes outside: what depends on the key alone is computed once."""
    lanes, slots = shape
    per_slot = _map(one, tuple(axes[1] for axes, _ in arguments), slots)
    per_lane = _map(per_slot, tuple(axes[0] for axes, _ in arguments), lanes)
    return per_lane(*(argument for _, argument in arguments))


def _map(one: Callable, in_axes: tuple[int | None, ...], size: int) -> Callable:
    """`jax.vmap`, without an axis where it would have size 1: products are faster for it."""
    if size > 1:
        return jax.vmap(one, in_axes=in_axes)

    def alone(*arguments: Any) -> Any:
        first = [
            argument if axis is None else jax.tree.map(lambda leaf: leaf[0], argument)
            for argument, axis in zip(arguments, in_axes, strict=True)
        ]
        return jax.tree.map(lambda leaf: leaf[None], one(*first))

    return alone
