"""One hundred thousand networks of one neuron in PyTorch: one array for all of them."""

from collections.abc import Sequence
from math import cos, pi
from typing import Any

from benchmarks.devices import choose_threads, use_torch
from benchmarks.held_out import load_start
from benchmarks.turns import Prepared, calibrate, stopwatch
from benchmarks.two_features_case import CHECK_STEPS, DENSITY, IMPORTANCE, Case, held_out_losses


def batched(table: dict[str, Any]) -> Prepared:
    """Autograd on the sum of all losses and torch.optim.Adam, in groups of the faster size."""
    import numpy as np

    torch = use_torch()
    torch.manual_seed(0)
    case = Case(**table)
    start = load_start(case.folder)
    importance = torch.tensor([1.0, IMPORTANCE])

    def train(
        w: Any, c: Any, steps: int, *, shared: bool = False, recorded: Sequence[int] = ()
    ) -> list[Any]:
        """w and c are [networks, features]; `shared`: one batch for all networks."""
        w, c = w.clone().requires_grad_(True), c.clone().requires_grad_(True)
        optimizer = torch.optim.Adam([w, c], lr=case.learning_rate)
        shape, losses = (1 if shared else len(w), case.batch, 2), []
        for step in range(steps):
            # One step of warm-up from zero, then a cosine to zero.
            fraction = (step - 1) / max(steps - 1, 1)
            rate = 0.5 * (1.0 + cos(pi * fraction)) if step else 0.0
            optimizer.param_groups[0]["lr"] = case.learning_rate * rate
            x = (torch.rand(shape) < DENSITY) * torch.rand(shape)
            hidden = (x * w[:, None, :]).sum(-1, keepdim=True)
            output = torch.relu(hidden * w[:, None, :] + c[:, None, :])
            optimizer.zero_grad()
            (importance * (output - x) ** 2).mean((1, 2)).sum().backward()
            optimizer.step()
            if step + 1 in recorded:
                losses.append(held_out_losses(w.detach().numpy()[:, None, :], c.detach().numpy()))
        return losses

    w, c = torch.tensor(start["embedding"][:, 0, :]), torch.tensor(start["bias"])
    columns = train(w, c, CHECK_STEPS, recorded=(CHECK_STEPS // 2, CHECK_STEPS))
    curve = np.stack(columns, axis=1).tolist()
    shared = case.seeds == 1
    sizes = sorted({min(case.networks, size) for size in (1_000, 10_000, 100_000)})
    w, c = torch.randn(case.networks, 2), torch.zeros(case.networks, 2)

    def turn(size: int, steps: int) -> float:
        return stopwatch(lambda: train(w[:size], c[:size], steps, shared=shared))

    def cost_of(size: int) -> float:
        turn(size, 1)
        return min(turn(size, 3) for _ in range(3)) / size

    size = min(sizes, key=cost_of)
    threads = choose_threads(torch, lambda: turn(size, 3))
    steps = calibrate(lambda n: turn(size, n), case.seconds / 2)
    facts = {"threads": threads, "networks_at_once": size}
    return Prepared(lambda: (turn(size, steps), steps * size), curve, facts)
