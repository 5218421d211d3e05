"""The diagnosis of an embedding matrix of your own: overlaps, saturation, eigenspaces.

Claim (Liu, Liu, Gore, "Superposition yields robust neural scaling", arXiv 2505.10465): embeddings
of language models are in strong superposition: all tokens are represented, and their squared
overlaps are about those of random directions, 1/K on average.

Here: the matrix that ``--weights FILE`` names (``--tensor NAME`` where the file holds several),
tokens as features. Overlaps are taken as they are, and again after the mean vector has been
subtracted: a common direction adds the same overlap to all pairs. Zero columns count in neither.
Intervals resample the features. Saturation and localization (arXiv 2602.02224) are reported beside
those of random matrices; that paper gives no number for such a matrix. "paper" takes the coherence
over all pairs, checks the spectrum in float64 and draws more random matrices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from jaxsup.fit import intervals
from jaxsup.fit.intervals import Estimate
from jaxsup.plot.diagnosis import diagnosis_figure
from jaxsup.reproduce import AbstractWeightsFigure, Claim, Findings, Published
from jaxsup.reproduce.registry import FIGURES
from jaxsup.weights.diagnosis import Diagnosis, diagnose
from jaxsup.weights.files.read import Weights

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCALES = {"smoke": False, "quick": False, "paper": True}
"""Whether to go over all pairs of features."""
SHORTEST = 0.1
"""Vectors longer than this share of the median one are represented."""
Norms = Float[np.ndarray, " features"]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def overlaps(
    W: Float[np.ndarray, "latent features"], shortest: float = 0.0
) -> Float[np.ndarray, " features"]:
    """Mean squared cosine of each feature with all others, (u_i^T U U^T u_i - 1) / (n - 1).

    Features no longer than `shortest` are left out, and NaN themselves; so is a single one.
    """
    norms = np.linalg.norm(W, axis=0)
    nonzero = norms > shortest
    if nonzero.sum() < 2:
        return np.full(len(norms), np.nan)
    unit = W[:, nonzero] / norms[nonzero]
    frame = unit @ unit.T
    result = np.full(len(norms), np.nan)
    result[nonzero] = (np.sum(unit * (frame @ unit), axis=0) - 1) / (nonzero.sum() - 1)
    return result


def count_represented(norms: Norms) -> int:
    """How many features are longer than `SHORTEST` of the median one.

    The median and not the longest, since a few tokens of a trained model are far longer than all
    the others.
    """
    return int(np.sum(norms > SHORTEST * np.median(norms)))


def scaled_mean(latent: int, values: Norms) -> float | None:
    """K times the mean of the overlaps that there are; None of none."""
    finite = values[np.isfinite(values)]
    return float(latent * finite.mean()) if finite.size else None


def centered(W: Float[np.ndarray, "latent features"]) -> Float[np.ndarray, "latent features"]:
    """W less the mean of the columns that are not zero; zero columns stay zero."""
    alive = W.any(axis=0)
    mean = W.sum(axis=1) / max(int(alive.sum()), 1)
    return np.where(alive, W - mean[:, None], 0.0)


def to_dataset(diagnosis: Diagnosis, plain: Norms, centered: Norms) -> xr.Dataset:
    """Everything measured a feature and an eigenvalue, labeled."""
    spectrum = diagnosis.spectrum
    each = {
        "norm": (spectrum.norms, "length of a feature's vector"),
        "capacity": (spectrum.capacities, "capacity D_i"),
        "leverage": (spectrum.leverages, "leverage w_i^T F^+ w_i"),
        "slack": (diagnosis.measures.per_feature["slack"], "slack 1 - D_i / leverage"),
        "mean_eigenvalue": (spectrum.mean_eigenvalues, "mean eigenvalue under its measure"),
        "localization": (spectrum.localization, "localization on eigenspaces"),
        "overlap": (plain, "mean squared cosine with the other features"),
        "overlap_centered": (centered, "the same after subtracting the mean vector"),
    }
    variables = {
        name: ("feature", np.asarray(values), {"long_name": label})
        for name, (values, label) in each.items()
    }
    eigenvalues = np.asarray(spectrum.raw_eigenvalues)
    variables["eigenvalues"] = ("eigenvalue", eigenvalues, {"long_name": "eigenvalues of W W^T"})
    return xr.Dataset(variables)


class RealWeights(AbstractWeightsFigure[bool]):
    """Overlaps and spectrum of a matrix that the user brings."""

    name = "real-weights"
    title = FIGURES[name].title
    scales = SCALES

    def inspect(self, weights: Weights, scale: bool) -> Findings:
        """Diagnose W, measure overlaps with and without the mean vector, and draw the diagnosis."""
        diagnosis = diagnose(weights.matrix, full=scale)
        W = diagnosis.matrix.astype(np.float64)
        norms = np.linalg.norm(W, axis=0)
        # What subtracting leaves of a vector that is the mean vector itself is rounding.
        rounding = 1e-12 * float(norms.max())
        without_mean = centered(W)
        plain, less = overlaps(W), overlaps(without_mean, rounding)
        squares = float(np.sum(norms**2))
        mean_share = max(1 - float(np.sum(without_mean**2)) / (squares or 1.0), 0.0)
        numbers = diagnosis.to_dict().items()
        record = {
            "file": weights.path.name,
            "tensor": weights.tensor,
            "orientation": weights.orientation,
            "features": W.shape[1],
            "latent": W.shape[0],
            "scaled_overlap": scaled_mean(W.shape[0], plain),
            "scaled_overlap_centered": scaled_mean(W.shape[0], less),
            "mean_share": mean_share if squares else None,
            "represented_share": count_represented(norms) / len(norms),
            **{name: value for name, value in numbers if _is_number(value)},
            **{
                f"saturation_{kind}": null
                for kind in ("gaussian", "directions")
                if _is_number(null := diagnosis.measures.null(kind, "saturation"))
            },
        }
        return Findings(
            [record],
            self.summarize(record, weights, diagnosis),
            self.draw(diagnosis),
            self.claims(W, plain, less, diagnosis),
            to_dataset(diagnosis, plain, less),
        )

    def summarize(
        self, record: dict[str, Any], weights: Weights, diagnosis: Diagnosis
    ) -> list[str]:
        """The file, the overlaps, and the diagnosis."""
        tensor = f": {weights.tensor}" if weights.tensor else ""
        overlap, centered, share = (
            "none" if record[name] is None else f"{record[name]:{form}}"
            for name, form in (
                ("scaled_overlap", ".2f"),
                ("scaled_overlap_centered", ".2f"),
                ("mean_share", ".0%"),
            )
        )
        return [
            f"{weights.path.name}{tensor}, {weights.describe_orientation()}",
            f"K times the mean squared cosine: {overlap}, of random directions 1; {centered} "
            f"without the mean vector, which holds {share} of the mean squared norm",
            "",
            str(diagnosis),
        ]

    def draw(self, diagnosis: Diagnosis) -> Figure:
        """The diagnosis in six panels."""
        return diagnosis_figure(diagnosis)

    def claims(
        self,
        W: Float[np.ndarray, "latent features"],
        plain: Norms,
        centered: Norms,
        diagnosis: Diagnosis,
    ) -> list[Claim]:
        """Strong superposition: all are represented, with the overlaps of random directions."""
        latent, features = W.shape
        represented = count_represented(np.linalg.norm(W, axis=0))
        source = "arXiv 2505.10465, language models"
        random = Published(0.5, 2.0, "overlaps of about 1/K; tolerance a factor of 2")
        saturation = float(diagnosis.spectrum.saturation)
        claims = [
            Claim(
                "share of features represented",
                "Embeddings are in strong superposition: all tokens are represented.",
                source,
                Published(0.95, 1.0, "all; read as 95%"),
                intervals.from_share(represented, features),
            )
        ]
        for words, values in (("", plain), (", mean vector subtracted", centered)):
            finite = values[np.isfinite(values)]
            measured = None
            if finite.size:
                measured = intervals.from_bootstrap(
                    latent * finite, np.mean, what="features", resamples=300
                )
            claims.append(
                Claim(
                    f"K times the mean squared cosine of two features{words}",
                    "Overlaps of embedding vectors are about those of random directions, 1/K.",
                    source,
                    random,
                    measured,
                    "" if finite.size else "fewer than two features have a direction",
                )
            )
        claims.append(
            Claim(
                "capacity saturation",
                "Capacities add up to at most the rank; trained toy networks come close to it.",
                "arXiv 2602.02224",
                None,
                Estimate(saturation, saturation, saturation, "one matrix"),
                "the paper gives no number for the embedding of a trained model; a Gaussian "
                f"matrix of this shape has {diagnosis.measures.null('gaussian', 'saturation'):.3g}",
            )
        )
        return claims
