"""What the closed forms refuse, each in one line that names the argument; and their dtypes."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_one_line_error, untyped

import jaxsup
from jaxsup import theory
from jaxsup.theory.asymptotics import asymptotic_amplitude, asymptotic_loss
from jaxsup.theory.bottleneck import bottleneck_floor, bottleneck_loss_curve, bottleneck_solution
from jaxsup.theory.linear import augment_with_bias, diagonal_loss_curve, full_loss_curve
from jaxsup.theory.one_sparse import one_sparse_errors, one_sparse_errors_from_gram
from jaxsup.theory.references import start_up

EYE, ONES = np.eye(3), np.ones(3)
BAD_INPUTS = {
    "a of zero": (
        lambda: theory.training_exponent(0.0, 1.0),
        "a: expected finite numbers > 0; got 0.0; pass a of",
    ),
    "infinite a": (lambda: theory.training_exponent(np.inf, 1.0), "finite numbers > 0; got inf"),
    "nan b": (
        lambda: theory.training_exponent(1.0, [0.0, np.nan]),
        "b: expected finite numbers; got nan; pass b of",
    ),
    "no power law": (
        lambda: asymptotic_amplitude(0.5, 0.0, 0.1, 1.0),
        r"a \+ 2b - 1: expected finite numbers > 0; got -0.5; raise",
    ),
    "asymptote rate": (lambda: asymptotic_loss(2, 0, 0.0, 1, 1), "learning_rate: .*; got 0"),
    "asymptote variance": (
        lambda: asymptotic_loss(2, 0, 1, -1, 1),
        "leading_variance: .*-1",
    ),
    "asymptote steps": (
        lambda: asymptotic_loss(2, 0, 1, 1, -2),
        "steps: .*; got -2.0; count",
    ),
    "dense variances": (
        lambda: diagonal_loss_curve(EYE, ONES, 0.1, 1),
        r"variances: expected shape \[features\]; got \[3, 3\]; call full_loss_curve",
    ),
    "gains": (
        lambda: diagonal_loss_curve(ONES, [1.0], 0.1, 1),
        r"gains: expected shape \[3\]",
    ),
    "negative variance": (
        lambda: diagonal_loss_curve([1.0, -2.0], [1.0, 1.0], 0.1, 1),
        "variances: expected finite numbers >= 0; got -2.0; pass",
    ),
    "negative rate": (lambda: diagonal_loss_curve(ONES, ONES, -1, 1), "learning_rate: .*-1"),
    "several rates": (lambda: diagonal_loss_curve(ONES, ONES, ONES, 1), r"\[3\]; vmap"),
    "negative steps": (
        lambda: diagonal_loss_curve(ONES, ONES, 0.1, [-1]),
        "steps: .*; got -1",
    ),
    "dynamics": (
        lambda: diagonal_loss_curve(ONES, ONES, 0.1, 1, dynamics="euler"),
        "dynamics: expected one of 'discrete', 'flow'; got 'euler'; choose one of",
    ),
    "start shape": (
        lambda: diagonal_loss_curve(ONES, ONES, 0.1, 1, start=[0.0]),
        r"start: expected shape \[3\]; got \[1\]; pass",
    ),
    "start value": (
        lambda: full_loss_curve(ONES, EYE, 0.1, 1, start=EYE * np.nan),
        "start: expected finite numbers; got nan; pass",
    ),
    "vector teacher": (
        lambda: full_loss_curve(EYE, ONES, 0.1, 1),
        r"teacher: expected shape \[outputs, features\]; got \[3\]; use jnp.diag",
    ),
    "moment shape": (
        lambda: full_loss_curve(np.eye(2), EYE, 0.1, 1),
        r"second_moment: expected shape \[3, 3\]; got \[2, 2\]; pass",
    ),
    "asymmetric moment": (
        lambda: full_loss_curve(EYE + np.eye(3, k=1), EYE, 0.1, 1),
        "second_moment minus its transpose: expected 0; got 1.0; pass",
    ),
    "indefinite moment": (
        lambda: full_loss_curve(np.array([[1.0, 2], [2, 1]]), np.eye(2), 0.1, 1),
        "eigenvalues of second_moment: expected numbers >= 0; got -1.0.*; pass",
    ),
    "mean shape": (
        lambda: augment_with_bias(ONES, [1.0], EYE),
        r"mean: expected shape \[3\]",
    ),
    "augmented teacher": (lambda: augment_with_bias(ONES, ONES, ONES), "outputs, features"),
    "vector W": (
        lambda: bottleneck_floor(ONES, ONES, EYE),
        r"W: expected shape \[latent, features\]; got \[3\]; vmap",
    ),
    "infinite W": (
        lambda: bottleneck_floor(EYE / 0.0, ONES, EYE),
        "W: expected finite numbers; got",
    ),
    "wide teacher": (
        lambda: bottleneck_floor(EYE, ONES, np.ones((2, 3))),
        r"teacher: expected shape \[3, 3\]; got \[2, 3\]; match",
    ),
    "core shape": (
        lambda: bottleneck_solution(np.ones((2, 3)), ONES, EYE, 0.1, start=EYE),
        r"start: expected shape \[2, 2\]; got \[3, 3\]; pass",
    ),
    "indefinite bottleneck": (
        lambda: bottleneck_floor(np.eye(2), np.array([[1.0, 2], [2, 1]]), np.eye(2)),
        "eigenvalues of W C W.T: expected numbers >= 0; got -1.0.*; pass",
    ),
    "one-sparse W": (
        lambda: theory.one_sparse_loss(ONES, ONES),
        r"W: expected shape \[latent, features\]",
    ),
    "vector gram": (lambda: one_sparse_errors_from_gram(ONES, ONES), "outputs, features"),
    "oblong gram": (
        lambda: one_sparse_errors_from_gram(np.ones((2, 3)), ONES),
        r"gram: expected shape \[3, 3\]; got \[2, 3\]; give",
    ),
    "bias": (
        lambda: one_sparse_errors(EYE, [0.0]),
        r"bias: expected shape \[3\]; got \[1\]",
    ),
    "one-sparse gains": (
        lambda: one_sparse_errors_from_gram(EYE, ONES, gains=[1.0]),
        r"gains: expected shape \[3\]; got \[1\]; give",
    ),
    "frequencies shape": (
        lambda: one_sparse_errors(EYE, ONES, frequencies=[1.0]),
        r"frequencies: expected shape \[3\]; got \[1\]; give",
    ),
    "frequencies sum": (
        lambda: one_sparse_errors(EYE, ONES, frequencies=ONES),
        "sum of frequencies: expected 1; got 3.0; divide",
    ),
    "negative frequency": (
        lambda: one_sparse_errors(EYE, ONES, frequencies=[-1.0, 1, 1]),
        "frequencies: expected finite numbers >= 0; got -1.0; pass",
    ),
    "one-sparse values": (
        lambda: one_sparse_errors_from_gram(EYE, ONES, values="two"),
        "values: expected one of 'unit', 'one'; got 'two'; choose",
    ),
    "one-sparse loss values": (
        lambda: theory.one_sparse_loss(EYE, ONES, values="uni"),
        "values: expected one of 'unit', 'one'; got 'uni'; did you mean 'unit'?",
    ),
    "one-sparse loss bias": (
        lambda: theory.one_sparse_loss(EYE, [0.0]),
        r"bias: expected shape \[3\]; got \[1\]",
    ),
    "one-sparse loss gains": (
        lambda: theory.one_sparse_loss(EYE, ONES, gains=[1.0]),
        r"gains: expected shape \[3\]; got \[1\]",
    ),
    "one-sparse loss frequencies": (
        lambda: theory.one_sparse_loss(EYE, ONES, frequencies=ONES),
        "sum of frequencies: expected 1; got 3.0; divide",
    ),
    "importance": (
        lambda: theory.one_sparse_loss(EYE, ONES, importance=-ONES),
        "importance: expected finite numbers >= 0; got -1.0; pass",
    ),
    "nan gains": (
        lambda: diagonal_loss_curve(ONES, [1.0, np.nan, 1.0], 0.1, 1),
        "gains: expected finite numbers; got nan",
    ),
    "nan teacher": (
        lambda: full_loss_curve(ONES, np.full((3, 3), np.nan), 0.1, 1),
        "teacher: expected finite numbers; got nan",
    ),
    "infinite teacher of a bottleneck": (
        lambda: bottleneck_floor(EYE[:2], ONES, np.full((3, 3), np.inf)),
        "teacher: expected finite numbers; got inf",
    ),
    "nan mean": (
        lambda: augment_with_bias(ONES, [0.0, np.nan, 0.0], EYE),
        "mean: expected finite numbers; got nan",
    ),
    "diverged W": (
        lambda: theory.one_sparse_loss(EYE * np.nan, ONES),
        "W: expected finite numbers; got nan; leave out runs that diverged",
    ),
    "diverged bias": (
        lambda: theory.one_sparse_loss(EYE, ONES * np.nan),
        "bias: expected finite numbers; got nan",
    ),
    "diverged Gram matrix": (
        lambda: one_sparse_errors_from_gram(EYE * np.nan, ONES),
        "gram: expected finite numbers; got nan",
    ),
    "start-up of a rising law": (lambda: start_up(-1.5, 0.5, 1.0), "a: expected .* > 0; got -1.5"),
    "start-up without a law": (lambda: start_up(1.5, -0.5, 1.0), r"a \+ 2b: expected .* > 1"),
    "start-up at rest": (lambda: start_up(1.5, 0.5, 0.0), "rate: expected .* > 0; got 0.0"),
    "start-up without end": (lambda: start_up(1.5, 0.5, 1.0, 0.0), "tolerance: expected .* > 0"),
}


@pytest.mark.parametrize(("call", "message"), BAD_INPUTS.values(), ids=BAD_INPUTS)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_bad_inputs_are_named(call, message):
    assert_one_line_error(call, message)


@pytest.mark.slow
def test_results_have_the_dtype_of_the_arrays(x64):
    W, bias = jnp.ones((1, 2), jnp.float32), jnp.zeros(2, jnp.float32)
    assert theory.one_sparse_loss(W, bias, importance=np.ones(2)).dtype == jnp.float32
    curve = bottleneck_loss_curve(W, bias, jnp.eye(2, dtype=jnp.float32), 0.1, np.arange(3))
    assert curve.dtype == jnp.float32
    assert theory.one_sparse_loss([[1, 1]], [0, 0]).dtype == jnp.float64


@untyped
def test_what_is_no_experiment_has_no_loss_curve():
    experiment: object = None
    match = "experiment: expected an Experiment; got None; write jaxsup.Experiment"
    assert_one_line_error(lambda: theory.loss_curve(experiment, [1]), match)  # pyright: ignore[reportArgumentType]


@untyped
def test_what_is_no_key_is_told_by_closed_forms_too() -> None:
    experiment = jaxsup.Experiment(
        jaxsup.GaussianFeatures(4, 2.0),
        jaxsup.DiagonalTeacher(0.5),
        jaxsup.Student(2, activation="identity", bias=False),
        jaxsup.SGD(0.5),
    )
    key: object = 0
    curve = lambda: theory.loss_curve(experiment, [0, 1], key=key)  # noqa: E731  # pyright: ignore[reportArgumentType]
    assert_one_line_error(curve, "key: expected a typed key; got 0; write jax.random.key")
