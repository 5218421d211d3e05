"""What a store's numbers depend on beside its configuration: how updates were computed."""

import hashlib
import re
from typing import Any

import jax
import numpy as np

from jaxsup.experiment.tables import is_outside
from jaxsup.sweep.keys import seed_keys
from jaxsup.sweep.programs import Program
from jaxsup.training.evaluation import evaluation_blocks
from jaxsup.training.state import advance, observe, start


def program_identity(program: Program) -> dict[str, Any]:
    """The update of a program with its sizes, and what its own classes compute.

    Part of the store's fingerprint: a threshold that is tuned, or a class that is edited between
    two calls, cannot mix two samplings or two networks in one store.
    """
    experiment, update = program.first, program.update
    _, drawn = evaluation_blocks(experiment)
    identity: dict[str, Any] = {"training": update.identity(experiment.batch_size)}
    identity["evaluation"] = update.evaluation or update.identity(drawn)
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
        digest.update(np.asarray(constant).tobytes())
    return digest.hexdigest()
