"""Some of the random trials with bad files and command lines, with a fixed seed."""

from pathlib import Path

from trials.bad_files import KINDS, trials


def test_bad_files_and_command_lines_are_refused_in_one_line(tmp_path: Path) -> None:
    outcomes = list(trials(tmp_path, 4, 0))
    assert len(outcomes) == 4 * len(KINDS)
    assert not [outcome for outcome in outcomes if not outcome.held]
