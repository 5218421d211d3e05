"""All that `jaxsup.spectral.decompose` gives, as batched PyTorch."""

from typing import Any

from benchmarks.spectra_numpy import CLUSTER, rank_tolerance


def measure_batch(torch: Any, Ws: Any) -> dict[str, Any]:
    """Spectra of Ws [replica, latent, features], latent <= features, float32; padded to K."""
    K, N = Ws.shape[1:]
    cut = rank_tolerance(K, N)
    F = Ws @ Ws.mT
    values, vectors = torch.linalg.eigh(F)
    values, vectors = values.flip(-1), vectors.flip(-1)
    top = values[:, :1]
    nonzero = (values > cut * top) & (values > 0)
    opens = torch.cat(
        [torch.ones_like(nonzero[:, :1]), values[:, :-1] - values[:, 1:] > CLUSTER * top], 1
    )
    label = torch.where(nonzero, torch.cumsum(opens & nonzero, 1) - 1, K)
    member = (label[:, :, None] == torch.arange(K)).to(Ws.dtype)
    sizes = member.sum(1)
    means = (values[:, :, None] * member).sum(1) / sizes.clamp(min=1.0)
    count, rank = (sizes > 0).sum(1), nonzero.sum(1)
    vectors = vectors * nonzero[:, None, :]
    coordinates = vectors.mT @ Ws
    mass = member.mT @ coordinates**2
    squares = (Ws * Ws).sum(1)
    retained = mass.sum(1)
    represented = (squares > cut * squares.amax(1, keepdim=True)) & (retained > 0.5 * squares)
    measures = torch.where(
        represented[:, None], mass / torch.where(represented, retained, 1.0)[:, None], 0.0
    )
    overlaps = torch.maximum((Ws * (F @ Ws)).sum(1), squares**2)
    capacities = torch.where(represented, squares**2 / torch.where(represented, overlaps, 1.0), 0.0)
    entropy = -torch.special.xlogy(measures, measures).sum(1)
    entropy = entropy / torch.log(count.clamp(min=2).to(Ws.dtype))[:, None]
    home = (label[:, :, None] == measures.argmax(1)[:, None, :]) & represented[:, None]
    foreign = torch.where(home, 0.0, coordinates)
    offsets = torch.where(nonzero, values - (member @ means[:, :, None])[:, :, 0], 0.0)
    difference = torch.diag_embed(offsets) - foreign @ coordinates.mT
    residuals = ((difference**2).sum(2)[:, :, None] * member).sum(1)
    weights = sizes * means**2
    inside = torch.where(member > 0, values[:, :, None], means[:, None, :])
    return {
        "eigenvalues": means,
        "multiplicities": sizes,
        "spreads": inside.amax(1) - inside.amin(1),
        "tightness": torch.sqrt(residuals / torch.where(weights > 0, weights, 1.0)),
        "overall_tightness": torch.sqrt(residuals.sum(1) / weights.sum(1)),
        "measures": measures,
        "localization": (measures**2).sum(1),
        "entropy_localization": torch.where(represented, 1.0 - entropy, 0.0),
        "capacities": capacities,
        "norms": squares.sqrt(),
        "represented": represented,
        "saturation": capacities.sum(1) / rank.clamp(min=1),
        "rank": rank,
        "basis": vectors,
    }
