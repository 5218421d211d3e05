"""How a sweep is cut: tiles and parts cover the grid once."""

import numpy as np
import pytest

import jaxsup
from jaxsup.experiment.record import Record
from jaxsup.sweep.programs import plan_programs
from jaxsup.sweep.work import choose_tile, cut_parts


def small() -> jaxsup.Experiment:
    """Planned only, never trained."""
    return jaxsup.Experiment(
        jaxsup.PowerLawFeatures(8, 1.1),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(3),
        jaxsup.Adam(0.1),
        batch_size=16,
        steps=4,
        record=Record(steps=(1, 2), evaluation_samples=16),
    )


GRID = {
    "features.exponent": [1.1, 1.3, 1.5, 1.7, 1.9],
    "student.latent": [2, 3, 5],
    "optimizer.learning_rate": [0.1, 0.2, 0.3],
}


@pytest.mark.parametrize("capacity", [1, 2, 7, 20, 64, 10_000])
@pytest.mark.parametrize("seeds", [1, 5])
def test_parts_cover_the_grid_once(capacity, seeds):
    sweep = jaxsup.Sweep(small(), GRID, seeds)
    programs = plan_programs(sweep, 2)
    capacities = [capacity] * len(programs)
    tile = choose_tile(sweep, capacities)
    assert tile[1] == 1  # another latent dimension is another structure
    assert np.prod(tile) <= capacity
    count = np.zeros((sweep.points, seeds), int)
    names = []
    for part in cut_parts(sweep, programs, tile, capacities):
        assert part.replicas <= capacity
        assert len(part.points) <= part.shape[0]
        assert len(part.seeds) <= part.shape[1]
        assert np.isin(part.points, programs[part.program].points).all()
        count[np.ix_(part.points, part.seeds)] += 1
        names += [piece.name for piece in part.tiles]
        assert part.replicas == len(part.points) * len(part.seeds)
    assert (count == 1).all()
    assert len(set(names)) == len(names)


def test_a_hundred_thousand_networks_are_a_hundred_tiles():
    axes = {
        "features.exponent": list(np.linspace(1.1, 2, 100)),
        "optimizer.learning_rate": list(np.linspace(0.1, 0.5, 100)),
    }
    sweep = jaxsup.Sweep(small(), axes, 10)
    programs = plan_programs(sweep, 2)
    tile = choose_tile(sweep, [4096])
    parts = cut_parts(sweep, programs, tile, [4096])
    assert tile == (10, 100, 1)
    assert sum(len(part.tiles) for part in parts) == 100
    assert len({part.shape for part in parts}) == 1
