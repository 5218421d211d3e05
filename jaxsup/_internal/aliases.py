"""Short names of fields, the one table of them: ``a`` stands for ``features.exponent``.

Axes of a sweep and of its dataset are called by the dotted names of fields. Where one names such an
axis, in Python, TOML or on the command line, an alias may stand in its place; headers of tables and
labels of pictures show it. What is called so itself goes before: a joint axis "a" is that axis.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

ALIASES = {
    "a": "features.exponent",
    "b": "teacher.exponent",
    "N": "features.count",
    "K": "student.latent",
    "N/K": "superposition_ratio",
    "density": "features.density",
    "activation": "student.activation",
    "embedding": "student.embedding",
    "randomness": "student.randomness",
    "lr": "optimizer.learning_rate",
    "momentum": "optimizer.momentum",
    "weight_decay": "optimizer.weight_decay",
    "batch": "batch_size",
}
"""What each alias stands for: symbols of the papers, and words where one field is meant by them."""

_SHORT = {name: alias for alias, name in ALIASES.items()}


def short_name(name: str) -> str:
    """A field's alias, or else the last part of its name.

    >>> short_name("features.exponent"), short_name("student.core_scale"), short_name("seed")
    ('a', 'core_scale', 'seed')
    """
    return _SHORT.get(name, name.rpartition(".")[2])


def full_name(name: str) -> str:
    """What an alias stands for; any other name as it is.

    >>> full_name("K"), full_name("seed")
    ('student.latent', 'seed')
    """
    return ALIASES.get(name, name)


def both_names(name: str) -> str:
    """A name with its alias, if it has one.

    >>> both_names("teacher.exponent"), both_names("steps")
    ('teacher.exponent (b)', 'steps')
    """
    return f"{name} ({_SHORT[name]})" if name in _SHORT else name


def find_name(argument: str, expected: str, name: object, names: Iterable[object]) -> str:
    """The one of `names` that a name or alias means.

    Arguments:
        argument: what an error calls it.
        expected: what the error says was expected.
        name: of one of `names`, or its alias.
        names: what there is.

    Raises:
        ValueError: there is none of that name.
    """
    from jaxsup._internal.validation import fail

    known = [str(each) for each in names]
    if isinstance(name, str):
        for meant in (name, full_name(name)):
            if meant in known:
                return meant
    meant = full_name(name) if isinstance(name, str) else ""
    got = both_names(meant) if meant in _SHORT else repr(name)
    raise fail(argument, expected, got, suggest_name(name, known), described=True)


def suggest_name(word: object, names: Iterable[str]) -> str:
    """Advice that tells the names nearest to a word that is none of them, with their aliases.

    >>> suggest_name("exponent", ["features.exponent", "teacher.exponent", "steps"])
    'did you mean features.exponent (a) or teacher.exponent (b)?'
    >>> suggest_name("k", ["student.latent", "steps"])
    'did you mean student.latent (K)?'
    """
    from jaxsup._internal.validation import suggest

    known = list(names)
    if isinstance(word, str):
        lower = word.lower()
        near = [n for n in known if lower in (n.rpartition(".")[2], _SHORT.get(n, "").lower())]
        if near:
            return f"did you mean {' or '.join(map(both_names, near))}?"
    advice = suggest(word, [*known, *(_SHORT[name] for name in known if name in _SHORT)])
    return advice if known else "there is none to choose from"


def resolve_axes(
    axes: Mapping[str, Any], is_rule: Callable[[Mapping[str, Any]], bool] = lambda _: False
) -> dict[str, Any]:
    """A sweep's axes, and the fields of joint ones, by their full names.

    Arguments:
        axes: lists of values by a field, or mappings from fields to lists by any name.
        is_rule: whether a mapping is a rule for values, and so those of a field.

    Raises:
        ValueError: a field stands there twice, by its name and by its alias.
    """
    joint = {
        name for name, values in axes.items() if isinstance(values, Mapping) and not is_rule(values)
    }
    fields = {name: _resolved(values) if name in joint else values for name, values in axes.items()}
    return _resolved(fields, joint)


def _resolved(table: Mapping[str, Any], kept: Iterable[str] = ()) -> dict[str, Any]:
    """A table with the keys that aliases stand for, but for those that are kept.

    Raises:
        ValueError: two keys are one.
    """
    new: dict[str, Any] = {}
    for key, values in table.items():
        name = key if key in kept or not isinstance(key, str) else full_name(key)
        if name in new:
            from jaxsup._internal.validation import fail

            text = f"{name} also as {_SHORT.get(name, name)}"
            raise fail("axes", "each field once", text, "drop one of them", described=True)
        new[name] = values
    return new
