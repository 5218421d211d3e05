"""What is timed is what trains: as many updates as asked for, in every network."""

import dataclasses

import jax
import numpy as np

from benchmarks.accelerator import profile
from benchmarks.accelerator.ensembles import Ensemble, bottleneck_experiment, small_case


def test_a_timed_segment_trains_every_network():
    experiment = bottleneck_experiment(small_case(small=True))
    ensemble = Ensemble(experiment, 3, jax.local_devices()[:2])
    assert ensemble.networks == 4  # whole devices
    assert ensemble.train(5) > 0
    np.testing.assert_array_equal(ensemble.last_steps, [5] * 4)
    assert ensemble.train(0, due=True) > 0
    np.testing.assert_array_equal(ensemble.last_steps, [5] * 4)


def test_given_samples_are_those_of_the_key():
    """The gradient without draws is the gradient: only what it is timed for is left out."""
    experiment = bottleneck_experiment(small_case(small=True))
    update = profile.choose_update(experiment)
    key = jax.random.key(3)
    tables = update.prepare(experiment, experiment.batch_size)
    drawn = tables.draw(key)
    fields = {f.name: getattr(tables, f.name) for f in dataclasses.fields(type(tables))}
    given = profile.Drawn(**fields, batch_drawn=drawn).draw(jax.random.key(4))
    for ours, theirs in zip(jax.tree.leaves(given), jax.tree.leaves(drawn), strict=True):
        np.testing.assert_array_equal(ours, theirs)
