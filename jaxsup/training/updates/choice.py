"""The one choice: which update trains an experiment, and why not the others."""

from jaxsup._internal.validation import fail
from jaxsup.experiment.experiment import Experiment
from jaxsup.training.updates.base import AbstractUpdate
from jaxsup.training.updates.dense import Dense
from jaxsup.training.updates.finite import FiniteSet
from jaxsup.training.updates.gathered import Gathered
from jaxsup.training.updates.listed import Listed
from jaxsup.training.updates.population import Population, TiedClosedForm

UPDATES: tuple[type[AbstractUpdate], ...] = (
    TiedClosedForm,
    Population,
    FiniteSet,
    Gathered,
    Listed,
    Dense,
)
"""All updates, the fastest first: an experiment is trained by the first that can."""


def choose_update(experiment: Experiment) -> AbstractUpdate:
    """The update that trains an experiment: the first of `UPDATES` that is exact for it.

    Arguments:
        experiment: what is trained, its numbers known. Where the feature law is traced (``jit`` or
            ``vmap`` over its numbers by hand), how much is active is not known, and samples are
            drawn densely: choose outside, and hand the update to `jaxsup.simulate`.

    Returns:
        A static value; ``describe()`` says what it does, `explain_update` why.

    Raises:
        ValueError: sparse samples were asked for and do not suit.

    >>> import jaxsup
    >>> experiment = jaxsup.Experiment(
    ...     jaxsup.PowerLawFeatures(256, 1.5), jaxsup.DiagonalTeacher(0.0), jaxsup.Student(64),
    ...     jaxsup.SGD(0.5))
    >>> choose_update(experiment).kind
    'gathered'
    """
    for kind in UPDATES:
        if kind.unsuitable(experiment) is None:
            update = kind.plan(experiment)
            break
    else:
        # Experiment accepts no exact gradients without a closed form, so that Dense is left.
        raise AssertionError("no update for this experiment")
    if experiment.sampling == "sparse" and isinstance(update, Dense | FiniteSet):
        reason = Listed.unsuitable(experiment)
        text = f"an experiment that does not suit it: {reason}"
        raise fail("sampling", "'auto' or 'dense'", text, "leave it out", described=True)
    return update


def explain_update(experiment: Experiment) -> dict[str, str]:
    """Every update by name, with why it cannot train the experiment; "" where it can.

    >>> import jaxsup
    >>> experiment = jaxsup.Experiment(
    ...     jaxsup.PowerLawFeatures(64, 1.5), jaxsup.DiagonalTeacher(0.0), jaxsup.Student(16),
    ...     jaxsup.SGD(0.5))
    >>> explain_update(experiment)["gathered"]
    'fewer than 128 features'
    """
    return {kind.kind: kind.unsuitable(experiment) or "" for kind in UPDATES}
