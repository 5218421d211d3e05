"""What a store's numbers depend on beside its configuration: how updates were computed."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from jaxsup.experiment.tables import is_outside
from jaxsup.sweep.keys import seed_keys
from jaxsup.sweep.programs import Program
from jaxsup.training.evaluation import evaluation_blocks
from jaxsup.training.state import advance, observe, start

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
    return identity


def trace_digest(program: Program) -> str:
    """SHA-256 of what one replica computes: its start, an update, and what is recorded.

    Classes from outside of the package, and transformations of optax, have no version: what they
    trace to stands for them. Another version of JAX may trace the same class differently.
    """
    experiment, update = program.first, program.update

    def replica(key: jax.Array) -> Any:
        state = advance(experiment, update, key, start(experiment, key), 0, 1)
        return state, observe(experiment, update, key, state)

    traced = jax.make_jaxpr(replica)(seed_keys(np.arange(1))[0])
    # Functions are printed with the address that they have in this process.
    text = re.sub(r" at 0x[0-9a-f]+", "", str(traced))
    digest = hashlib.sha256(text.encode())
    for constant in traced.consts:
        digest.update(_numbers_of(constant).tobytes())
    for constant in _inner_constants(traced.jaxpr):
        numbers = _numbers_of(constant)
        digest.update(f"{numbers.dtype}{numbers.shape}".encode() + numbers.tobytes())
    return digest.hexdigest()


def _numbers_of(constant: Any) -> np.ndarray:
    """The numbers of a constant, which may be a key of random numbers."""
    if jax.numpy.issubdtype(constant.dtype, jax.dtypes.prng_key):
        constant = jax.random.key_data(constant)
    return np.asarray(constant)


def _inner_constants(jaxpr: Jaxpr) -> Iterator[Any]:
    """Arrays in functions that a program calls, as `jax.jit` leaves them: they are not printed."""
    for equation in jaxpr.eqns:
        for operand in equation.invars:
            if isinstance(operand, Literal) and np.ndim(operand.val):
                yield operand.val
        # Parameters hold functions alone, in lists (branches), and in tuples.
        leaves = jax.tree.leaves(
            equation.params, is_leaf=lambda leaf: isinstance(leaf, ClosedJaxpr | Jaxpr)
        )
        for leaf in leaves:
            if isinstance(leaf, ClosedJaxpr):
                yield from leaf.consts
                yield from _inner_constants(leaf.jaxpr)
            elif isinstance(leaf, Jaxpr):
                yield from _inner_constants(leaf)
