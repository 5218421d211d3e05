"""A process that has compiled much gives programs up: Linux maps only so many pieces of memory."""

import sys

import numpy as np
import pytest

import jaxsup
from jaxsup.sweep import mapped
from jaxsup.sweep.mapped import Crowding, mapped_share

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no such limit")


def run(batches: list[int]):
    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(24, 1.5),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(4),
        jaxsup.SGD(0.1),
        steps=6,
        batch_size=8,
    )
    return jaxsup.run(jaxsup.Sweep(experiment, {"batch_size": batches}, seeds=2))


def crowd(monkeypatch, crowded: bool):
    monkeypatch.setattr(Crowding, "calls_for_release", lambda self: crowded)


@pytest.mark.extended
def test_what_is_given_up_is_given_back(monkeypatch):
    """Of three programs one is left, and the numbers are the same."""
    crowd(monkeypatch, False)
    before = mapped_share()
    whole = run([3, 5, 7])
    grown = mapped_share() - before
    crowd(monkeypatch, True)
    run([4])
    before = mapped_share()
    run([6, 8, 10])
    assert mapped_share() - before < 0.5 * grown
    again = run([3, 5, 7])
    for name in whole.data_vars:
        np.testing.assert_array_equal(whole[name], again[name])


def test_what_others_have_mapped_is_no_reason_to_compile_anew(monkeypatch):
    share = 0.2
    monkeypatch.setattr(mapped, "mapped_share", lambda: share)
    crowding = Crowding()
    assert not crowding.calls_for_release()
    share = 0.5
    assert crowding.calls_for_release()
    crowding.note_release()
    assert not crowding.calls_for_release()
    share = 0.56
    assert crowding.calls_for_release()
    share = 0.1
    crowding.note_release()
    share = 0.4
    assert crowding.calls_for_release()
    share = 0.97
    crowding.note_release()
    assert crowding.calls_for_release()


def test_systems_without_the_limit_are_never_crowded(monkeypatch, tmp_path):
    monkeypatch.setattr(mapped, "_MOST", tmp_path / "none")
    assert mapped_share() == 0
    assert not Crowding().calls_for_release()
