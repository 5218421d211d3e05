"""What the table of a diagnosis says of eigenspaces and of the check in float64."""

import numpy as np

from jaxsup.spectral import FrameSpectrum
from jaxsup.spectral.certificate import Certificate
from jaxsup.spectral.measures import LinearLaw

_ROWS = 12  # eigenspaces in the printed table
_COLUMNS = (
    "eigenvalue",
    "dimension",
    "spread",
    "tightness residual",
    "features",
    "slope x eigenvalue",
    "R²",
)


def describe_eigenspaces(spectrum: FrameSpectrum, law: LinearLaw, relative_tolerance: float) -> str:
    """A row for each of the largest eigenspaces, with the line of D_i against |w_i|^2 on it."""
    columns = (
        spectrum.eigenvalues,
        spectrum.multiplicities,
        spectrum.spreads,
        spectrum.tightness,
        law.features,
        law.scaled_slopes,
        law.r_squared,
    )
    table = list(zip(*(np.asarray(column) for column in columns), strict=True))
    lines = ["  ".join(_COLUMNS)]
    for value, size, spread, residual, features, slope, r_squared in table[:_ROWS]:
        cells = [f"{value:.5g}", str(size), f"{spread:.1e}", f"{residual:.1e}", f"{features:,}"]
        if np.isfinite(slope):
            cells += [f"{slope:.4f}", f"{r_squared:.4f}" if np.isfinite(r_squared) else ""]
        row = "  ".join(f"{x:<{len(n)}}" for x, n in zip(cells, _COLUMNS, strict=False))
        lines.append(row.rstrip())
    if len(table) > _ROWS:
        rest = slice(_ROWS, None)
        largest = int(np.max(np.asarray(spectrum.multiplicities)[rest]))
        lines.append(f"and {len(table) - _ROWS} more, of dimension up to {largest}")
    spreads = np.asarray(spectrum.spreads)
    top = float(np.max(np.asarray(spectrum.eigenvalues), initial=0))
    if (spreads > 10 * relative_tolerance * top).any():
        lines.append(
            "Spreads far above the cluster tolerance: chains of close eigenvalues, no "
            "eigenspaces; a smaller --cluster-tolerance splits them."
        )
    return "\n".join(lines)


def describe_precision(rank: int, rank_in_float32: int | None) -> list[tuple[str, str]]:
    """A row that says why all was computed in float64; none where it was not for the rank's sake.

    Arguments:
        rank: as float64 has it.
        rank_in_float32: another one, if all was computed in float64 for that.
    """
    if rank_in_float32 is None:
        return []
    reason = f"float32 loses {rank - rank_in_float32:,} of its rank"
    if rank_in_float32 >= rank:
        reason = f"float32 finds rank {rank_in_float32:,}"
    return [("", f"computed in float64, as {reason}")]


def describe_certificate(certificate: Certificate | None, spectrum: FrameSpectrum) -> str:
    """One line: whether an SVD in float64 finds the same, and what to do if not."""
    if certificate is None:
        return "left out at this size (--full)"
    if certificate.certified:
        return "passed: same eigenspaces, errors within their bounds"
    single = spectrum.norms.dtype == np.float32
    advice = "compute in float64 (--x64)"
    if certificate.agrees:
        advice = advice if single else "jaxsup.spectral.certify has the SVD's"
        return f"same eigenspaces, but errors beyond their bounds: {advice}"
    represented = int(np.sum(certificate.represented))
    if certificate.rank != int(spectrum.rank):
        found = f"rank {certificate.rank:,} in float64"
    elif represented != int(np.sum(np.asarray(spectrum.represented))):
        found = f"{represented:,} features represented in float64"
    else:
        found = "other eigenspaces than in this precision"
        if not single:
            return "other eigenspaces by the SVD: some gap is at the cluster tolerance, change it"
    if not single:
        return f"{found} by the SVD: the rest is lost in W Wᵀ even in float64"
    return f"{found}: {advice}"
