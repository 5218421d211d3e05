"""Many curves at once: what each gives by itself, whatever stands beside it."""

import numpy as np
import pytest
from regime_curves import TURNS, one_law, two_laws

from jaxsup import fit
from jaxsup.fit.curves import bin_curve, group_curves, read_losses
from jaxsup.fit.stretches.local_exponents import LocalOptions, find_local_exponents
from jaxsup.fit.stretches.regime_search import RegimeOptions, find_regimes

STEPS = np.unique(np.round(np.geomspace(1, 3e4, 80)))


@pytest.fixture(scope="module")
def curves() -> list[tuple[np.ndarray, np.ndarray]]:
    """90 on one grid with 1 or 5 seeds, others on grids of their own, one too short for regimes."""
    rng = np.random.default_rng(8)
    curves = []
    for case in range(24):
        make = two_laws if case % 3 else one_law
        made = make(rng, TURNS[case % len(TURNS)], 0.5 * (case % 2))
        curves.append((made.steps, made.loss))
    for case in range(90):
        center = rng.uniform(100, 3000)
        law = STEPS**-0.3 * np.maximum(1, STEPS / center) ** (-0.7 * (case % 2)) + 1e-3 * (
            case % 5 == 0
        )
        shape = (1 + 4 * (case % 3 == 0), STEPS.size)
        noise = np.exp(10 ** rng.uniform(-3, -1) * rng.standard_normal(shape))
        curves.append((STEPS, law * noise))
    curves.append((STEPS, STEPS**-0.5))  # without noise
    curves.append((STEPS[:5], STEPS[:5] ** -0.5))
    order = rng.permutation(len(curves))
    return [curves[place] for place in order]


def test_regimes_of_many_curves_are_those_of_each(
    curves: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    together = find_regimes([read_losses(*curve) for curve in curves], RegimeOptions())
    assert len(together) == len(curves)
    for (steps, loss), many in zip(curves, together, strict=True):
        one = fit.regimes(steps, loss)
        assert [each.kind for each in many.stretches] == [each.kind for each in one.stretches]
        assert [each.window for each in many.stretches] == [each.window for each in one.stretches]
        for name in ("exponent", "interval", "decades"):
            numbers = [
                np.ravel([getattr(stretch, name) for stretch in found.stretches])
                for found in (many, one)
            ]
            np.testing.assert_allclose(*numbers, rtol=1e-8, atol=1e-12, err_msg=name)
        assert (many.floor is None) == (one.floor is None)
        if many.floor is not None and one.floor is not None:
            np.testing.assert_allclose(many.floor[:3], one.floor[:3], rtol=1e-8)
        for name in ("confidence", "seeds_used", "seeds_dropped", "reason"):
            assert getattr(many, name) == getattr(one, name)


def test_local_exponents_of_many_curves_are_those_of_each(
    curves: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    together = find_local_exponents([read_losses(*curve) for curve in curves], LocalOptions())
    for (steps, loss), many in zip(curves, together, strict=True):
        one = fit.local_exponent(steps, loss)
        np.testing.assert_array_equal(many.steps, one.steps)
        np.testing.assert_allclose(many.exponent, one.exponent, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(many.interval, one.interval, rtol=1e-6, atol=1e-9)
        assert (many.seeds_used, many.seeds_dropped) == (one.seeds_used, one.seeds_dropped)


def test_curves_with_the_same_bins_stand_together(
    curves: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    binned = [bin_curve(read_losses(*curve), 16) for curve in curves]
    groups = list(group_curves(binned))
    assert sorted(place for places, _ in groups for place in places) == list(range(len(curves)))
    assert max(len(places) for places, _ in groups) == 32
    for places, group in groups:
        for row, place in enumerate(places):
            for part, whole in zip(binned[place], group._replace(y=group.y[row]), strict=True):
                np.testing.assert_array_equal(part, whole)
