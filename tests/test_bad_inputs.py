"""A few of the random trials of bad input; `scripts/faults.py` makes many."""

import collections

from trials.bad_inputs import trials


def test_bad_inputs_are_handled(tmp_path):
    outcomes = list(trials(tmp_path, 12, 3))
    assert [outcome for outcome in outcomes if not outcome.held] == []
    assert set(collections.Counter(outcome.kind for outcome in outcomes).values()) == {12}
