"""The linear student beside a setting: its curve and its start-up, against sums in numpy."""

from typing import Any

import numpy as np
import pytest

from jaxsup.theory.references import START_UP_TOLERANCE, linear_reference, start_up

TABLE: dict[str, Any] = {
    "features": {"kind": "gaussian", "count": 12, "exponent": 1.5},
    "teacher": {"kind": "diagonal", "exponent": 0.5},
    "student": {"latent": 12},
    "optimizer": {"kind": "sgd", "learning_rate": 0.5},
}


def changed(section: str, **entries: Any) -> dict[str, Any]:
    """The table with entries of one section replaced."""
    return {**TABLE, section: {**TABLE[section], **entries}}


def descend(second: np.ndarray, rate: float, steps: np.ndarray) -> np.ndarray:
    """1/2 tr[(B - A) C (B - A)^T] of gradient descent from B = 0, step by step."""
    A = np.eye(len(second))[:12] * np.arange(1, len(second) + 1)[:12, None] ** -0.5
    B, losses = np.zeros_like(A), []
    for _ in range(int(steps[-1]) + 1):
        losses.append(0.5 * np.trace((B - A) @ second @ (B - A).T))
        B = B - rate * (B - A) @ second
    return np.asarray(losses)[steps]


def test_the_curve_is_that_of_gradient_descent() -> None:
    variances = np.arange(1, 13) ** -1.5
    steps = np.asarray([1, 10, 100, 1000])
    reference = linear_reference(TABLE)
    assert reference is not None
    expected = descend(np.diag(variances / variances.sum()), 0.5, steps)
    np.testing.assert_allclose(reference.loss(steps), expected, rtol=2e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_features_with_a_mean_are_correlated_and_a_bias_is_one_more(bias: bool) -> None:
    """Values uniform on [0, 2]: E[v] = 1, E[v^2] = 4/3."""
    table = {
        **changed("student", bias=bias),
        "features": {"kind": "power-law", "count": 12, "exponent": 1.5, "density": 2.0},
    }
    p = np.arange(1, 13) ** -1.5
    p = np.minimum(1, 2 * p / p.sum())
    second = np.diag(p * 4 / 3 - p**2) + np.outer(p, p)
    if bias:
        second = np.block([[second, p[:, None]], [p[None, :], np.ones((1, 1))]])
    steps = np.asarray([1, 10, 100, 1000])
    reference = linear_reference(table)
    assert reference is not None
    np.testing.assert_allclose(reference.loss(steps), descend(second, 0.5, steps), rtol=2e-5)


@pytest.mark.parametrize(("reduction", "scale"), [("sum", 2.0), ("mean", 2 / 12)])
def test_a_reduction_scales_loss_and_rate(reduction: str, scale: float) -> None:
    reference = linear_reference({**TABLE, "reduction": reduction})
    plain = linear_reference(changed("optimizer", learning_rate=0.5 * scale))
    assert reference is not None
    assert plain is not None
    np.testing.assert_allclose(reference.loss([1, 50]), scale * plain.loss([1, 50]), rtol=1e-12)
    assert reference.start_up == plain.start_up


@pytest.mark.parametrize("rate", [1.0, 1.5, 3.0])
def test_fast_modes_are_gone_at_once_or_grow(rate: float) -> None:
    """(1 - x)^(2t) for one feature with l = 1: 0 at x = 1, x = 3 grows fourfold a step."""
    table = changed("optimizer", learning_rate=rate)
    reference = linear_reference({**table, "features": {**TABLE["features"], "count": 1}})
    assert reference is not None
    expected = 0.5 * (1 - rate) ** (2 * np.asarray([1, 2, 5]))
    np.testing.assert_allclose(reference.loss([1, 2, 5]), expected, rtol=1e-12, atol=1e-300)


WITHOUT = {
    "nothing": {},
    "another law": changed("features", kind="one-active"),
    "a law from outside": changed("features", kind="mine.laws:Bursts"),
    "no decay": changed("features", exponent=0.0),
    "a diverging sum": {
        **changed("features", exponent=0.5),
        "teacher": {"kind": "diagonal", "exponent": 0.25},
    },
    "another teacher": {**TABLE, "teacher": {"kind": "matrix", "matrix": [[1.0]]}},
    "Adam": changed("optimizer", kind="adam"),
    "momentum": changed("optimizer", momentum=0.9),
    "a schedule": changed("optimizer", schedule={"warmup": 10}),
    "a rate for the bias": changed("optimizer", bias_learning_rate=0.1),
    "no rate": changed("optimizer", learning_rate=0.0),
    "no core": changed("student", embedding="learned", core=False),
    "weights": {**TABLE, "importance": 0.9},
}


@pytest.mark.parametrize("case", WITHOUT)
def test_other_settings_have_none(case: str) -> None:
    assert linear_reference(WITHOUT[case]) is None


def local_exponents(a: float, b: float, rate: float, steps: np.ndarray) -> np.ndarray:
    """-d log L / d log t of a million features and steps of finite size, by differences."""
    i = np.arange(1.0, 1e6 + 1)
    weights, decay, h = i ** -(a + 2 * b), np.log1p(-rate * i**-a), 1e-3

    def log_loss(t: float) -> float:
        return float(np.log(weights @ np.exp(2 * t * decay)))

    return np.asarray([(log_loss(t / (1 + h)) - log_loss(t * (1 + h))) for t in steps]) / (
        2 * np.log1p(h)
    )


@pytest.mark.parametrize("rate", [0.9, 0.01])
@pytest.mark.parametrize(("a", "b"), [(1.5, 0.5), (2.0, 0.0), (2.0, 1.0), (3.0, 1.0)])
def test_after_the_start_up_the_local_exponent_is_the_limit(
    a: float, b: float, rate: float
) -> None:
    """Two causes, each within the tolerance: the first features, and the steps' finite size."""
    first, alpha = start_up(a, b, rate), (a + 2 * b - 1) / a
    later = local_exponents(a, b, rate, first * np.geomspace(1, 8, 12))
    assert np.abs(later / alpha - 1).max() < 2 * START_UP_TOLERANCE
    before = local_exponents(a, b, rate, first * np.geomspace(0.2, 0.98, 12))
    assert np.abs(before / alpha - 1).max() > START_UP_TOLERANCE


CORRELATED = {"kind": "power-law", "count": 60, "exponent": 1.5}


def test_rates_and_reductions_share_one_eigenproblem(monkeypatch: pytest.MonkeyPatch) -> None:
    first = linear_reference({**TABLE, "features": CORRELATED})
    assert first is not None
    monkeypatch.setattr("jaxsup.theory.rank_one._quadratic_root", None)
    for rate, reduction in ((0.25, "sum"), (0.1, "half_sum")):
        table = {**changed("optimizer", learning_rate=rate), "reduction": reduction}
        assert linear_reference({**table, "features": CORRELATED}) is not None


def test_beyond_what_can_be_solved_the_loss_is_nan_and_the_start_up_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = linear_reference({**TABLE, "features": CORRELATED})
    monkeypatch.setattr("jaxsup.theory.references._MOST_CORRELATED", 59)
    many = linear_reference({**TABLE, "features": CORRELATED})
    assert few is not None
    assert many is not None
    assert many.start_up == few.start_up
    assert np.isnan(many.loss([1, 10])).tolist() == [True, True]
    assert linear_reference({**TABLE, "features": {**CORRELATED, "values": "sign"}}) is not None
