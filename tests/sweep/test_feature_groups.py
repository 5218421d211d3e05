"""Sweeps over groups and trees of features: the update of every setting, and its numbers."""

import jax
import numpy as np
import pytest
from factories import relu_experiment

import jaxsup
from jaxsup.experiment.features import GroupedFeatures, HierarchicalFeatures
from jaxsup.training.updates import choose_update


def tree(**changes) -> HierarchicalFeatures:
    settings = {"branching": 2, "depth": 1, "trees": 16, **changes}
    return HierarchicalFeatures(0.05, 0.5, **settings)


def test_every_setting_has_the_update_of_its_own_experiment() -> None:
    """Over numbers at which groups and trees are drawn as arrivals, and at which they are not."""
    probabilities, exponents = [0.002, 0.01, 0.05, 0.24], [0.0, 1.0, 3.0]
    laws = [
        *(GroupedFeatures(48, 4, r, 0.01) for r in ("correlated", "anticorrelated")),
        tree(),
    ]
    kinds = set()
    for law in laws:
        base = relu_experiment(jaxsup.Student(8), features=law, batch_size=16)
        axes = {"features.probability": probabilities, "features.exponent": exponents}
        sweep = jaxsup.Sweep(base, axes)
        # Laws are structural axes where settings have different updates.
        assert sweep.structural == (True, True)
        for _, experiment, (update,) in sweep.structures:
            assert update == choose_update(experiment)
            kinds.add(update.kind)
    assert kinds == {"listed", "dense"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("correlated", marks=pytest.mark.extended),
        pytest.param("anticorrelated", marks=pytest.mark.extended),
        "trees",
    ],
)
def test_every_network_of_a_sweep_is_its_own_run(name: str) -> None:
    """Two probabilities in one program; trees over the conditional probability too."""
    law = tree() if name == "trees" else GroupedFeatures(48, 2, name, 0.02, 0.3)
    scanned = "conditional" if name == "trees" else "probability"
    axes = {f"features.{scanned}": [0.018, 0.02]}
    sweep = jaxsup.Sweep(relu_experiment(jaxsup.Student(8), features=law), axes, seeds=2)
    assert sweep.structural == (False,)
    dataset = jaxsup.run(sweep)
    assert "listed" in dataset.attrs["updates"]
    alone = jaxsup.simulate(sweep.experiment_at((1,)), jax.random.key(1))
    np.testing.assert_allclose(dataset.loss.values[1, 1], alone.loss, rtol=5e-5)
    assert (dataset.loss.values[0] != dataset.loss.values[1]).any()


@pytest.mark.extended
def test_relations_share_their_marginals_and_are_told_apart() -> None:
    """A scan of the relation is one axis of names: three programs, three different losses."""
    law = GroupedFeatures(6, 2, "correlated", 0.3)
    base = relu_experiment(jaxsup.Student(3), features=law, steps=20)
    relations = ["correlated", "anticorrelated", "independent"]
    dataset = jaxsup.run(jaxsup.Sweep(base, {"features.relation": relations}))
    assert dataset["features.relation"].values.tolist() == relations
    losses = dataset.loss.isel(seed=0, step=-1).values
    assert len(set(losses.tolist())) == 3
