"""Whether the matrix of a foreign teacher is that of its targets."""

import jax
import numpy as np

from jaxsup._internal.validation import fail, is_traced
from jaxsup.experiment.teachers import AbstractTeacher

_PROBES = 4
# Of sum_j |A_ij x_j|: far above the rounding of any order of sums in float32.
_TOLERANCE = 1e-3


def check_linear_teacher(teacher: AbstractTeacher, count: int) -> None:
    """Check that `targets` is y = A x with the finite A of `matrix_for`: exact losses rely on A.

    Both are computed for x = 0 and a few random x, whose entries are all at work.

    Raises:
        ValueError: they differ.
    """
    x = np.random.default_rng(0).normal(size=(_PROBES, count))
    x = np.concatenate([np.zeros((1, count)), x]).astype(jax.numpy.result_type(float))
    with jax.default_matmul_precision("highest"):
        matrix, targets = teacher.matrix_for(count), teacher.targets(jax.numpy.asarray(x))
    if is_traced((matrix, targets)):
        return
    A, y = np.asarray(matrix, np.float64), np.asarray(targets, np.float64)
    if not np.isfinite(A).all():
        text, advice = f"{int((~np.isfinite(A)).sum()):,} that are not", "remove them"
        raise fail("teacher", "matrix_for() of finite numbers", text, advice, described=True)
    difference, scale = np.abs(y - x @ A.T), np.abs(x) @ np.abs(A).T
    # NaN is no agreement.
    if not np.all(difference <= _TOLERANCE * scale + np.finfo(np.float32).tiny):
        sample, feature = np.argwhere(~(difference <= _TOLERANCE * scale))[0]
        got = f"{y[sample, feature]:.4g} instead of {(x @ A.T)[sample, feature]:.4g}"
        text = f"{got} for feature {feature}{'' if sample else ' at x = 0'}"
        advice = "return A of y = A x, or None where it is not linear"
        raise fail("teacher", "targets() to be matrix_for() times x", text, advice, described=True)
