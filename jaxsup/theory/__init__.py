"""Closed forms: learning curves of linear students, losses of ReLU autoencoders.

Loss curves are 1/2 E sum_i (yhat_i - y_i)^2 under full-batch (population) gradient descent; the
``one_sparse_*`` losses carry no 1/2. ``W`` is [latent, features]. Arguments are array-likes,
results have their floating dtype, and everything works under ``jit``, ``vmap`` and ``grad``. Wrong
shapes and, where they are concrete, wrong values raise ValueError. These arguments mean the same
everywhere:

- ``second_moment``: C = E[x x^T] [features, features], symmetric, positive semi-definite and *not*
  centered; or its diagonal [features], where C is diagonal.
- ``teacher``: A [outputs, features], the target being y = A x.
- ``learning_rate``: eta >= 0, a scalar; discrete dynamics converge while eta times a rate is < 2.
- ``steps``: numbers of updates t >= 0, of any shape; the curve has the same shape.
- ``start``: the weights at t = 0, by default zero.
- ``dynamics``: "discrete", a mode's gap shrinking by (1 - x)^t with x = eta times its rate; or
  "flow", its limit for small x, exp(-x t).

An output bias that starts at zero stays there when the features have zero mean, so the curves hold
with one too; for other features `linear.augment_with_bias` makes it part of
`linear.full_loss_curve`.

`loss_curve` takes an experiment and chooses among the special cases. Those are in the modules:
`linear.full_loss_curve`, `linear.diagonal_loss_curve`, `bottleneck.bottleneck_loss_curve` and
`bottleneck.bottleneck_floor`, `asymptotics.asymptotic_amplitude`, `one_sparse.one_sparse_errors`
and `one_sparse_errors_from_gram`, `two_features.two_feature_losses`.

Sources: [1] Chen, Chen, Liu, Gore, arXiv:2602.01045. [2] Chen, Lau, Mendel, Wei, Murfet,
arXiv:2310.06301. Docstrings that name neither contain their derivation.
"""

from jaxsup.theory.asymptotics import training_exponent as training_exponent
from jaxsup.theory.experiment import loss_curve as loss_curve
from jaxsup.theory.one_sparse import one_sparse_loss as one_sparse_loss

__all__ = [
    "loss_curve",
    "one_sparse_loss",
    "training_exponent",
]
