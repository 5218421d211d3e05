"""Runs that start from given parameters: they go on as if they had not stopped, or say why not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from commands import jaxsup as command
from helpers import assert_one_line_error
from sweep_cases import LATER, Stop, assert_same_bits, linear, rate_sweep, run, run_into

import jaxsup
from jaxsup.experiment.record import Record
from jaxsup.experiment.students import StudentParameters
from jaxsup.fit.tables.settings import read_settings
from jaxsup.sweep import trainer
from jaxsup.sweep.callbacks import Stopped
from jaxsup.sweep.closed_forms import theory_curves
from jaxsup.sweep.processes import Share
from jaxsup.sweep.starting import start_arrays
from jaxsup.sweep.store.read import take_inventory

RATES, WIDTHS, SEEDS = [0.1, 0.4], [2, 3], [3, 0, 7]


def scan(steps: int, **changes: Any) -> jaxsup.Sweep:
    """Exact descent without momentum, on two padded widths."""
    record = Record(points=1000, spacing="linear", parameter_steps=(8,))
    axes = {"student.latent": WIDTHS, "optimizer.learning_rate": RATES}
    settings = {"axes": axes, "seeds": SEEDS, **changes}
    experiment = linear(steps=steps, features=jaxsup.GaussianFeatures(6, 1.1), record=record)
    return jaxsup.Sweep(experiment, settings["axes"], settings["seeds"])


@pytest.fixture(scope="module")
def half() -> xr.Dataset:
    return run(scan(8))


@pytest.fixture(scope="module")
def full() -> xr.Dataset:
    return run(scan(16), widths=1)


def test_a_sweep_goes_on_where_another_ended(half: xr.Dataset, full: xr.Dataset) -> None:
    """Axes in another order, fewer values, seeds in another order, widths padded or not."""
    changes = {
        "seeds": [7, 3],
        "axes": {"optimizer.learning_rate": [0.4], "student.latent": [3, 2]},
    }
    for initial in (half, half.isel(kept_step=0)):
        on = run(scan(8, **changes), initial=initial)
        expected = full["loss"].sel(seed=[7, 3]).isel(step=slice(8, None))
        expected = expected.sel({"optimizer.learning_rate": [0.4], "student.latent": [3, 2]})
        np.testing.assert_allclose(on["loss"], expected.transpose(*on["loss"].dims), rtol=LATER)
    padded = run(scan(8), initial=half, widths=1)
    np.testing.assert_allclose(padded["loss"], full["loss"].isel(step=slice(8, None)), rtol=LATER)


def test_one_run_goes_on_where_it_ended(full: xr.Dataset) -> None:
    experiment, key = scan(8).experiment_at((1, 1)), jax.random.key(7)
    first = jaxsup.simulate(experiment, key)
    # The frozen W is a part of it: the other key draws another.
    on = jaxsup.simulate(experiment, jax.random.key(8), initial=first.params)
    expected = full["loss"].isel({"student.latent": 1, "optimizer.learning_rate": 1, "seed": 2})
    np.testing.assert_allclose(on.loss, expected[8:], rtol=LATER)
    drawn = jaxsup.simulate(experiment, jax.random.key(8))
    assert abs(float(drawn.loss[0]) - float(on.loss[0])) > 0.01


def test_one_network_starts_all_and_what_is_left_out_is_drawn(half: xr.Dataset) -> None:
    sweep = scan(8, axes={"optimizer.learning_rate": RATES})
    first = jaxsup.simulate(sweep.experiment, jax.random.key(0)).params
    W = StudentParameters(first.embedding, None, None, None)
    dataset = run(sweep, initial=W)
    kept = dataset["embedding"].values
    np.testing.assert_array_equal(kept, np.broadcast_to(first.embedding, kept.shape))
    alone = jaxsup.simulate(sweep.experiment_at((1,)), jax.random.key(3), initial=W)
    np.testing.assert_allclose(dataset["loss"][1, 0], alone.loss, rtol=LATER)
    assert len(np.unique(dataset["loss"][0, :, 0])) == 3  # B of each seed
    # An array for each network, by its place in the grid.
    ends = half.sel({"student.latent": 3})
    arrays = {name: ends[name].isel(kept_step=0).values for name in ("embedding", "core", "bias")}
    placed, matched = run(sweep, initial=arrays), run(sweep, initial=ends)
    assert_same_bits(placed, matched)
    assert len(np.unique(matched["loss"][..., 0])) == 6
    assert placed.attrs["fingerprint"] == matched.attrs["fingerprint"]
    assert placed.attrs["fingerprint"] != dataset.attrs["fingerprint"]


def test_networks_that_diverged_stay_so() -> None:
    first = run(rate_sweep([0.1, 1e9], seeds=1, steps=40, record=Record(parameter_steps=(40,))))
    assert first["status"].values.ravel().tolist() == [0, 1]
    on = run(rate_sweep([0.1, 1e9], seeds=1), initial=first)
    assert on["status"].values.ravel().tolist() == [0, 1]
    assert on["last_step"].values.ravel().tolist() == [8, 0]
    assert np.isnan(on["loss"][1]).all()
    assert np.isfinite(on["loss"][0]).all()


@pytest.mark.parametrize("rates", [[0.1, 1e9, 2e9, 0.2, 3e9, 4e9, 0.3, 5e9], [0.1, 1e9, 2e9]])
def test_a_given_start_survives_devices_and_dropped_neighbors(
    rates: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frozen W is given, other for each network, and taken again where lanes shrink."""
    sweep = jaxsup.Sweep(linear(steps=60), {"optimizer.learning_rate": rates}, seeds=8)
    rng = np.random.default_rng(0)
    initial = {"embedding": rng.normal(size=(len(rates), 8, 3, 8)) / 3}
    expected = run(sweep, initial=initial)
    monkeypatch.setattr(trainer, "_COMPILING_WORTH", 0)
    sizes: set[int] = set()

    def start(program: Any, rows: Any, seeds: Any) -> Any:
        arrays = start_arrays(program, rows, seeds)
        sizes.add(arrays["embedding"][..., 0, 0].size)
        return arrays

    monkeypatch.setattr(trainer, "start_arrays", start)
    dropped = jaxsup.run(sweep, initial=initial, devices=jax.local_devices())
    assert len(sizes) > 1  # all of them, and those that are left
    lasting = dropped["status"].values == 0
    assert lasting.sum() == 8 * sum(rate < 1 for rate in rates)
    np.testing.assert_allclose(dropped["loss"].values, expected["loss"], rtol=LATER)


def test_no_theory_of_a_random_start_is_told(half: xr.Dataset) -> None:
    sweep = scan(8, axes={"optimizer.learning_rate": RATES})
    on = run(sweep, initial=half.sel({"student.latent": 3}))
    drawn = run(sweep)
    assert theory_curves(on) is None
    assert theory_curves(drawn) is not None
    for dataset, known in ((on, False), (drawn, True)):
        settings = list(read_settings(dataset, 0))
        assert [np.isfinite(s.theory).any() for s in settings] == [known] * 2
        limits = jaxsup.measure_exponents(dataset, after=0)["theory_limit"].values
        assert np.isfinite(limits).any() == known


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("initial") / "first"
    run_into(path)
    return path


def test_a_store_that_goes_on_from_another_is_resumed_with_it(stored: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run_into(whole, initial=stored)
    for index in range(2):  # each process reads the start on its own
        share = Share(index, 2)
        with pytest.raises(Stopped):
            run_into(parts, initial=stored, share=share, stop=Stop(2), resume=True)
        run_into(parts, initial=str(stored), share=share, resume=True)
    assert_same_bits(jaxsup.open_store(parts).load(), jaxsup.open_store(whole).load())
    other = run_into(tmp_path / "drawn")
    assert not np.array_equal(other["loss"][..., 0], jaxsup.open_store(whole)["loss"][..., 0])
    digest = jaxsup.open_store(whole).attrs["initial"]
    for initial, ours in ((None, "absent"), (whole, "")):
        match = rf"got another one, initial {ours}.* instead of {digest[:20]}"
        with pytest.raises(ValueError, match=match):
            run_into(parts, initial=initial, resume=True)
    source = jaxsup.open_store(stored).attrs["fingerprint"][:16]
    assert take_inventory(parts).attributes["initial_origin"] == f"the end of the sweep {source}"


@pytest.mark.slow
def test_the_command_starts_from_another_store(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(
        'steps = 4\ngradient = "exact"\nseeds = 2\n'
        '[features]\nkind = "gaussian"\ncount = 4\nexponent = 1.0\n'
        '[teacher]\nkind = "diagonal"\nexponent = 0.0\n'
        '[student]\nlatent = 2\nactivation = "identity"\n'
        '[optimizer]\nkind = "sgd"\nlearning_rate = 0.1\n'
        "[record]\nparameter_steps = [4]\n"
    )
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    assert command("sweep", str(file), "--out", first).returncode == 0
    done = command("sweep", str(file), "--out", second, "--initial", first)
    assert done.returncode == 0, done.stderr
    before, after = (jaxsup.open_store(path)["loss"] for path in (first, second))
    np.testing.assert_allclose(after[:, 0], before[:, -1], rtol=1e-6)
    said = command("info", second).stdout
    assert "started   from the end of the sweep" in said
    wrong = command(
        "sweep", str(file), "--dry-run", "--initial", first, "--set", "student.latent=3"
    )
    assert wrong.returncode
    assert "initial.core: expected a shape (3, 3); got a shape (2, 2)" in wrong.stderr
    assert json.loads(command("info", second, "--json").stdout)["attributes"]["initial"]


def parameters(**arrays: Any) -> dict[str, Any]:
    return {"embedding": jnp.ones((3, 6)), **arrays}


BAD: dict[str, tuple[Callable[[xr.Dataset], Any], str]] = {
    "another size": (
        lambda _: parameters(core=np.ones((2, 2))),
        r"initial.core: expected a shape \(3, 3\); got a shape \(2, 2\); start from networks of",
    ),
    "another grid": (
        lambda _: parameters(core=np.ones((3, 2, 3, 3))),
        r"initial.core: expected the shape of one network's, or \(2, 3\) before it; got a shape",
    ),
    "another array": (
        lambda _: parameters(readout=np.ones((3, 6))),
        r"initial: expected arrays of the student: embedding, core, bias; got readout; give the",
    ),
    "none": (
        lambda _: {"core": None},
        r"initial: expected arrays of the student.*got none of them",
    ),
    "no number": (
        lambda _: parameters(bias=np.full(6, np.nan)),
        r"initial.bias: expected finite numbers; got one that holds others; start from networks",
    ),
    "no parameters": (
        lambda half: half[["loss", "status", "last_step"]],
        r"initial: expected a dataset that keeps them; got one without parameters; train it with",
    ),
    "an axis too many": (
        lambda half: half,
        r"initial: expected axes of the sweep; got the axis 'student.latent' as well; select",
    ),
    "another width": (
        lambda half: half.sel({"student.latent": 2}).isel(latent=[0, 1], latent_in=[0, 1]),
        r"initial.embedding: expected a shape \(3, 6\); got a shape \(2, 6\); start from networks",
    ),
    "another rate": (
        lambda half: half.sel({"student.latent": 3}).isel({"optimizer.learning_rate": [0]}),
        r"initial: expected a network with optimizer.learning_rate 0.4; got 1 others along ",
    ),
    "another seed": (
        lambda half: half.sel({"student.latent": 3}).isel(seed=[0, 1]),
        r"initial: expected a network with seed 7; got 2 others along 'seed'; start networks that",
    ),
    "a seed twice": (
        lambda half: half.sel({"student.latent": 3}).isel(seed=[0, 1, 2, 0]),
        r"initial: expected each seed once; got one of them more often; select the network",
    ),
    "masked steps": (
        lambda half: half.sel({"student.latent": 3}).where(half["step"] > 2),
        r"initial: expected a dataset of whole networks; got one that `where` masked along its st",
    ),
    "untrained": (
        lambda half: half.sel({"student.latent": 3}).assign(status=half["status"][0] * 0 - 1),
        r"initial: expected finished networks; got 6 that are not trained; finish it first",
    ),
    "a snapshot before the end": (
        lambda half: half.sel({"student.latent": 3}).assign_coords(kept_step=[5]),
        r"initial: expected parameters of the last step 8; got those of \[5\]; train it with rec",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(half: xr.Dataset, case: str) -> None:
    make, match = BAD[case]
    sweep = scan(8, axes={"optimizer.learning_rate": RATES})
    assert_one_line_error(lambda: run(sweep, initial=make(half)), match)


def test_larger_networks_are_not_cut(half: xr.Dataset) -> None:
    sweep = scan(8, axes={"student.latent": [2, 3]})
    wide = half.isel({"optimizer.learning_rate": 0}).sel({"student.latent": 3})
    match = r"initial.embedding: expected a shape \(2, 6\); got a shape \(3, 6\); start from"
    assert_one_line_error(lambda: run(sweep, initial=wide), match)
    assert_one_line_error(lambda: run(sweep, initial=wide, widths=1), match)


def test_one_run_refuses_what_is_not_its_own() -> None:
    experiment, key = scan(8).experiment, jax.random.key(0)

    def start(initial: Any) -> Callable[[], object]:
        return lambda: jaxsup.simulate(experiment, key, initial=initial)

    match = r"initial.core: expected a shape \(3, 3\); got a shape \(2, 2\); start from a network"
    assert_one_line_error(start({"core": np.ones((2, 2))}), match)
    match = r"initial.core: expected a finite number; got nan at "
    assert_one_line_error(start({"core": np.full((3, 3), np.nan)}), match)
    match = r"initial: expected arrays of the student: embedding, core, bias; got gate"
    assert_one_line_error(start({"gate": np.ones(3)}), match)
    match = r"initial: expected parameters, or arrays by name; got 'runs/first'; pass those of"
    assert_one_line_error(start("runs/first"), match)


def test_a_folder_that_is_not_there_is_told_and_none_is_made(tmp_path: Path) -> None:
    match = "none: expected the folder of a sweep; got none there; check the path"
    missing, new = tmp_path / "none", tmp_path / "new"
    assert_one_line_error(lambda: run_into(new, initial=missing), match, kind=FileNotFoundError)
    assert not new.exists()
