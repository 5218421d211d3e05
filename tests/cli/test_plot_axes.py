"""`jaxsup plot`: which axes of a sweep a picture shows, and how the others are chosen."""

import numpy as np
import pytest
import tyro
import xarray as xr
from helpers import assert_one_line_error

from jaxsup.cli.plot import PlotCommand, check_axes, select_positions
from jaxsup.cli.spectrum import SpectrumCommand


def sweep(*axes: str) -> xr.Dataset:
    """Losses over these axes, two positions each, with the ratio along student.latent."""
    dims = (*axes, "seed", "step")
    dataset = xr.Dataset({"loss": (dims, np.ones((2,) * len(dims)))})
    if "student.latent" in axes:
        dataset = dataset.assign_coords(superposition_ratio=("student.latent", [2.0, 4.0]))
    return dataset


ALPHA, BETA, LATENT = "features.exponent", "teacher.exponent", "student.latent"


@pytest.mark.parametrize(
    ("axes", "kind", "message"),
    [
        (
            (ALPHA, BETA),
            "loss",
            f"at most 1 axis .*kind loss; got {ALPHA}, {BETA}; add --at {BETA}=0",
        ),
        ((ALPHA, BETA), "local", f"add --at {BETA}=0"),
        ((ALPHA, BETA, LATENT), "ratio", f"at most 2 axes .* add --at {BETA}=0"),
        ((ALPHA, BETA, LATENT), "map", f"add --at {LATENT}=0"),
    ],
)
def test_too_many_axes_are_to_be_chosen_from(
    axes: tuple[str, ...], kind: str, message: str
) -> None:
    assert_one_line_error(
        lambda: check_axes(sweep(*axes), kind), f"--at: expected {message}|{message}"
    )
    check_axes(
        select_positions(sweep(*axes), (f"{message.split()[-1].removesuffix('=0')}=1",)), kind
    )


def test_positions_are_chosen_by_aliases_too() -> None:
    dataset = sweep(ALPHA, LATENT)
    for alias, name in (("a", ALPHA), ("K", LATENT)):
        by_alias, by_name = (select_positions(dataset, (f"{n}=1",)) for n in (alias, name))
        assert by_alias.identical(by_name)
        assert name not in by_alias.dims


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("seed=1", "got 'seed=1'; leave it out, pictures are of all seeds and steps"),
        ("step=0", "leave it out, pictures are of all seeds and steps"),
        (f"{LATENT}=2", f"expected a position 0..1 of {LATENT}; got .*; count from 0"),
        (f"{LATENT}={'9' * 5000}", f"expected a position 0..1 of {LATENT}"),
        ("student.latnt=0", f"did you mean '{LATENT}'"),
        ("latent=0", rf"got 'latent=0'; did you mean {LATENT} \(K\)"),
        ("a=0", "an axis of the sweep; got 'a=0'; choose one of student.latent, K"),
    ],
)
def test_positions_that_cannot_be_chosen(pair: str, message: str) -> None:
    assert_one_line_error(lambda: select_positions(sweep(LATENT), (pair,)), f"--at: .*{message}")


@pytest.mark.parametrize(
    ("command", "option", "rest"),
    [(PlotCommand, "at", ["x", "--out", "y.png"]), (SpectrumCommand, "features", ["x"])],
)
def test_options_of_lists_add_up(command: type, option: str, rest: list[str]) -> None:
    """A second one in place of the first was another picture than asked for, without a word."""
    given = [*rest, f"--{option}", "a=0", "b=1", f"--{option}", "c=2"]
    assert getattr(tyro.cli(command, args=given), option) == (("a=0", "b=1"), ("c=2",))
