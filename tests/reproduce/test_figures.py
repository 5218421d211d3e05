"""The transition: its configuration, and verdicts that follow from the numbers."""

import numpy as np
import pytest
import xarray as xr

from jaxsup import theory
from jaxsup.reproduce.figures import transition


def test_every_scale_has_no_superposition_and_superposition() -> None:
    for name, scale in transition.SCALES.items():
        sweep = transition.Transition().configure(scale)
        embeddings = sweep.axes[1].fields["student.embedding"]
        latents = sweep.axes[1].fields["student.latent"]
        assert embeddings[0] == "identity", name
        assert latents[0] == scale.features
        assert all(
            e == "random" and k < scale.features
            for e, k in zip(embeddings[1:], latents[1:], strict=True)
        )


def test_the_scales_that_claim_something_are_large_enough() -> None:
    for name in ("quick", "paper"):
        scale = transition.SCALES[name]
        assert scale.features >= 256
        assert {1, 2, 4} <= set(scale.ratios)
        assert set(transition.SETTINGS) >= {(1.1, 0), (1.5, 0), (1.5, 0.5), (2, 0), (2, 1)}


def test_exact_exponents_approach_the_theory_where_finite_size_matters_least() -> None:
    sweep = transition.Transition().configure(transition.Scale(256, (1, 2), 4000, 8, 1))
    exact = dict(zip(transition.SETTINGS, transition.exact_exponents(sweep), strict=True))
    for a, b in ((2.0, 0.0), (2.0, 1.0)):
        assert exact[a, b] == pytest.approx(float(theory.training_exponent(a, b)), abs=0.03)
    # A cut sum falls faster than the infinite one: nothing like 0.09 at this N, or no power law.
    assert not exact[1.1, 0.0] < 0.15


def table(exponents: list[list[float]]) -> xr.Dataset:
    """A table of exponents over (setting, ratio); NaN where there is no power law."""
    exponent = np.asarray(exponents)
    return xr.Dataset(
        {
            "exponent": (("setting", "ratio"), exponent),
            "found": (("setting", "ratio"), ~np.isnan(exponent)),
        },
        coords={"superposition_ratio": ("ratio", [1.0, 2.0])},
    )


def test_the_summary_counts_what_it_found() -> None:
    lines = transition.Transition().summarize(table([[0.1, 0.9], [1.5, 1.1], [0.5, np.nan]]))
    assert lines[0].startswith("N/K = 1 (without superposition): 3 of 3 settings")
    assert "exponents 0.10 to 1.50, 0 within 0.8..1.2" in lines[0]
    assert "2 of 3 settings follow a power law; exponents 0.90 to 1.10, 2 within" in lines[1]


def test_the_summary_says_when_nothing_was_found() -> None:
    lines = transition.Transition().summarize(table([[0.1, np.nan], [0.2, np.nan]]))
    assert lines[1] == "N/K = 2 (in superposition): no setting follows a power law"
