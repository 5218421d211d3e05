"""The published scaling sweep in PyTorch: one network at a time, and torch.func over exponents."""

from collections.abc import Sequence
from math import cos, pi
from typing import Any

from benchmarks.devices import choose_threads, use_torch
from benchmarks.held_out import frequencies, load_start
from benchmarks.published_case import CHECK_STEPS, Case, held_out_loss
from benchmarks.turns import Prepared, calibrate, stopwatch


def _rate(case: Case, step: int, steps: int) -> float:
    """Linear warm-up over a tenth of the steps, then a cosine to 5%."""
    warmup = max(1, steps // 10)
    if step < warmup:
        return case.learning_rate * step / warmup
    fraction = (step - warmup) / (steps - warmup)
    return case.learning_rate * (0.05 + 0.95 * 0.5 * (1.0 + cos(pi * fraction)))


def _decay(W: Any, decay: float) -> Any:
    """d W, or |d| (1 - 1 / |w_i|) W for d < 0; W is [..., features, latent]."""
    if decay >= 0:
        return decay * W
    return -decay * W * (1.0 - 1.0 / W.norm(dim=-1, keepdim=True))


def _sample(torch: Any, p: Any, rows: int) -> Any:
    """Sparse samples [..., rows, features] for frequencies [..., features]."""
    shape = (*p.shape[:-1], rows, p.shape[-1])
    return (torch.rand(shape) < p[..., None, :]) * (2.0 * torch.rand(shape))


def _starts(torch: Any, case: Case) -> list[tuple[float, Any, Any]]:
    """Exponent, W [features, latent] and bias of the compared networks, widths fastest."""
    arrays, networks = load_start(case.folder), []
    for k in range(len(arrays) // 2):
        W = torch.tensor(arrays[f"embedding_{k}"].T.copy())
        exponent = case.exponents[k // len(case.small.latents)]
        networks.append((exponent, W, torch.tensor(arrays[f"bias_{k}"])))
    return networks


def _law(torch: Any, case: Case, exponents: Sequence[float]) -> Any:
    import numpy as np

    laws = np.stack([frequencies(case.features, a) for a in exponents])
    return torch.tensor(laws, dtype=torch.float32)


def eager_loop(table: dict[str, Any]) -> Prepared:
    """Autograd and torch.optim.Adam on one network after the other."""

    torch = use_torch()
    torch.manual_seed(0)
    case = Case(**table)

    def train(size: Case, p: Any, W: Any, b: Any, steps: int, recorded: Sequence[int] = ()) -> Any:
        W, b = W.clone().requires_grad_(True), b.clone().requires_grad_(True)
        optimizer = torch.optim.Adam([W, b], lr=case.learning_rate)
        snapshots = []
        for step in range(steps):
            rate = optimizer.param_groups[0]["lr"] = _rate(case, step, steps)
            x = _sample(torch, p, size.batch)
            optimizer.zero_grad()
            loss = ((torch.relu(x @ W @ W.T + b) - x) ** 2).mean()
            loss.backward()
            with torch.no_grad():
                W -= rate * _decay(W, case.decay)
            optimizer.step()
            if step + 1 in recorded:
                snapshots.append((W.detach().numpy().T.copy(), b.detach().numpy().copy()))
        return snapshots

    recorded, curve = (CHECK_STEPS // 2, CHECK_STEPS), []
    for exponent, W, b in _starts(torch, case):
        p = _law(torch, case.small, [exponent])[0]
        snapshots = train(case.small, p, W, b, CHECK_STEPS, recorded)
        curve.append([held_out_loss(*parameters, exponent) for parameters in snapshots])
    p = _law(torch, case, [case.exponents[len(case.exponents) // 2]])[0]
    networks = [
        (torch.randn(case.features, K) * K**-0.5, torch.randn(case.features)) for K in case.latents
    ]

    def turn(steps: int) -> float:
        return stopwatch(lambda: [train(case, p, W, b, steps) for W, b in networks])

    threads = choose_threads(torch, lambda: turn(1))
    steps = calibrate(turn, case.seconds / 2)
    return Prepared(lambda: (turn(steps), steps * len(networks)), curve, {"threads": threads})


def vmapped_exponents(table: dict[str, Any]) -> Prepared:
    """torch.func.grad under torch.func.vmap over networks of one width, Adam on stacked arrays."""

    torch = use_torch()
    torch.manual_seed(0)
    case = Case(**table)

    def loss_of(W: Any, b: Any, x: Any) -> Any:
        return ((torch.relu(x @ W @ W.T + b) - x) ** 2).mean()

    gradient = torch.func.vmap(torch.func.grad(loss_of, argnums=(0, 1)))

    def train(size: Case, p: Any, W: Any, b: Any, steps: int, recorded: Sequence[int] = ()) -> Any:
        W, b = W.clone(), b.clone()
        optimizer = torch.optim.Adam([W, b], lr=case.learning_rate)
        snapshots = []
        for step in range(steps):
            rate = optimizer.param_groups[0]["lr"] = _rate(case, step, steps)
            W.grad, b.grad = gradient(W, b, _sample(torch, p, size.batch))
            W -= rate * _decay(W, case.decay)
            optimizer.step()
            if step + 1 in recorded:
                snapshots.append((W.mT.numpy().copy(), b.numpy().copy()))
        return snapshots

    curve: list[Any] = []
    starts, widths = _starts(torch, case), len(case.small.latents)
    laws, recorded = _law(torch, case.small, case.exponents), (CHECK_STEPS // 2, CHECK_STEPS)
    for width in range(widths):
        W, b = (torch.stack([s[part] for s in starts[width::widths]]) for part in (1, 2))
        snapshots = train(case.small, laws, W, b, CHECK_STEPS, recorded)
        for k, exponent in enumerate(case.exponents):
            curve.append([held_out_loss(Ws[k], bs[k], exponent) for Ws, bs in snapshots])
    by_network = [
        curve[w * len(case.exponents) + e]
        for e in range(len(case.exponents))
        for w in range(widths)
    ]
    p, groups = _law(torch, case, case.exponents), []
    for K in case.latents:
        shape = (len(case.exponents), case.features)
        groups.append((torch.randn(*shape, K) * K**-0.5, torch.randn(shape)))

    def turn(steps: int) -> float:
        return stopwatch(lambda: [train(case, p, W, b, steps) for W, b in groups])

    threads = choose_threads(torch, lambda: turn(1))
    steps = calibrate(turn, case.seconds / 2)
    return Prepared(lambda: (turn(steps), steps * case.networks), by_network, {"threads": threads})
