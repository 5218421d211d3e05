"""The observables that a record's names stand for."""

from jaxsup.experiment.observables import Observable
from jaxsup.experiment.record import Record
from jaxsup.training.observables.geometry import GEOMETRY_OBSERVABLES
from jaxsup.training.observables.measures import MEASURE_OBSERVABLES
from jaxsup.training.observables.network import NETWORK_OBSERVABLES
from jaxsup.training.observables.response import RESPONSE_OBSERVABLES

OBSERVABLES: dict[str, Observable] = {
    observable.name: observable
    for observable in (
        *NETWORK_OBSERVABLES,
        *GEOMETRY_OBSERVABLES,
        *MEASURE_OBSERVABLES,
        *RESPONSE_OBSERVABLES,
    )
}
"""The package's own, by name."""


def observables_of(
    record: Record, *, estimated: bool, finite: bool = False
) -> dict[str, Observable]:
    """What is recorded, by name, the loss first.

    Arguments:
        record: what is asked for.
        estimated: whether the loss is: its standard error is then recorded beside it.
        finite: whether there is a training set: its loss is then recorded beside it too.
    """
    user_defined = {item.name: item for item in record.observables if isinstance(item, Observable)}
    beside = [*(["loss_stderr"] if estimated else []), *(["training_loss"] if finite else [])]
    names = [*record.names[:1], *beside, *record.names[1:]]
    return {name: user_defined.get(name) or OBSERVABLES[name] for name in names}
