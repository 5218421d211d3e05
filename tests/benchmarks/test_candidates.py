"""Candidates for the place of kernels: their numbers, and that a wrong one is told."""

import time

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from update_cases import assert_same_gradient

import jaxsup
from benchmarks.accelerator import candidates, contest
from benchmarks.accelerator.chunked import Chunks, chunked_gradient
from benchmarks.accelerator.contest import Candidate
from benchmarks.accelerator.stages import Surroundings
from jaxsup.training.state import start
from jaxsup.training.updates import choose_update


def experiment(count: int, latent: int, batch: int) -> jaxsup.Experiment:
    return jaxsup.Experiment(
        jaxsup.PowerLawFeatures(count, 1.2),
        jaxsup.DiagonalTeacher(0.3),
        jaxsup.Student(latent, core_scale=0.3, bias_scale=0.2),
        jaxsup.SGD(0.1),
        batch_size=batch,
    )


@pytest.mark.slow
@pytest.mark.parametrize("chunks", [Chunks(32, 16, 1, False), Chunks(16, 32, 1, True)])
def test_the_chunked_kernel_gives_the_gradient_of_the_other_updates(chunks):
    """Several chunks, several tiles, and no side a power of two."""
    case = experiment(70, 20, 45)
    update = choose_update(case)
    tables = update.prepare(case, 45)

    @jax.jit
    def gradients(key):
        parameters = start(case, key).parameters
        learned, frozen = eqx.partition(parameters, case.student.trainable(parameters))
        arguments = case, tables, learned, frozen, key
        return update.gradient(*arguments), chunked_gradient(chunks, *arguments, interpret=True)

    expected, ours = gradients(jax.random.key(1))
    assert_same_gradient(ours, expected)


def test_candidates_that_are_wrong_or_refused_are_told(tmp_path):
    case, devices = experiment(48, 12, 20), jax.local_devices()[:1]
    update = choose_update(case)

    def wrong(*arguments):
        return jax.tree.map(lambda slope: 1.01 * slope, update.gradient(*arguments))

    def refused(*arguments):
        raise NotImplementedError("no such kernel")

    surroundings = Surroundings(tmp_path, True, devices, time.monotonic() + 60)
    named = [Candidate("right", update.gradient), Candidate("wrong", wrong)]
    found = list(contest.compared(surroundings, case, 2, [*named, Candidate("refused", refused)]))
    holds = {finding.name.split(": ", 1)[1]: finding.holds for finding in found}
    assert holds["right: steps"] is True
    assert holds["wrong: steps"] is False
    assert found[-1].note == "refused: NotImplementedError: no such kernel"


def test_constants_are_others_for_a_candidate_alone(tmp_path):
    """Tiles are constants of modules."""
    case, devices = experiment(48, 12, 20), jax.local_devices()[:1]
    update, seen = choose_update(case), []

    def noted(*arguments):
        seen.append(candidates.halves._PRODUCT.rows)
        return update.gradient(*arguments)

    tile = candidates._PRODUCTS[2]
    named = [
        Candidate("other", noted, patches=[(candidates.halves, "_PRODUCT", tile)]),
        Candidate("usual", noted),
    ]
    surroundings = Surroundings(tmp_path, True, devices, time.monotonic() + 60)
    list(contest.compared(surroundings, case, 2, named))
    assert seen == [tile.rows, candidates.halves._PRODUCT.rows]
    assert tile.rows != candidates.halves._PRODUCT.rows


@pytest.mark.parametrize("bounds", [(3, 3), (3, 10), (0, 16), (5, 70)])
def test_a_loop_in_runs_takes_every_turn_in_order(bounds):
    begin = jnp.full(80, -1), jnp.int32(0)

    def note(turn, seen):
        turns, count = seen
        return turns.at[count].set(turn), count + 1

    loop = jax.jit(lambda first, stop: candidates.in_runs(first, stop, note, begin))
    turns, count = loop(*bounds)
    assert turns[: int(count)].tolist() == list(range(*bounds))
