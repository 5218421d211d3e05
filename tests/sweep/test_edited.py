"""What a method reads from outside of its class is that of the call, as in a notebook."""

import pytest
from sweep_cases import assert_same_bits, relu, run

import jaxsup

GAIN = 1.0


class Outside(jaxsup.AbstractTeacher):
    """Targets of a number of the module, and one of its own."""

    shift: float = 0.0

    def targets(self, x):
        return GAIN * x + self.shift


@pytest.mark.slow
def test_what_is_edited_between_two_calls_is_trained(monkeypatch):
    def trained(shift=0.0):
        return run(jaxsup.Sweep(relu(teacher=Outside(shift)), {"optimizer.learning_rate": [0.1]}))

    first, other = trained(), trained(0.5)
    assert (other["loss"] != first["loss"]).all()
    monkeypatch.setitem(globals(), "GAIN", 2.0)
    assert (trained()["loss"] > 2 * first["loss"]).all()
    monkeypatch.undo()
    assert_same_bits(trained(), first)
