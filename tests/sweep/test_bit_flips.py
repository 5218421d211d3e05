"""No damage of a file is silent, and all of it is mended (`scripts/faults.py` tries more)."""

import pytest
from trials.bit_flips import trials


@pytest.mark.slow
def test_damage_of_any_file_is_named_or_harmless_and_mended(tmp_path):
    outcomes = list(trials(tmp_path, count=1, seed=1))
    assert len({outcome.kind for outcome in outcomes}) == 21
    assert [outcome for outcome in outcomes if not outcome.held] == []
