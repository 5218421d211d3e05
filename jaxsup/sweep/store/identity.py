"""What a store's numbers depend on beside its configuration: how updates were computed."""

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.tables import is_outside
from jaxsup.experiment.traces import digest_of
from jaxsup.sweep.keys import seed_keys
from jaxsup.sweep.programs import Program
from jaxsup.training.evaluation import evaluation_blocks
from jaxsup.training.state import advance, observe, start
from jaxsup.training.updates import AbstractUpdate

# Version of what noise in the hidden layer reaches: 1 was in padded dimensions as well.
_NOISE = 2


def identity_of(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What the numbers of a dataset depend on, by name, as its attributes tell.

    Raises:
        KeyError, TypeError, ValueError: they do not tell it.
    """
    updates = json.loads(attributes["update_identities"])
    return {
        **json.loads(attributes["configuration"]),
        "dtype": attributes["dtype"],
        "random numbers": attributes["random_numbers"],
        **({"initial": attributes["initial"]} if "initial" in attributes else {}),
        "updates": {str(number): identity for number, identity in enumerate(updates, 1)},
    }


def fingerprint_of(attributes: Mapping[str, Any]) -> str:
    """SHA-256 of everything that the numbers of a dataset depend on, as its attributes tell.

    That is configuration, seeds, dtype, random numbers, and how updates are computed, but not
    how many programs compute them.

    Raises:
        KeyError, TypeError, ValueError: they do not tell it.
    """
    text = json.dumps(canonical(identity_of(attributes)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(value: Any) -> Any:
    """The same, with every number written as the same text: 1 and 1.0 train the same network.

    >>> canonical({"rate": 1, "seeds": [0, 1], "bias": True})
    {'rate': 1.0, 'seeds': [0.0, 1.0], 'bias': True}
    """
    if isinstance(value, Mapping):
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53:
        return float(value)
    return 0.0 if value == 0 and not isinstance(value, bool) else value  # -0.0 is 0.0


def differences(stored: Any, ours: Any) -> str:
    """Which fields differ between two configurations, and how.

    >>> differences({"optimizer": {"rate": 0.1}, "seeds": 2}, {"optimizer": {"rate": 0.5}})
    'optimizer.rate 0.5 instead of 0.1, seeds absent instead of 2'
    """
    stored_fields, our_fields = dict(_flatten(stored)), dict(_flatten(ours))
    texts = []
    for name in dict.fromkeys([*stored_fields, *our_fields]):
        before, after = stored_fields.get(name, "absent"), our_fields.get(name, "absent")
        if json.dumps(canonical(before)) != json.dumps(canonical(after)):
            texts.append(f"{name} {_short(after)} instead of {_short(before)}")
    return ", ".join(texts)


def _flatten(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and (value or not path):
        for key, item in value.items():
            yield from _flatten(item, f"{path}.{key}" if path else key)
    else:
        yield path, value


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def program_identity(program: Program) -> dict[str, Any]:
    """The update of a program with its sizes, and what its own classes compute.

    Part of the store's fingerprint: a threshold that is tuned, or a class that is edited between
    two calls, cannot mix two samplings or two networks in one store.
    """
    experiment, update = program.first, program.update
    blocks, drawn = evaluation_blocks(experiment)
    identity: dict[str, Any] = {"training": update.identity(experiment.batch_size)}
    sampled = {**update.identity(drawn), "samples": blocks * drawn}
    identity["evaluation"] = update.evaluation or sampled
    if getattr(experiment.student, "hidden_noise", None) is not None:
        identity["noise"] = _NOISE
    if is_outside(experiment):
        identity["trace"] = trace_digest(program)
        # Functions are told by their names alone: which settings have them is told here.
        settings = program.points.astype(np.int64).tobytes()
        identity["settings"] = hashlib.sha256(settings).hexdigest()
    return identity


def first_update(experiment: Experiment, update: AbstractUpdate, key: jax.Array) -> Any:
    """What one replica computes: its start, an update, and what is recorded."""
    state = advance(experiment, update, key, start(experiment, key), 0, 1)
    return state, observe(experiment, update, key, state)


def trace_digest(program: Program) -> str:
    """SHA-256 of what one replica computes.

    Classes from outside of the package, and transformations of optax, have no version: what they
    trace to stands for them.
    """
    experiment, update = program.first, program.update
    replica = functools.partial(first_update, experiment, update)
    return digest_of(jax.make_jaxpr(replica)(seed_keys(np.arange(1))[0]))
