"""What methods of foreign classes return, by shapes and dtypes: they are traced, not run.

Each is traced twice: a compiled program is made of one trace, and several programs train, evaluate
and go on with a network, so that all have to be of the same function.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters import partial_eval
from jaxtyping import PyTree

from jaxsup._internal.validation import fail
from jaxsup.experiment.abstract_student import AbstractStudent
from jaxsup.experiment.contracts_of_names import check_parameter_names
from jaxsup.experiment.features import AbstractFeatures
from jaxsup.experiment.moments import check_moment_shapes
from jaxsup.experiment.observables import Network, Observable
from jaxsup.experiment.teachers import AbstractTeacher
from jaxsup.experiment.traces import digest_of
from jaxsup.experiment.transformations import AbstractOptimizer

_ROWS = "return a row a sample, a column a feature; activations act entry by entry"
_REPEATABLE = "draw by jax.random from a key, and keep no state: np.random is asked once a program"
_TRACEABLE = "compute with jax.numpy: jnp.where for choices, static fields for sizes and names"


def check_law(features: AbstractFeatures) -> None:
    """Check samples, that they follow from their key, and the shapes of the moments.

    Raises:
        ValueError: they are others.
    """

    def draw(features: AbstractFeatures, key: Any) -> Any:
        return features.sample_batch(key, _sample_count(features.count))

    samples = _trace("features", "sample_batch", draw, features, _key())
    _check_rows("features", "sample_batch", samples, features.count)
    traced = jax.make_jaxpr(draw)(features, _key()).jaxpr
    if not partial_eval.dce_jaxpr(traced, [True])[1][-1]:
        text = "samples that do not depend on it"
        advice = "draw by jax.random from the key, rows of a fixed table too: np.random draws once"
        expected = "sample_batch() to draw from its key"
        raise fail("features", expected, text, advice, described=True)
    moments = _trace("features", "moments", lambda features: features.moments(), features)
    if moments is not None:
        check_moment_shapes(moments, features.count)


def check_teacher(teacher: AbstractTeacher, count: int) -> None:
    """Check the shapes of targets, and of the matrix if there is one.

    Raises:
        ValueError: they are others.
    """
    targets = _trace("teacher", "targets", lambda t, x: t.targets(x), teacher, _samples(count))
    _check_rows("teacher", "targets", targets, count)
    matrix = _trace("teacher", "matrix_for", lambda t: t.matrix_for(count), teacher)
    if matrix is not None:
        advice = "return A of y = A x, or None where it is not linear"
        _check_array("teacher", f"matrix_for({count})", matrix, (count, count), advice)


def check_student(student: AbstractStudent, count: int) -> None:
    """Check parameters and outputs.

    Raises:
        ValueError: parameters are no arrays of real numbers, those with names of the package have
            other shapes, a dataset has no place for one, none is learned, or outputs have another
            shape.
    """
    foreign: list[Any] = []

    def start(student: AbstractStudent, key: Any) -> PyTree:
        parameters = student.init_parameters(key, count)
        foreign[:] = [leaf for leaf in jax.tree.leaves(parameters) if not _is_array(leaf)]
        return parameters

    parameters = _trace("student", "init_parameters", start, student, _key())
    learned = _trace("student", "trainable", _learned, student, parameters)
    complex_ones = [leaf for leaf in jax.tree.leaves(parameters) if not _is_real(leaf)]
    others = [leaf for leaf in jax.tree.leaves(learned) if not _is_floating(leaf)]
    wrong = [type(leaf).__name__ for leaf in foreign] + [
        f"numbers of {leaf.dtype}" for leaf in complex_ones + others
    ]
    if wrong or not jax.tree.leaves(learned):
        text = f"a {wrong[0]}" if foreign else wrong[0] if wrong else "none that is learned"
        advice = "return a module with arrays like jnp.zeros(count) in its fields"
        expected = "parameters that are arrays of real numbers, and one to learn"
        raise fail("student", expected, text, advice, described=True)
    _check_known_arrays(student, parameters, count)
    check_parameter_names(student, parameters, count)
    x = _samples(count)
    outputs = _trace("student", "outputs", lambda s, p, x: s.outputs(p, x), student, parameters, x)
    _check_rows("student", "outputs", outputs, count)

    def noisy(student: AbstractStudent, parameters: PyTree, x: Any, key: Any) -> Any:
        return student.noisy_outputs(parameters, x, key)

    outputs = _trace("student", "noisy_outputs", noisy, student, parameters, x, _key())
    _check_rows("student", "noisy_outputs", outputs, count)


def _check_known_arrays(student: AbstractStudent, parameters: PyTree, count: int) -> None:
    """Check the arrays that observables take by their names."""
    columns = {"embedding": count, "readout": count, "core": student.latent}
    for name, size in columns.items():
        array = getattr(parameters, name, None)
        if array is not None:
            dims = "latent, latent" if name == "core" else "latent, features"
            advice = f"make it [{dims}], or give it another name: observables read it as Student's"
            _check_array("student", f"{name}", array, (student.latent, size), advice)


def check_optimizer(
    optimizer: AbstractOptimizer,
    teacher: AbstractTeacher,
    student: AbstractStudent,
    count: int,
    steps: int,
) -> None:
    """Check an update of the student's parameters, and the state that it leaves.

    Raises:
        ValueError: there is no transformation, an update or the state changes its shape, or the
            gradient cannot be taken.
    """

    def gradient_of(
        student: AbstractStudent, teacher: AbstractTeacher, x: Any, key: Any
    ) -> tuple[PyTree, PyTree]:
        start = student.init_parameters(key, count)
        learned, frozen = eqx.partition(start, student.trainable(start))

        def loss(learned: PyTree) -> Any:
            outputs = student.noisy_outputs(eqx.combine(learned, frozen), x, key)
            return jnp.sum((outputs - teacher.targets(x)) ** 2)

        return learned, jax.grad(loss)(learned)

    arguments = student, teacher, _samples(count), _key()
    learned, gradient = _trace("student", "gradient of outputs", gradient_of, *arguments)
    foreign: list[Any] = []

    def begin(optimizer: AbstractOptimizer, learned: PyTree) -> Any:
        state = optimizer.transformation(steps).init(learned)
        foreign[:] = [leaf for leaf in jax.tree.leaves(state) if not _is_array(leaf)]
        return state

    def update(
        optimizer: AbstractOptimizer, learned: PyTree, gradient: PyTree, state: Any
    ) -> tuple[PyTree, Any, PyTree]:
        rule = optimizer.transformation(steps)
        updates, after = rule.update(gradient, state, learned)
        return updates, after, eqx.apply_updates(learned, updates)

    method = "transformation(steps)"
    state = _trace("optimizer", method, begin, optimizer, learned)
    if foreign:
        text, advice = f"a {type(foreign[0]).__name__}", "make it one, such as jnp.zeros((), int)"
        expected = "a state that is made of arrays"
        raise fail("optimizer", expected, text, advice, described=True)
    updates, after, new = _trace("optimizer", method, update, optimizer, learned, gradient, state)
    if _shapes(updates) != _shapes(learned) or _types(new) != _types(learned):
        expected = "updates with the shapes of the parameters"
        text = f"{_text(updates)} for {_text(learned)}"
        advice = "return an array like that of the gradient for each"
        raise fail("optimizer", expected, text, advice, described=True)
    if jax.tree.structure(after) != jax.tree.structure(state) or _types(after) != _types(state):
        expected = "a state that keeps its shapes and dtypes over an update"
        text = f"{_text(after)} after {_text(state)}"
        advice = "return a state like that of init()"
        raise fail("optimizer", expected, text, advice, described=True)


def check_observable(observable: Observable, student: AbstractStudent, count: int) -> None:
    """Check that what is measured is an array of real numbers.

    Raises:
        ValueError: it is something else.
    """
    real = jnp.result_type(float)
    number, errors = jax.ShapeDtypeStruct((), real), jax.ShapeDtypeStruct((count,), real)

    def measure(student: AbstractStudent, key: Any, loss: Any, errors: Any) -> Any:
        parameters = student.init_parameters(key, count)
        network = Network(parameters, errors, loss, student, None, loss, loss)
        return observable.measure(network)

    name = f"observable {observable.name}"
    measured = _trace(name, "measure", measure, student, _key(), number, errors)
    if not _is_real(measured):
        advice = "return one array of real numbers, NaN where there is nothing to measure"
        raise fail(name, "a real array from measure()", _text(measured), advice, described=True)


def _trace(name: str, method: str, call: Callable[..., Any], *arguments: Any) -> Any:
    """Shapes and dtypes of what a method returns.

    Raises:
        ValueError: it raises, returns what no compiled program can, or computes something else
            when it is called again.
    """
    method = method if " " in method or method.endswith(")") else f"{method}()"
    try:
        # Each of its own function: JAX would remember the first.
        traced, shapes = jax.make_jaxpr(lambda *a: call(*a), return_shape=True)(*arguments)
        again = jax.make_jaxpr(lambda *a: call(*a))(*arguments)
    except Exception as error:  # whatever a foreign class raises
        reason = next(iter(str(error).splitlines()), "")
        expected, text = f"{method} that can be traced", f"{type(error).__name__}: {reason}"
        raise fail(name, expected, text, _TRACEABLE, described=True) from error
    if digest_of(traced) != digest_of(again):
        expected, text = f"{method} to compute the same at every call", "something else at the next"
        raise fail(name, expected, text, _REPEATABLE, described=True)
    return shapes


def _check_rows(name: str, method: str, result: Any, count: int) -> None:
    samples = _sample_count(count)
    _check_array(name, f"{method}() of {samples} samples", result, (samples, count), _ROWS)


def _check_array(name: str, what: str, result: Any, shape: tuple[int, ...], advice: str) -> None:
    """Check that it is an array of this shape, of the dtype that is computed with."""
    real = jnp.result_type(float)
    if not isinstance(result, jax.ShapeDtypeStruct) or result.shape != shape:
        expected = f"{what} to have the shape {shape}"
        raise fail(name, expected, _text(result), advice, described=True)
    if result.dtype != real:
        expected, do = f"{what} to be {real}", f"return numbers of jnp.result_type(float), {real}"
        raise fail(name, expected, f"numbers of {result.dtype}", do, described=True)


def _key() -> Any:
    return jax.eval_shape(lambda: jax.random.key(0))


def _sample_count(count: int) -> int:
    """Samples that are asked about: more than one, and not as many as there are features."""
    return 3 if count != 3 else 4


def _samples(count: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((_sample_count(count), count), jnp.result_type(float))


def _learned(student: AbstractStudent, parameters: PyTree) -> PyTree:
    return eqx.partition(parameters, student.trainable(parameters))[0]


def _is_array(leaf: object) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic)


def _is_floating(leaf: Any) -> bool:
    return bool(jnp.issubdtype(leaf.dtype, jnp.floating))


def _is_real(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    kinds = jnp.floating, jnp.integer, jnp.bool_
    return dtype is not None and any(jnp.issubdtype(dtype, kind) for kind in kinds)


def _shapes(tree: PyTree) -> list[tuple[int, ...]]:
    return [leaf.shape for leaf in jax.tree.leaves(tree)]


def _types(tree: PyTree) -> list[tuple[tuple[int, ...], Any]]:
    return [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)]


def _text(tree: PyTree) -> str:
    """What was returned, for people."""
    if isinstance(tree, jax.ShapeDtypeStruct):
        real = _is_real(tree)
        return f"a shape {tree.shape}" if real else f"{tree.dtype} of a shape {tree.shape}"
    leaves = jax.tree.leaves(tree)
    if isinstance(tree, eqx.Module) or len(leaves) > 0:
        return ", ".join(f"{leaf.dtype}{list(leaf.shape)}" for leaf in leaves)
    return type(tree).__name__
