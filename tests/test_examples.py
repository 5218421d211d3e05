"""Classes from outside of the package (`examples/own_classes.py`): they run as ours do."""

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import commands
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsup
from jaxsup.experiment.tables import experiment_from_table, to_table
from jaxsup.sweep.tables import read_sweep

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def own() -> ModuleType:
    spec = importlib.util.spec_from_file_location("own_classes", EXAMPLES / "own_classes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["own_classes"] = module
    spec.loader.exec_module(module)
    return module


def small(own: ModuleType) -> jaxsup.Sweep:
    return own.GroupsFigure().configure(own.Scale(12, 30, 2))


@pytest.mark.extended
def test_every_network_of_a_sweep_is_its_own_run(own: ModuleType) -> None:
    sweep = small(own)
    dataset = jaxsup.run(sweep)
    assert dataset["group_overlap"].dims == (*(a.name for a in sweep.axes), "seed", "step", "group")
    assert dataset["group_overlap"].sizes["group"] == 4
    for index in np.ndindex(sweep.shape):
        for seed in range(2):
            run = jaxsup.simulate(sweep.experiment_at(index), jax.random.key(seed))
            at = (*index, seed)
            np.testing.assert_allclose(dataset["loss"].values[at], run.loss, rtol=5e-5)
            overlap = run.observables["group_overlap"]
            np.testing.assert_allclose(dataset["group_overlap"].values[at], overlap, atol=1e-5)


@pytest.mark.slow
def test_own_classes_are_stored_resumed_shown_fitted_and_plotted(
    own: ModuleType, tmp_path: Path
) -> None:
    sweep, store = small(own), tmp_path / "store"
    record = dataclasses.replace(sweep.experiment.record, parameter_steps=(30,))
    sweep = jaxsup.Sweep(
        dataclasses.replace(sweep.experiment, record=record), sweep.axis_table(), seeds=2
    )
    whole = jaxsup.run(sweep, store)
    assert whole["skip"].dims[-2:] == ("kept_step", "skip_0")
    before = whole.load()
    damaged = sorted(path for path in store.glob("loss/c/**/*") if path.is_file())[0]
    damaged.write_bytes(b"nothing")
    after = jaxsup.run(sweep, store, resume=True)
    for name in before:
        assert before[name].values.tobytes() == after[name].values.tobytes(), name
    table = jaxsup.measure_exponents(after)
    assert table["theory"].isnull().all()

    def command(*words: str) -> str:
        done = commands.jaxsup(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    shown = " ".join(command("info", str(store)).split())
    assert "dense samples, the loss differentiated by JAX" in shown
    assert "GroupedFeatures" in shown
    rows = json.loads(command("fit", str(store), "--json"))
    assert len(json.dumps(rows)) > 100
    command("plot", str(store), "--out", str(tmp_path / "plot.png"))
    assert (tmp_path / "plot.png").stat().st_size > 1000


class Louder(jaxsup.Observable):
    """The loss, times a number that the fields do not show."""

    name: str = eqx.field(static=True, default="louder")
    dims: tuple[str, ...] = eqx.field(static=True, default=())
    long_name: str = eqx.field(static=True, default="louder loss")
    units: str = eqx.field(static=True, default="1")

    def measure(self, network: jaxsup.Network) -> jax.Array:
        return FACTOR * network.loss


FACTOR = 2.0


def test_a_class_that_was_edited_does_not_go_on_in_the_same_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = jaxsup.Record(points=2, observables=(Louder(),), evaluation_samples=8)
    sweep = jaxsup.Sweep(
        jaxsup.Experiment(
            jaxsup.PowerLawFeatures(6, 1.0),
            jaxsup.DiagonalTeacher(0.0),
            jaxsup.Student(3),
            jaxsup.SGD(0.1),
            steps=2,
            record=record,
        )
    )
    jaxsup.run(sweep, tmp_path / "store")
    jaxsup.run(sweep, tmp_path / "store", resume=True)
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 3.0)
    with pytest.raises(ValueError, match=r"store: expected "):
        jaxsup.run(sweep, tmp_path / "store", resume=True)


@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_a_transformation_of_optax_is_an_optimizer(rate: float, tmp_path: Path) -> None:
    """Lion by optax trains as written out: signs of an interpolated gradient."""

    def sweep(rate: float) -> jaxsup.Sweep:
        experiment = jaxsup.Experiment(
            jaxsup.GaussianFeatures(6, 1.0),
            jaxsup.DiagonalTeacher(0.0),
            jaxsup.Student(6, "identity", core_scale=0.0, activation="identity", bias=False),
            optax.lion(rate, weight_decay=0.0),
            steps=1,
            gradient="exact",
            record=jaxsup.Record(points=2, parameter_steps=(1,)),
        )
        return jaxsup.Sweep(experiment)

    dataset = jaxsup.run(sweep(rate), tmp_path / "store")
    core = dataset["core"].values[0, 0]
    np.testing.assert_allclose(np.diag(core), rate, rtol=1e-6)
    with pytest.raises(ValueError, match=r"store: expected "):
        jaxsup.run(sweep(2 * rate), tmp_path / "store", resume=True)


def test_a_file_may_name_classes_and_a_dataset_may_not(own: ModuleType, tmp_path: Path) -> None:
    experiment = small(own).experiment
    table = to_table(experiment)
    assert table["features"]["kind"] == "own_classes:GroupedFeatures"
    assert table["record"]["observables"][1]["kind"] == "own_classes:GroupOverlap"
    again = experiment_from_table(json.loads(json.dumps(table)), imports=True)
    assert again == experiment
    with pytest.raises(ValueError, match=r"features.kind: expected a class of the package; got"):
        experiment_from_table(table)
    for kind, match in (
        ("nowhere_at_all:Law", "a class that can be imported; got 'nowhere_at_all:Law'; put the"),
        ("own_classes:Path", "a configuration class; got 'own_classes:Path'; subclass one"),
    ):
        wrong = {**table, "features": {**table["features"], "kind": kind}}
        with pytest.raises(ValueError, match=match):
            experiment_from_table(wrong, imports=True)
    text = (EXAMPLES / "transition.toml").read_text()
    file = tmp_path / "own.toml"
    file.write_text(
        text.replace('kind = "power-law"', 'kind = "own_classes:GroupedFeatures"')
        .replace("exponent = 1.1 ", "size = 4\nprobability = 0.1 #")
        .replace("density =", "#")
        .replace('values = "uniform"', "#")
        .replace('"features.exponent"', '"features.probability"')
        .replace("[1.1, 1.5, 1.5, 2.0, 2.0]", "[0.1, 0.2, 0.3, 0.4, 0.5]")
    )
    assert isinstance(read_sweep(file).experiment.features, own.GroupedFeatures)


def test_an_observable_that_says_other_dimensions_is_told() -> None:
    class Flat(Louder):
        dims: tuple[str, ...] = eqx.field(static=True, default=("feature",))

    record = jaxsup.Record(points=2, observables=(Flat(),), evaluation_samples=8)
    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(6, 1.0),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(3),
        jaxsup.SGD(0.1),
        steps=2,
        record=record,
    )
    with pytest.raises(ValueError, match=r"observable louder: expected 1 dimensions.*shape \(\)"):
        jaxsup.run(jaxsup.Sweep(experiment))


def test_observables_hold_no_arrays_and_have_free_names() -> None:
    class Weighted(Louder):
        weights: jax.Array = eqx.field(default_factory=lambda: jnp.ones(3))

    class Loss(Louder):
        name: str = eqx.field(static=True, default="loss")

    refusal = pytest.raises(ValueError, match=r"record.observables: .*fields are numbers, names")
    with pytest.warns(UserWarning, match="set as static"), refusal:
        jaxsup.Record(observables=(Weighted(),))
    with pytest.raises(ValueError, match=r"record.observables: expected a name that is free"):
        jaxsup.Record(observables=(Loss(),))
    with pytest.raises(ValueError, match=r"record.observables: expected different names"):
        jaxsup.Record(observables=(Louder(), Louder()))


@pytest.mark.slow
def test_the_figure_of_ones_own_is_reproduced(own: ModuleType, tmp_path: Path) -> None:
    own.main(tmp_path / "groups")
    assert {path.name for path in (tmp_path / "groups").iterdir()} == {
        "dataset.zarr",
        "groups.json",
        "groups.png",
        "groups.txt",
    }
