"""Error messages: what is quoted, what is repeated as it is, and how long they get."""

import numpy as np
import pytest

from jaxsup._internal import validation


def test_a_string_is_quoted_whatever_it_begins_with():
    error = validation.fail("name", "a free name", "a nice one", "choose another")
    assert str(error) == "name: expected a free name; got 'a nice one'; choose another"


@pytest.mark.parametrize("text", ["a shape (3, 2)", "none", "12 bytes"])
def test_a_description_is_repeated_as_it_is(text):
    error = validation.fail("W", "a matrix", text, "give two axes", described=True)
    assert str(error) == f"W: expected a matrix; got {text}; give two axes"


def test_a_message_is_one_line():
    error = validation.fail("W", "a number", np.zeros((2, 2)), "give one")
    assert str(error) == "W: expected a number; got array([[0., 0.], [0., 0.]]); give one"


@pytest.mark.parametrize("described", [True, False])
def test_long_values_are_cut(described):
    """80 characters are repeated: 77 of the value, its quotation mark counted, and three dots."""
    exact, long = "x" * 78 + "y" * 2 * described, "x" * 1000
    kept = str(validation.fail("n", "less", exact, "cut it", described=described))
    assert kept == f"n: expected less; got {exact if described else repr(exact)}; cut it"
    cut = str(validation.fail("n", "less", long, "cut it", described=described))
    start = "x" * 77 if described else "'" + "x" * 76
    assert cut == f"n: expected less; got {start}...; cut it"


def test_a_choice_of_the_user_is_quoted():
    message = "kind: expected one of 'sgd', 'adam'; got 'a dam'; did you mean 'adam'[?]"
    with pytest.raises(ValueError, match=message):
        validation.check_choice("kind", "a dam", ("sgd", "adam"))


def test_integers_have_ends():
    validation.check_integer("n", 4, "take 4", low=4, high=4)
    for value, message in (
        (3, "n: expected an integer >= 4; got 3; take 4"),
        (5, "n: expected an integer of at most 4; got 5; take 4"),
        (4.0, "n: expected an integer >= 4; got 4.0; take 4"),
    ):
        with pytest.raises(ValueError, match=message):
            validation.check_integer("n", value, "take 4", low=4, high=4)


def test_indices_of_features_are_integers_that_are_there():
    assert validation.feature_indices("features", [], 3).tolist() == []
    assert validation.feature_indices("features", range(3), 3).tolist() == [0, 1, 2]
    assert validation.feature_indices("features", np.asarray([2], np.uint8), 3).dtype == int
    with pytest.raises(ValueError, match=r"features 0\.\.2; got dtype bool; count from 0; nump"):
        validation.feature_indices("features", [True, False, True], 3)
    with pytest.raises(ValueError, match=r"features: expected features 0\.\.2; got -1; count"):
        validation.feature_indices("features", [0, -1], 3)
