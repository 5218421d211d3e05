"""Which replica lies where: from lanes and slots, where it is trained, to rows and seeds."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Int, Shaped

from jaxsup.sweep.placement import shares_slots


@dataclasses.dataclass(frozen=True, eq=False)
class Lanes:
    """Replicas on [lanes, slots]; results are [rows, seeds].

    Attributes:
        members: the row that each slot trains; -1 where there is only padding.
        seeds: the position of the seed that each lane trains; -1 where there is only padding.
    """

    members: Int[np.ndarray, "lanes slots"]
    seeds: Int[np.ndarray, " lanes"]

    @classmethod
    def fill(
        cls,
        rows: int,
        seeds: int,
        usual: tuple[int, int],
        devices: int,
        *,
        mostly_padding: bool = False,
    ) -> "Lanes":
        """All rows with all seeds, padded to the usual shape and to whole devices.

        Arguments:
            rows: number of rows.
            seeds: number of seeds.
            usual: slots and lanes of most parts, for which a program is compiled; a part that
                would be mostly padding gets a shape of its own.
            devices: number of devices that share the replicas.
            mostly_padding: give that part the usual shape too.
        """
        slots, lanes = usual
        if not mostly_padding:
            slots, lanes = _usual(rows, slots), _usual(seeds, lanes)
        if shares_slots((lanes, slots), devices):
            slots += -slots % devices
        else:
            lanes += -lanes % devices
        members, positions = np.full((lanes, slots), -1), np.full(lanes, -1)
        members[:seeds, :rows] = np.arange(rows)
        positions[:seeds] = np.arange(seeds)
        return cls(members, positions)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of lanes, and of slots in each."""
        lanes, slots = self.members.shape
        return lanes, slots

    @property
    def used(self) -> Bool[np.ndarray, "lanes slots"]:
        """Where there is a replica."""
        return self.members >= 0

    @property
    def alike(self) -> bool:
        """Whether all lanes train the same rows in the same slots."""
        members = self.members[self.seeds >= 0]
        return bool((members == members[:1]).all())

    def setting_rows(self) -> Int[np.ndarray, "*axes"]:
        """The row whose setting each slot takes: [slots] where lanes are alike, or [lanes, slots].

        Padding trains the first row.
        """
        members = self.members[self.seeds >= 0][0] if self.alike else self.members
        return np.maximum(members, 0)

    def setting_seeds(self) -> Int[np.ndarray, " lanes"]:
        """The position of the seed that each lane takes; padding takes the first."""
        return np.maximum(self.seeds, 0)

    def scatter(
        self,
        block: dict[str, np.ndarray],
        name: str,
        values: Shaped[np.ndarray, "lanes slots *inner"],
        *,
        where: Bool[np.ndarray, "lanes slots"] | None = None,
        column: int | None = None,
    ) -> None:
        """Put the values of replicas where the results have them.

        Arguments:
            block: arrays [rows, seeds, ...] by name; changed.
            name: which of them.
            values: of all slots. A block that has more room in the inner dimensions keeps what is
                there beyond.
            where: which replicas; default: all.
            column: position along the block's third dimension, where it has one more than the
                values.
        """
        lanes, slots = np.nonzero(self.used if where is None else where & self.used)
        rows, seeds = self.members[lanes, slots], self.seeds[lanes]
        inner = tuple(slice(size) for size in values.shape[2:])
        place = (rows, seeds) if column is None else (rows, seeds, column)
        block[name][(*place, *inner)] = values[lanes, slots]

    def compact(
        self, alive: Bool[np.ndarray, "lanes slots"], devices: int
    ) -> tuple["Lanes", tuple[np.ndarray, np.ndarray]] | None:
        """The same without most of the replicas that are not alive, and where it lay before.

        Lanes and slots shrink by halves, so that only a few shapes are ever compiled.

        Arguments:
            alive: which replicas must be kept.
            devices: number of devices that share the replicas.

        Returns:
            The smaller lanes and an index: ``array[index]`` of an array [lanes, slots, ...] is that
            of the smaller ones. None where no smaller shape holds them, or devices would share out
            slots instead of lanes.
        """
        lanes, slots = self.shape
        by_slots = shares_slots(self.shape, devices)
        fewer_lanes = _halved(lanes, int(alive.any(axis=1).sum()), 1 if by_slots else devices)
        fewer_slots = _halved(slots, int(alive.sum(axis=1).max()), devices if by_slots else 1)
        smaller = fewer_lanes, fewer_slots
        if smaller == self.shape or shares_slots(smaller, devices) != by_slots:
            return None
        lanes = np.argsort(~alive.any(axis=1), kind="stable")[:fewer_lanes]
        slots = np.argsort(~alive[lanes], axis=1, kind="stable")[:, :fewer_slots]
        index = lanes[:, None], slots
        members = np.where(alive[index], self.members[index], -1)
        seeds = np.where(alive[lanes].any(axis=1), self.seeds[lanes], -1)
        return Lanes(members, seeds), index


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
