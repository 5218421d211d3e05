"""BLAS threads are given up while many small matrices are at work, and given back."""

import os
import threading

import jax
import numpy as np
import pytest
import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_info, threadpool_limits

import jaxsup
from jaxsup._internal import blas
from jaxsup.fit.single import power_law
from jaxsup.spectral import batch
from jaxsup.sweep import forecast


def threads() -> set[int]:
    """Of each library that is loaded."""
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def of_several_threads(monkeypatch):
    """As where nobody has set a number, on a machine with two cores and more."""
    monkeypatch.delenv(blas._VARIABLE, raising=False)
    with threadpool_limits(2, "blas"):
        if threads() != {2}:
            pytest.skip("no BLAS library here takes a number of threads")
        yield


def test_who_comes_first_takes_threads_and_gives_them_back():
    found = []

    def ask():
        with blas.one_blas_thread():
            found.append(threads())

    with blas.one_blas_thread():
        with blas.one_blas_thread():
            assert threads() == {1}
        other = threading.Thread(target=ask)
        other.start()
        other.join()
        assert threads() == {1}
    assert found == [{1}]
    assert threads() == {2}


def test_threads_are_given_back_after_an_error():
    with pytest.raises(ValueError, match="steps"):
        jaxsup.fit_power_law(np.zeros((2, 2)), np.ones(3))
    assert threads() == {2}


def test_what_the_environment_says_of_the_library_is_left_alone(monkeypatch):
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "2")
    monkeypatch.setitem(os.environ, blas._VARIABLE, "")
    with blas.one_blas_thread():
        assert threads() == {1}
    monkeypatch.setitem(os.environ, blas._VARIABLE, "2")
    with blas.one_blas_thread():
        assert threads() == {2}


def test_a_fit_keeps_to_one_thread(monkeypatch):
    seen, bin_curve = [], power_law.bin_curve

    def watched(*arguments):
        seen.append(threads())
        return bin_curve(*arguments)

    monkeypatch.setattr(power_law, "bin_curve", watched)
    steps = np.arange(1.0, 200)
    assert jaxsup.fit_power_law(steps, steps**-0.5).found
    assert seen == [{1}]


def test_spectra_that_are_shared_out_keep_to_one_thread(monkeypatch):
    seen, share_program = [], batch._share_program

    def watched(*arguments):
        program = share_program(*arguments)

        def run(*shares):
            seen.append(threads())
            return program(*shares)

        return run

    monkeypatch.setattr(batch, "available_cores", lambda: 2)
    monkeypatch.setattr(batch, "_share_program", watched)
    batch.decompose_batch(np.random.default_rng(0).normal(size=(32, 2, 4)))
    assert seen == [{1}, {1}]


@pytest.fixture
def sweep():
    features, teacher = jaxsup.PowerLawFeatures(4, 1.0), jaxsup.DiagonalTeacher(0.0)
    return jaxsup.Sweep(
        jaxsup.Experiment(features, teacher, jaxsup.Student(2), jaxsup.SGD(0.1), steps=2)
    )


def test_a_run_keeps_to_one_thread(sweep):
    seen = []
    jaxsup.run(sweep, progress=lambda progress: seen.append(threads()))
    assert seen
    assert set().union(*seen) == {1}


def test_a_forecast_is_timed_as_a_run_trains(sweep, monkeypatch):
    seen, time_run = [], forecast._time_run

    def watched(*arguments):
        seen.append(threads())
        return time_run(*arguments)

    monkeypatch.setattr(forecast, "_time_run", watched)
    forecast.forecast(sweep, jax.devices()[:1])
    assert seen == [{1}]
