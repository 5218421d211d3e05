"""Every field holds what its annotation says, from tables and in Python, and may hold arrays."""

import dataclasses
import enum
import json
import pathlib
import warnings
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from factories import linear_experiment, relu_experiment
from helpers import assert_one_line_error, untyped
from trials.bad_inputs import fields_of_tables, table_with

import jaxsup
from jaxsup.experiment.configuration import Configuration, check_growth
from jaxsup.experiment.tables import experiment_from_table, to_table

pytestmark = pytest.mark.usefixtures("x32")

FIELDS = list(fields_of_tables())
WRONG: dict[type, list[Any]] = {
    bool: ["false", "no", 0, 1, [], [True], None],
    int: ["8", 1.5, True, [4], {}, None, 2**31, 10**400],
    float: ["0.5", True, False, [0.5, 0.5], [[0.5]], {}, "x", float("nan"), 10**400, 1e39],
    str: [True, 3, ["relu"], "no such name", None],
    tuple: [3, "loss", [True], [1.5], [[1]], {"a": 1}, [2, 1]],
    list: ["x", {}, ["a"], [1.0, 2.0], [[1.0], [1.0, 2.0]], [[True, False], [False, True]]],
}
# Fields with a number by default that follows from others.
OPTIONAL = {"evaluation_samples"}


@pytest.mark.parametrize(("section", "kind", "field", "right"), FIELDS)
def test_a_bad_value_in_a_table_is_a_one_line_error(section, kind, field, right):
    for value in WRONG[right]:
        if value is None and field in OPTIONAL:
            continue
        table = table_with(section, kind, {field: value})
        # Some parts are named by their own section: [activation] of a [student].
        make = partial(experiment_from_table, table)
        names = rf"{section or field}|[a-z_]*{field}|activation"
        assert_one_line_error(make, rf"^({names})[a-z0-9_.]*: expected")


def test_every_field_of_a_table_is_tried():
    names = {(kind, field) for _, kind, field, _ in FIELDS}
    assert {("power-law", "normalize"), ("sgd", "momentum"), ("record", "parameter_steps")} <= names
    assert len(FIELDS) == len(set(FIELDS)) > 60


def test_a_bad_kind_is_a_one_line_error():
    for kind in (["sgd"], True, 3, {"a": 1}, 10**5000):
        make = partial(experiment_from_table, table_with("optimizer", "sgd", {"kind": kind}))
        assert_one_line_error(make, "optimizer.kind: expected one of")


class OwnLaw(jaxsup.AbstractFeatures):
    """A law from outside of the package, with a field of each type."""

    count: int = eqx.field(static=True)
    slope: float = 1.0
    sharp: bool = eqx.field(static=True, default=False)
    name: str = eqx.field(static=True, default="x")

    def sample_batch(self, key, batch):
        return jax.random.normal(key, (batch, self.count)) * self.slope


UNTYPED = {
    "sharp": ({"sharp": "false"}, "features.sharp: expected true or false; got 'false'"),
    "slope": ({"slope": "0.5"}, "features.slope: expected a number; got '0.5'"),
    "count": ({"count": 2.0}, "features.count: expected a whole number; got 2.0"),
    "name": ({"name": 3}, "features.name: expected a text; got 3"),
}


@untyped
@pytest.mark.parametrize("case", UNTYPED)
def test_bad_types_of_a_class_of_ones_own_are_one_line_errors(case):
    changes, match = UNTYPED[case]
    assert_one_line_error(lambda: OwnLaw(**{"count": 2, **changes}), match)


IN_PYTHON = {
    "a rate as text": (lambda: jaxsup.SGD("0.5"), "optimizer.learning_rate: expected a .*'0.5'"),  # pyright: ignore[reportArgumentType]
    "a momentum as a truth value": (
        lambda: jaxsup.SGD(0.5, momentum=False),
        "optimizer.momentum: expected a finite number .*; got False",
    ),
    "a bias as text": (
        lambda: jaxsup.Student(3, bias="false"),  # pyright: ignore[reportArgumentType]
        "student.bias: expected true or false; got 'false'",
    ),
    "normalize as text": (
        lambda: jaxsup.PowerLawFeatures(3, 1.0, normalize="no"),  # pyright: ignore[reportArgumentType]
        "features.normalize: expected true or false; got 'no'",
    ),
    "a schedule by name": (
        lambda: jaxsup.Adam(1e-3, schedule="cosine"),  # pyright: ignore[reportArgumentType]
        "optimizer.schedule: expected a schedule; got 'cosine'; write jaxsup.WarmupCosine",
    ),
    "kept steps of truth values": (
        lambda: jaxsup.Record(parameter_steps=(True,)),
        "record.parameter_steps: expected increasing whole numbers >= 0",
    ),
    "one observable": (
        lambda: jaxsup.Record(observables="loss"),  # pyright: ignore[reportArgumentType]
        "record.observables: expected a list of names; got 'loss'",
    ),
}


@pytest.mark.parametrize("value", ["rank", 3, {"kind": "own:Count"}])
def test_observables_of_a_table_that_are_no_list_are_told_so(value):
    table = table_with("record", "record", {"observables": value})
    match = r"record.observables: expected a list of names; got .*; write \[...\] around them"
    assert_one_line_error(lambda: experiment_from_table(table), match)


@untyped
@pytest.mark.parametrize("case", IN_PYTHON)
def test_bad_types_in_python_are_one_line_errors(case):
    assert_one_line_error(*IN_PYTHON[case])


def test_numbers_may_be_arrays_and_traced():
    """As `vmap` and `jit` give them: a batch of experiments is made and trained."""
    rates = np.asarray([0.1, 0.2])

    def last_loss(rate):
        experiment = linear_experiment(optimizer=jaxsup.SGD(rate, momentum=rate))
        return jaxsup.simulate(experiment, jax.random.key(0)).loss[-1]

    together = jax.vmap(last_loss)(jnp.asarray(rates))
    np.testing.assert_allclose(together, [last_loss(float(r)) for r in rates], rtol=1e-5)
    features = dataclasses.replace(relu_experiment().features, exponent=rates)
    np.testing.assert_array_equal(features.exponent, rates)  # pyright: ignore[reportAttributeAccessIssue]


def test_an_array_for_a_number_is_bad_for_one_network():
    experiment = linear_experiment(optimizer=jaxsup.SGD(np.asarray([0.1, 0.2])))
    match = r"optimizer.learning_rate: expected one number; got a shape \(2,\); scan it by a Sweep"
    assert_one_line_error(lambda: jaxsup.simulate(experiment, jax.random.key(0)), match)
    assert_one_line_error(lambda: jaxsup.Sweep(experiment), match)


def test_growth_is_held_to_the_largest_number():
    """10^38 fits into float32, whose largest number is 3.4e38, and 10^39 does not."""

    def grow(power, scale=1.0):
        check_growth("b", power, "shrink it", power=power, base=10, scale=scale)

    for power in (38, np.asarray([1.0, 38.0])):
        grow(power)
    match = r"b: expected weights of at most 3.4e\+38; got 39, which makes 10\^39; shrink it"
    for power in (39, np.asarray([39.0, 1.0])):
        assert_one_line_error(partial(grow, power), match)
    assert_one_line_error(partial(grow, 38, 10.0), r"b: .*got 38, which makes 10\^39")


def test_a_configuration_without_annotations_it_knows_is_free():
    class Loose(Configuration):
        anything: Any = None

    assert Loose("text").anything == "text"


class Static(jaxsup.AbstractTeacher):
    """A teacher with anything in a static field."""

    held: Any = eqx.field(static=True)

    def targets(self, x):
        return x


@pytest.mark.parametrize("array", [np.ones(3), jnp.ones(3), (np.ones(3),)])
def test_an_array_in_a_static_field_is_a_one_line_error(array):
    """JAX compares such fields, and cannot compare arrays."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # equinox's own, of arrays alone
        match = r"^teacher\.held: expected a static field without arrays; .*\(3,\); write held: A"
        assert_one_line_error(lambda: Static(array), match)


class Kind(enum.Enum):
    """A choice."""

    ONE = 1


@pytest.mark.parametrize(
    ("held", "told"),
    [
        pytest.param(frozenset("ba"), ["a", "b"], id="set"),
        (Kind.ONE, "<Kind.ONE: 1>"),
        (np.dtype("float32"), "dtype('float32')"),
        (jnp.float32, "jax.numpy:float32"),
        (np.float64, "numpy:float64"),
        (pathlib.PurePosixPath("a"), "PurePosixPath('a')"),
        (partial(max, 1), "functools.partial(<built-in function max>, 1)"),
        (range(2), [0, 1]),
        (1j, "1j"),
        (b"a", "b'a'"),
    ],
    ids=str,
)
def test_what_no_table_holds_is_told_as_text(held, told):
    experiment = relu_experiment(teacher=Static(held))
    assert json.loads(json.dumps(to_table(experiment)))["teacher"]["held"] == told


def test_a_key_is_told_by_its_words():
    class Keyed(Static):
        key: Any = None

    words = jax.random.key_data(jax.random.key(3)).tolist()
    assert to_table(Keyed(1, jax.random.key(3)))["key"] == words
