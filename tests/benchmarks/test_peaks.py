"""Peaks: sizes that are large enough, work that is done, and no share above all there is."""

import dataclasses
import sys
import types

import numpy as np
import pytest

import jaxsup
from benchmarks import bottleneck, comparison, devices, peaks, report
from benchmarks.turns import Measured


def machine(rates):
    """A maker of work that takes its time by the rate of its size, without doing anything."""
    asked = []

    def make(size):
        asked.append(size)
        return (lambda count: count * 2.0 / rates[size]), 2.0

    return make, asked


def test_sizes_are_doubled_until_the_rate_stops_rising():
    make, asked = machine({8: 1.0, 16: 3.0, 32: 5.0, 64: 5.1, 128: 100.0})
    peak = peaks.grow(make, 8, seconds=1e-3)
    assert asked == [8, 16, 32, 64]
    assert (peak.size, peak.rate) == (64, pytest.approx(5.1))
    make, asked = machine({8: 3.0, 16: 2.0})
    assert peaks.grow(make, 8, seconds=1e-3).size == 8
    make, asked = machine({8: 1.0})
    assert peaks.grow(make, 8, seconds=0.0).size == 8


def test_every_product_of_a_chain_is_made_of_the_one_before():
    """An even number of reflections is none, an odd one is the reflection: none is left out."""
    H = peaks._reflection(16, "float64")
    np.testing.assert_allclose(H @ H, np.eye(16), atol=1e-12)
    seen = []

    def multiply(x, square):
        seen.append((x, square))
        return x @ square

    import jax

    work, units = peaks.chain(multiply, "float32", 16, jax.devices()[:1])
    assert work(3) > 0
    assert len(seen) == 4  # written out once, whatever the count
    assert len({id(x) for x, _ in seen}) == 4
    assert units == 4 * 2 * 16**3


@pytest.mark.parametrize(("precision", "asked"), [("float32", "HIGHEST"), ("fast", "DEFAULT")])
def test_peaks_are_in_the_arithmetic_of_the_work(precision, asked, monkeypatch):
    import jax

    texts = []
    chain = peaks.chain

    def watched(multiply, dtype, side, devices):
        one = jax.ShapeDtypeStruct((side, side), dtype)
        texts.append(jax.jit(multiply).trace(one, one).lower(lowering_platforms=("cuda",)))
        return chain(multiply, dtype, side, devices)

    monkeypatch.setattr(peaks, "chain", watched)
    prepared = peaks.products({"side": 16, "seconds": 0.0, "precision": precision})
    assert prepared.facts["arithmetic"] == f"float32, {precision!r}"
    (lowered,) = texts
    assert ("precision = [HIGHEST, HIGHEST]" in lowered.as_text()) is (asked == "HIGHEST")


def seats_of(cost):
    """A network-step that takes `cost` seconds where 1e-9 s a FLOP is all there is."""
    facts = {"arithmetic": "float32", "size": 1024}
    return {
        "jaxsup": Measured(costs=[cost]),
        "products": Measured(costs=[1e-9], facts=facts),
        "memory": Measured(costs=[1e-15]),
    }


def test_more_than_the_attainable_is_an_error_and_met_by_nobody(capsys):
    case = bottleneck.CASES["large"]
    bound = case.flops * 1e-9
    honest = bottleneck.roofline(case, seats_of(bound / 0.8), 0.75)
    assert (honest.met, honest.impossible) == (True, False)
    absurd = bottleneck.roofline(case, seats_of(bound / 4.27), 0.75)
    assert (absurd.met, absurd.impossible) == (False, True)
    report.print_rows([honest, absurd])
    text = capsys.readouterr().out
    assert text.count("at least 75% met") == 1
    assert text.count("427%") == text.count("ERROR of the benchmark: more than the attainable") == 1
    faster = comparison.compare("work", "rival", [1.0], [4.0], target=2.0)
    assert (faster.met, faster.impossible) == (True, False)


def test_pytorch_is_told_its_arithmetic(monkeypatch):
    said = []
    torch = types.SimpleNamespace(
        set_num_threads=lambda count: None,
        set_default_device=lambda device: None,
        set_float32_matmul_precision=said.append,
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    devices.use_torch()
    devices.use_torch(precision="fast")
    assert said == ["highest", "high"]
    assert set(devices.ARITHMETIC) == {"float32", "fast"}


def test_the_case_hands_its_precision_to_all():
    case = dataclasses.replace(bottleneck.CASES["small"], precision="fast")
    sweep = bottleneck.make_sweep(case, 4, 2, jaxsup.Record())
    assert sweep.experiment.precision == "fast"


def test_products_of_halves_are_counted_on_the_devices_that_make_them(monkeypatch):
    """One of several: what the others do not do is not its rate."""
    import jax

    from jaxsup.training.updates import halves

    made = []

    def product(a, b, **options):
        made.append(options)
        return a.high.astype("float32") @ b.high.astype("float32")

    monkeypatch.setattr(halves, "product", product)
    devices = jax.local_devices()
    for some in (devices[:1], devices):
        work, units = peaks.chain_of_halves(16, some)
        assert units == len(some) * 4 * 2.0 * 16**3
        assert work(1) > 0
    assert made
