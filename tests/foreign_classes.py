"""A law and a teacher from outside of the package, each method a function that a test gives."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

import jaxsup

COUNT = 6


class Law(jaxsup.AbstractFeatures):
    """A law that a function of (key, batch, p) draws, with the moments that another gives."""

    count: int = eqx.field(static=True, default=COUNT)
    draw: Callable[..., Any] = eqx.field(
        static=True, default=lambda key, batch, p: p * jax.random.normal(key, (batch, COUNT))
    )
    known: Callable[[], Any] = eqx.field(static=True, default=lambda: None)
    p: float = 0.5

    def sample_batch(self, key, batch):
        return self.draw(key, batch, self.p)

    def moments(self):
        return self.known()


class Teacher(jaxsup.AbstractTeacher):
    """Targets and a matrix that functions give."""

    function: Callable[..., Any] = eqx.field(static=True, default=lambda x: 2 * x)
    matrix: Callable[[int], Any] = eqx.field(static=True, default=lambda count: None)

    def targets(self, x):
        return self.function(x)

    def matrix_for(self, count):
        return self.matrix(count)
