"""How often regimes are read right: the protocol is that of `regime_curves`."""

import numpy as np
import pytest
from regime_curves import one_law, read_many, summarize, two_laws

SMALL, WHOLE = 64, 500


@pytest.mark.parametrize("make", [two_laws, one_law])
def test_most_of_some_curves_are_read_right(make):
    """58 of 64: with 97% right fewer come by chance once in 150 times."""
    readings = read_many(make, SMALL, seed=7)
    assert sum(reading.right for _, reading in readings) >= 58, summarize(readings)


@pytest.mark.slow
@pytest.mark.parametrize("make", [two_laws, one_law])
def test_at_least_95_percent_of_500_curves_are_read_right(make):
    readings = read_many(make, WHOLE, seed=20261126)
    print(f"\n{make.__name__}\n{summarize(readings)}")
    assert np.mean([reading.right for _, reading in readings]) >= 0.95
    assert np.mean([reading.count == len(curve.laws) for curve, reading in readings]) >= 0.95
    # The intervals are 95% intervals, and no wider than they need to be.
    for law in range(len(readings[0][0].laws)):
        found = [reading for _, reading in readings if len(reading.held) > law]
        assert np.mean([reading.held[law] for reading in found]) >= 0.95
        assert np.median([reading.widths[law] for reading in found]) < 0.03
