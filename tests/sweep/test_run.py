"""Sweeps: labels, and equality with one run at a time whatever the layout.

Replicas of one sweep laid out otherwise (chunks, devices, padding, order of axes) differ by float32
rounding, amplified over a few steps: the first record, before any update, must agree to 2e-6 and
all of them to 5e-5. An error of a wrong key, row or mask is of order 1.
"""

import dataclasses
import json
import os
from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr

import jaxsup
from jaxsup.experiment.record import Record
from jaxsup.sweep.programs import choose_widths, plan_programs
from jaxsup.sweep.store.read import open_store
from jaxsup.sweep.tables import sweep_from_tables, sweep_to_tables

FIRST, LATER = 2e-6, 5e-5


def relu() -> jaxsup.Experiment:
    return jaxsup.Experiment(
        jaxsup.PowerLawFeatures(8, 1.1, 2.0),
        jaxsup.DiagonalTeacher(0.5),
        jaxsup.Student(3, core_scale=0.3),
        jaxsup.SGD(0.2),
        batch_size=8,
        steps=8,
        record=Record(points=4, evaluation_samples=32),
    )


def linear(student: jaxsup.Student | None = None, **changes: Any) -> jaxsup.Experiment:
    """Cheap to compile: the population loss of a linear student."""
    student = student or jaxsup.Student(3, core_scale=0.3)
    settings: dict[str, Any] = {
        "features": jaxsup.GaussianFeatures(8, 1.1),
        "teacher": jaxsup.DiagonalTeacher(0.5),
        "student": dataclasses.replace(student, activation="identity"),
        "optimizer": jaxsup.SGD(0.2),
        "steps": 8,
        "gradient": "exact",
        "record": Record(points=4),
    }
    return jaxsup.Experiment(**{**settings, **changes})


def run(sweep: jaxsup.Sweep, **options: Any) -> xr.Dataset:
    """On one device, which compiles fastest."""
    return jaxsup.run(sweep, **{"devices": jax.local_devices()[:1], **options})


AXES = {
    "features.exponent": [1.1, 2.0],
    "student.latent": [2, 3, 5],
    "optimizer.learning_rate": [0.1, 0.5],
}
SEEDS = 3


def assert_close(got: xr.Dataset | xr.DataArray, expected: xr.Dataset | xr.DataArray) -> None:
    def loss(data):
        return data["loss"] if isinstance(data, xr.Dataset) else data

    one, other = (loss(data) for data in (got, expected))
    assert one.dims == other.dims
    assert one.shape == other.shape
    assert not np.isnan(other.values).any()
    np.testing.assert_allclose(one[..., 0], other[..., 0], rtol=FIRST)
    np.testing.assert_allclose(one, other, rtol=LATER)


def looped(sweep: jaxsup.Sweep) -> np.ndarray:
    losses = [
        [
            np.asarray(jaxsup.simulate(sweep.experiment_at(index), jax.random.key(seed)).loss)
            for seed in sweep.seeds
        ]
        for index in np.ndindex(sweep.shape)
    ]
    return np.asarray(losses).reshape(*sweep.shape, len(sweep.seeds), -1)


@pytest.fixture(scope="module")
def reference() -> xr.Dataset:
    return jaxsup.run(jaxsup.Sweep(relu(), AXES, SEEDS), widths=1)


def test_dataset_is_labelled(reference):
    assert reference["loss"].dims == (*AXES, "seed", "step")
    assert reference["loss"].shape == (2, 3, 2, 3, 4)
    assert reference["status"].dims == (*AXES, "seed")
    for name, values in AXES.items():
        np.testing.assert_array_equal(reference[name], values)
        assert reference[name].attrs["long_name"]
    np.testing.assert_array_equal(reference["seed"], [0, 1, 2])
    np.testing.assert_array_equal(reference["step"], [0, 1, 3, 8])
    assert reference["step"].attrs["units"] == "updates"
    assert reference["loss"].attrs.keys() >= {"long_name", "units"}
    ratio = reference["superposition_ratio"]
    assert ratio.dims == ("student.latent",)
    np.testing.assert_allclose(ratio, 8 / np.array([2, 3, 5]))
    assert (reference["status"] == 0).all()
    assert (reference["last_step"] == 8).all()
    attrs = reference.attrs
    assert attrs["precision"] == "float32"
    assert attrs["jaxsup_version"] == jaxsup.__version__
    assert attrs["jax_version"] == jax.__version__
    assert attrs["platform"] == jax.default_backend()
    assert attrs["replicas"] == 36
    assert attrs["seconds"] > 0
    assert attrs["loss_evaluation"] == "32 samples a seed"


def test_every_replica_is_its_own_simulation(reference):
    expected = looped(jaxsup.Sweep(relu(), AXES, SEEDS))
    assert_close(reference["loss"], reference["loss"].copy(data=expected))
    losses = reference["loss"].values[..., -1]
    assert np.unique(losses).size == losses.size


@pytest.mark.parametrize("order", [(2, 0, 1), (1, 2, 0)])
def test_any_order_of_axes(reference, order):
    names = list(AXES)
    axes = {names[i]: AXES[names[i]] for i in order}
    dataset = run(jaxsup.Sweep(relu(), axes, SEEDS), widths=1)
    assert dataset["loss"].dims[:3] == tuple(axes)
    assert_close(dataset["loss"].transpose(*reference["loss"].dims), reference)


@pytest.mark.parametrize("chunk", [1, 7])
def test_any_chunk(reference, chunk):
    assert_close(run(jaxsup.Sweep(relu(), AXES, SEEDS), widths=1, chunk=chunk), reference)


@pytest.mark.parametrize("widths", [1, 2, 4])
def test_any_number_of_padded_widths(widths):
    sweep = jaxsup.Sweep(linear(), {"student.latent": [2, 3, 5], "teacher.exponent": [0.0, 1.0]})
    assert len(plan_programs(sweep, widths)) == min(widths, 3)
    dataset = run(sweep, widths=widths)
    assert_close(dataset["loss"], dataset["loss"].copy(data=looped(sweep)))


@pytest.mark.parametrize("count", [1, 2])
def test_any_number_of_devices(reference, count):
    devices = jax.local_devices()
    if len(devices) < 4:
        pytest.skip("needs 4 devices")
    assert reference.attrs["device_count"] == len(devices)
    dataset = run(jaxsup.Sweep(relu(), AXES, SEEDS), widths=1, devices=devices[:count])
    assert dataset.attrs["device_count"] == count
    assert_close(dataset, reference)


def test_seeds_are_shared_out_where_there_are_few_points():
    """More devices than points: the seeds, 6 over 4 devices, go to the devices instead."""
    sweep = jaxsup.Sweep(linear(), {"teacher.exponent": [0.0, 0.5, 1.0]}, seeds=6)
    dataset = jaxsup.run(sweep)
    assert_close(dataset["loss"], dataset["loss"].copy(data=looped(sweep)))


def test_a_second_run_gives_the_same_bits(reference):
    again = jaxsup.run(jaxsup.Sweep(relu(), AXES, SEEDS), widths=1)
    xr.testing.assert_equal(again, reference)


PADDED = {
    "frozen": (jaxsup.Student(3, core_scale=0.3, bias_scale=0.1), jaxsup.SGD(0.2, 0.5)),
    "learned": (
        jaxsup.Student(3, "learned", core_scale=0.3),
        jaxsup.AdamW(0.01, weight_decay=0.3, eps=1e-3),
    ),
    "untied": (
        jaxsup.Student(3, "untied", core=False, embedding_scale=0.2),
        jaxsup.Adam(0.01, eps=1e-3),
    ),
}


@pytest.mark.parametrize("case", PADDED)
def test_padded_widths_equal_exact_ones(case):
    student, optimizer = PADDED[case]
    record = Record(points=4, parameter_steps=(8,), observables=("embedding_norm",))
    base = linear(student, optimizer=optimizer, record=record)
    sweep = jaxsup.Sweep(base, {"student.latent": [2, 4]}, seeds=2)
    assert [program.width for program in plan_programs(sweep, 1)] == [4]
    dataset = run(sweep, widths=1)
    assert_close(dataset["loss"], dataset["loss"].copy(data=looped(sweep)))
    narrow = dataset.isel({"student.latent": 0, "kept_step": 0})
    # What pads stays exactly zero through training and weight decay.
    for name in {"embedding", "readout", "core"} & set(dataset):
        rows = narrow[name].transpose("latent", ...).values
        assert not rows[2:].any()
        assert rows[:2].any()


def test_joint_axes_change_fields_together():
    setting = {"features.exponent": [1.1, 1.5, 2.0], "teacher.exponent": [0.0, 0.5, 1.0]}
    axes = {"setting": setting, "optimizer.learning_rate": [0.1, 0.3]}
    sweep = jaxsup.Sweep(linear(), axes, seeds=[3, 11])
    dataset = run(sweep)
    assert dataset["loss"].dims == ("setting", "optimizer.learning_rate", "seed", "step")
    for field, values in setting.items():
        assert dataset[field].dims == ("setting",)
        np.testing.assert_array_equal(dataset[field], values)
    np.testing.assert_array_equal(dataset["seed"], [3, 11])
    assert_close(dataset["loss"], dataset["loss"].copy(data=looped(sweep)))


def test_embeddings_and_widths_on_one_joint_axis():
    joint = {"student.embedding": ["random", "identity"], "student.latent": [2, 8]}
    sweep = jaxsup.Sweep(linear(), {"crowding": joint}, seeds=2)
    dataset = run(sweep)
    np.testing.assert_array_equal(dataset["superposition_ratio"], [4, 1])
    assert dataset["student.embedding"].values.tolist() == joint["student.embedding"]
    assert_close(dataset["loss"], dataset["loss"].copy(data=looped(sweep)))


def test_objects_are_axes():
    optimizers = [jaxsup.SGD(0.2), jaxsup.Adam(0.01, eps=1e-3)]
    sweep = jaxsup.Sweep(linear(), {"optimizer": optimizers, "teacher.exponent": [0, 0.5]})
    dataset = run(sweep)
    assert_close(dataset["loss"], dataset["loss"].copy(data=looped(sweep)))
    kinds = [json.loads(str(label))["kind"] for label in dataset["optimizer"].values]
    assert kinds == ["sgd", "adam"]


def test_students_as_an_axis_have_their_own_ratio():
    students = [linear(jaxsup.Student(k)).student for k in (2, 4)]
    dataset = run(jaxsup.Sweep(linear(), {"student": students}))
    ratio = dataset.coords.get("superposition_ratio")
    if ratio is not None:  # to leave it out would be right too
        np.testing.assert_array_equal(np.broadcast_to(ratio.values, 2), [4, 2])


def test_whole_numbers_are_numbers():
    axes = {
        "features.variance": [1, 2],
        "teacher.exponent": [0, 1],
        "optimizer.learning_rate": [0, 1],
    }
    sweep = jaxsup.Sweep(linear(), axes)
    dataset = run(sweep)
    assert_close(dataset["loss"], dataset["loss"].copy(data=looped(sweep)))


def test_steps_are_an_axis_and_progress_counts_every_update():
    reports: list[Any] = []
    sweep = jaxsup.Sweep(linear(record=Record(points=3)), {"steps": [4, 9]}, seeds=2)
    dataset = run(sweep, chunk=1, progress=reports.append)
    steps = [sweep.experiment_at((row,)).recorded_steps for row in (0, 1)]
    np.testing.assert_array_equal(dataset["step"], np.union1d(*steps))
    for row, count in enumerate((4, 9)):
        alone = jaxsup.simulate(sweep.experiment_at((row,)), jax.random.key(1))
        line = dataset["loss"].sel(steps=count, seed=1)
        np.testing.assert_allclose(line.sel(step=steps[row]), alone.loss, rtol=LATER)
        others = np.setdiff1d(dataset["step"], steps[row])
        assert np.isnan(line.sel(step=others)).all()
    assert dataset["last_step"].values.tolist() == [[4, 4], [9, 9]]
    for field in ("replicas_done", "network_steps_done", "diverged", "seconds"):
        column = [getattr(report, field) for report in reports]
        assert column == sorted(column)
    assert {(report.replicas, report.network_steps) for report in reports} == {(4, 2 * 4 + 2 * 9)}
    assert (reports[0].replicas_done, reports[0].network_steps_done) == (0, 0)
    assert (reports[-1].replicas_done, reports[-1].network_steps_done) == (4, 26)
    assert [r.replicas_done for r in reports if r.network_steps_done == 8][-1] == 2
    assert reports[-1].diverged == 0


def test_feature_counts_are_an_axis():
    record = Record(points=3, observables=("feature_error",), parameter_steps=(8,))
    sweep = jaxsup.Sweep(linear(record=record), {"features.count": [6, 8]})
    dataset = run(sweep)
    assert_close(dataset["loss"], dataset["loss"].copy(data=looped(sweep)))
    np.testing.assert_allclose(dataset["superposition_ratio"], [2, 8 / 3])
    errors = dataset["feature_error"].isel(seed=0, step=-1)
    assert errors.sizes["feature"] == 8
    assert np.isnan(errors[0, 6:]).all()
    alone = jaxsup.simulate(sweep.experiment_at((0,)), jax.random.key(0))
    np.testing.assert_allclose(errors[0, :6], alone.observables["feature_error"][-1], rtol=LATER)
    kept = dataset["embedding"].isel({"features.count": 0, "seed": 0, "kept_step": 0})
    np.testing.assert_allclose(kept[:, :6], alone.params.embedding, rtol=FIRST)
    assert np.isnan(kept[:, 6:]).all()


@pytest.mark.parametrize("name", ["gradient", "importance"])
def test_any_field_of_the_experiment_is_an_axis(name):
    values: dict[str, list[Any]] = {
        "gradient": ["exact", "sampled"],
        "importance": [0.5, 1.0],
    }
    sweep = jaxsup.Sweep(linear(), {name: values[name]})
    dataset = run(sweep)
    assert dataset["loss"].shape[:2] == (2, 1)
    for row in (0, 1):
        alone = jaxsup.simulate(sweep.experiment_at((row,)), jax.random.key(0))
        line = dataset["loss"][row, 0].values
        np.testing.assert_allclose(line[~np.isnan(line)], alone.loss, rtol=LATER)


def test_parameter_snapshots_are_in_the_dataset():
    record = Record(points=3, parameter_steps=(0, 8))
    sweep = jaxsup.Sweep(linear(record=record), {"teacher.exponent": [0.0, 0.5]}, seeds=[4])
    dataset = run(sweep)
    assert dataset["kept_step"].values.tolist() == [0, 8]
    dims = {"embedding": ("latent", "feature"), "core": ("latent", "latent_in")}
    for row in (0, 1):
        alone = jaxsup.simulate(sweep.experiment_at((row,)), jax.random.key(4))
        for name, inner in {**dims, "bias": ("feature",)}.items():
            kept = dataset[name].isel({"teacher.exponent": row, "seed": 0})
            assert kept.dims == ("kept_step", *inner)
            exact = np.asarray(getattr(alone.snapshots, name))
            np.testing.assert_allclose(kept, exact, rtol=LATER, atol=1e-6)


def test_a_diverged_replica_disturbs_no_other():
    rates = {"optimizer.learning_rate": [0.1, 1e6, 0.3]}
    record = Record(points=31, spacing="linear")
    reports: list[Any] = []
    sweep = jaxsup.Sweep(linear(steps=30, record=record), rates, seeds=2)
    wild = run(sweep, progress=reports.append)
    calm = {"optimizer.learning_rate": [0.1, 0.2, 0.3]}
    quiet = run(jaxsup.Sweep(linear(steps=30, record=record), calm, seeds=2))
    assert wild["status"].values.tolist() == [[0, 0], [1, 1], [0, 0]]
    np.testing.assert_array_equal(wild["loss"][[0, 2]], quiet["loss"][[0, 2]])
    for seed in (0, 1):
        last = int(wild["last_step"][1, seed])
        assert 1 <= last < 30
        line = wild["loss"][1, seed].values
        assert np.isfinite(line[:last]).all()
        assert np.isnan(line[last + 1 :]).all()
    assert [report.diverged for report in reports][-1] == 2


def test_store_holds_the_dataset(tmp_path):
    record = Record(points=3, observables=("feature_error",), parameter_steps=(8,))
    setting = {"teacher.exponent": [0.0, 1.0], "features.exponent": [1.0, 2.0]}
    axes = {"setting": setting, "optimizer": [jaxsup.Adam(0.1), jaxsup.Adam(0.01)]}
    sweep = jaxsup.Sweep(linear(record=record), axes, seeds=2)
    path = tmp_path / "deep" / "sweep"
    dataset = run(sweep, store=path)
    for stored in (xr.open_zarr(path, consolidated=False), open_store(path)):
        xr.testing.assert_identical(stored.load(), dataset)
        assert json.loads(stored.attrs["configuration"])["seeds"] == [0, 1]
    with pytest.raises(FileExistsError, match="expected a new folder; got one that exists; choose"):
        run(sweep, store=path)


SWEEPS = {
    "scan": lambda: jaxsup.Sweep(relu(), AXES, SEEDS),
    "joint": lambda: jaxsup.Sweep(
        linear(),
        {"setting": {"features.exponent": [1.0, 2.0], "teacher.exponent": [0, 1]}},
        seeds=[5, 2],
    ),
    "objects": lambda: jaxsup.Sweep(
        linear(),
        {
            "optimizer": [
                jaxsup.SGD(0.1, 0.5),
                jaxsup.AdamW(0.1, weight_decay=0.2, schedule=jaxsup.WarmupCosine(3, 0.1)),
            ],
            "record": [Record(steps=(1, 2)), Record(points=3, observables=("core_norm",))],
        },
    ),
    "matrices": lambda: jaxsup.Sweep(
        linear(
            features=jaxsup.CorrelatedFeatures(np.eye(8)),
            teacher=jaxsup.MatrixTeacher(np.arange(64.0).reshape(8, 8)),
            importance=np.linspace(0, 1, 8),
        )
    ),
}


@pytest.mark.parametrize("case", SWEEPS)
def test_configuration_makes_the_same_sweep_again(case):
    sweep = SWEEPS[case]()
    text = json.dumps(sweep_to_tables(sweep))
    again = sweep_from_tables(json.loads(text))
    assert json.dumps(sweep_to_tables(again)) == text
    assert again.seeds == sweep.seeds
    assert again.shape == sweep.shape
    assert [axis.name for axis in again.axes] == [axis.name for axis in sweep.axes]
    for index in np.ndindex(sweep.shape):
        one, other = again.experiment_at(index), sweep.experiment_at(index)
        assert jax.tree.structure(one) == jax.tree.structure(other)
        for got, expected in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-7)


def test_provenance_makes_the_same_sweep_again(reference):
    again = sweep_from_tables(json.loads(reference.attrs["configuration"]))
    assert sweep_to_tables(again) == sweep_to_tables(jaxsup.Sweep(relu(), AXES, SEEDS))


# Layout


def test_one_structure_is_one_program():
    axes = {"features.exponent": [1.1, 2], "optimizer.learning_rate": [0.1, 0.2]}
    assert len(plan_programs(jaxsup.Sweep(linear(), axes), 2)) == 1
    widths = {"student.latent": [1, 2, 3, 4, 5, 6]}
    for limit in (1, 2, 3, 9):
        programs = plan_programs(jaxsup.Sweep(linear(), widths), limit)
        assert len(programs) == min(limit, 6)
        covered = np.concatenate([program.points for program in programs])
        np.testing.assert_array_equal(np.sort(covered), np.arange(6))
    programs = plan_programs(jaxsup.Sweep(linear(), {"optimizer.momentum": [0.0, 0.5, 0.9]}), 2)
    assert len(programs) in (2, 3)  # plain descent keeps no velocity


def test_widths_are_cut_where_padding_costs_least():
    def cost(cut, latents, points, count):
        return sum(
            points[latents.index(k)] * (count * max(run) + max(run) ** 2)
            for run in cut
            for k in run
        )

    latents, points, count = [2, 5, 6, 9, 20], [3, 1, 4, 1, 2], 30
    chosen = choose_widths(latents, points, count, 2)
    assert [k for run in chosen for k in run] == latents
    cuts = [(tuple(latents[:i]), tuple(latents[i:])) for i in range(1, 5)]
    best = min(cost(cut, latents, points, count) for cut in cuts)
    assert cost(chosen, latents, points, count) == best
    assert choose_widths([4], [1], 8, 3) == [(4,)]
    assert choose_widths([2, 4], [1, 1], 8, 5) == [(2,), (4,)]


def test_a_sweep_without_axes_is_one_point():
    sweep = jaxsup.Sweep(linear(), seeds=2)
    assert (sweep.shape, sweep.points, sweep.replicas) == ((), 1, 2)
    dataset = run(sweep)
    assert dataset["loss"].dims == ("seed", "step")
    assert_close(dataset["loss"], dataset["loss"].copy(data=looped(sweep)))
    assert float(dataset["superposition_ratio"]) == pytest.approx(8 / 3)


def sweep(axes: Any, seeds: Any = 1) -> jaxsup.Sweep:
    return jaxsup.Sweep(linear(), axes, seeds)


BAD = {
    "unknown field": (
        lambda: sweep({"features.exponant": [1.0]}),
        "axes: expected a field of the experiment; got 'features.exponant'; did you mean 'features."
        "exponent'",
    ),
    "unknown field of a joint axis": (
        lambda: sweep({"setting": {"student.latnt": [1]}}),
        "axes: .*got 'student.latnt'; did you mean 'student.latent'",
    ),
    "hidden field": (lambda: sweep({"student.active": [1]}), "axes: .*got 'student.active'"),
    "reserved name": (
        lambda: sweep({"seed": {"teacher.exponent": [0, 1]}}),
        "axes: expected a field or a free name; got 'seed'",
    ),
    "name of a variable": (
        lambda: sweep({"status": {"teacher.exponent": [0, 1]}}),
        "axes: expected a field or a free name; got 'status'",
    ),
    "joint axis named like a field": (
        lambda: sweep({"steps": {"teacher.exponent": [0, 1]}}),
        "axes.steps: expected a list of values; got a table; name a joint axis otherwise",
    ),
    "one value": (
        lambda: sweep({"teacher.exponent": 1.0}),
        r"axes.teacher.exponent: expected a list of values; got 1.0; write \[...\] around",
    ),
    "a word": (
        lambda: sweep({"student.embedding": "random"}),
        "axes.student.embedding: expected a list of values; got 'random'",
    ),
    "no values": (
        lambda: sweep({"teacher.exponent": []}),
        "axes.teacher.exponent: expected at least one value; got a list of none",
    ),
    "no fields": (lambda: sweep({"setting": {}}), "axes.setting: expected at least one value"),
    "ragged": (
        lambda: sweep({"setting": {"teacher.exponent": [0, 1], "features.exponent": [1]}}),
        "axes.setting: expected lists of one length; got a table of lists of lengths",
    ),
    "twice": (
        lambda: sweep({"teacher.exponent": [0.0], "setting": {"teacher.exponent": [0.0, 1.0]}}),
        "axes: expected each field on one axis; got 'teacher.exponent'; drop it from one",
    ),
    "inside another": (
        lambda: sweep({"optimizer": [jaxsup.SGD(0.1)], "optimizer.learning_rate": [0.1]}),
        "axes: expected fields that do not contain each other",
    ),
    "refused value": (
        lambda: sweep({"features.exponent": [1.0, float("nan")]}),
        "features.exponent: expected a finite number; got nan",
    ),
    "refused size": (
        lambda: sweep({"student.latent": [2, 0]}),
        "student.latent: expected a positive integer; got 0",
    ),
    "K above N": (
        lambda: sweep({"student.latent": [2, 9]}),
        "student.latent: expected 1 <= K <= N = 8; got 9",
    ),
    "steps": (
        lambda: sweep({"steps": [5, 0]}),
        "steps: expected a positive integer; got 0",
    ),
    "no seeds": (lambda: sweep({}, 0), "seeds: expected a positive integer; got 0"),
    "empty seeds": (lambda: sweep({}, []), r"seeds: expected different whole numbers .*; got \[\]"),
    "repeated seeds": (lambda: sweep({}, [1, 1]), "seeds: .*give each seed once"),
    "negative seeds": (lambda: sweep({}, [-1]), "seeds: expected different whole numbers from 0"),
    "broken seeds": (lambda: sweep({}, [0.5]), "seeds: expected different whole numbers from 0"),
    "huge seeds": (lambda: sweep({}, [2**32]), "seeds: expected"),
    "widths": (
        lambda: run(sweep({}), widths=0),
        "widths: expected a positive integer; got 0; give a number of padded widths",
    ),
    "chunk": (
        lambda: run(sweep({}), chunk=0),
        "chunk: expected a positive integer; got 0; give a number of replicas",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case):
    build, match = BAD[case]
    with pytest.raises(ValueError, match=match) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_a_store_that_cannot_be_made_is_refused_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    reports = []
    with pytest.raises(
        OSError, match="expected a folder that can be written; got 'Not a directory'"
    ):
        run(sweep({}), store=tmp_path / "file" / "sweep", progress=reports.append)
    with pytest.raises(FileExistsError, match="got one that exists"):
        run(sweep({}), store=tmp_path / "file", progress=reports.append)
    assert not reports


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="choose another place"):
        run(sweep({}), store=tmp_path / "sweep")


def test_opening_what_is_no_sweep_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected the folder of a sweep; got none there"):
        open_store(tmp_path / "absent")
    with pytest.raises(ValueError, match=r"got one without zarr.json; give the folder that"):
        open_store(tmp_path)
    xr.Dataset({"other": ("x", [1.0])}).to_zarr(
        tmp_path / "other", zarr_format=3, consolidated=False
    )
    with pytest.raises(ValueError, match="expected a dataset with a loss; got"):
        open_store(tmp_path / "other")
