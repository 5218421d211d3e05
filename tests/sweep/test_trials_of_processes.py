"""Processes that are killed, and processes that start at once: a few random trials of each."""

import pytest
from trials import kills, starts


@pytest.mark.extended
def test_four_processes_start_at_a_barrier_twelve_times(tmp_path):
    """A race that one start in five loses is seen in 93% of runs; `scripts/faults.py` has more."""
    outcomes = list(starts.trials(tmp_path, count=4, seed=0))
    assert len(outcomes) == 12
    assert not [outcome for outcome in outcomes if not outcome.held]


@pytest.mark.slow
def test_a_sweep_killed_before_any_change_of_the_disk_goes_on(tmp_path):
    outcomes = list(kills.trials(tmp_path, count=4, seed=0))
    assert len(outcomes) == 8
    assert not [outcome for outcome in outcomes if not outcome.held]
