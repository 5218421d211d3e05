"""The trainability map in PyTorch: one point at a time, and torch.func over the whole grid."""

from typing import Any

from benchmarks.devices import choose_threads, use_torch
from benchmarks.held_out import load_start
from benchmarks.trainability_case import Case
from benchmarks.turns import Prepared, calibrate, stopwatch


def _prepare(case: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    """torch, the start, and the published loss."""
    torch = use_torch()
    dtype = torch.float64 if case["x64"] else torch.float32
    start = load_start(case["folder"])
    W, b = (torch.tensor(start[name], dtype=dtype) for name in ("embedding", "bias"))
    off_diagonal = 1.0 - torch.eye(case["features"], dtype=dtype)

    def loss_of(W: Any, b: Any) -> Any:
        output = torch.relu(W.T @ W + b[:, None])
        diagonal = torch.diagonal(output)
        return ((1.0 - diagonal) ** 2).sum() + (off_diagonal * output**2).sum()

    return torch, W, b, loss_of


def eager_loop(case: dict[str, Any]) -> Prepared:
    """Autograd and plain gradient descent on one network."""
    torch, W, b, loss_of = _prepare(case)
    rates, bias_rates = Case(**case).rates

    def train(steps: int) -> list[Any]:
        weights = W.clone().requires_grad_(True)
        bias = b.clone().requires_grad_(True)
        groups = [{"params": [weights], "lr": rates[-1]}, {"params": [bias], "lr": bias_rates[-1]}]
        optimizer = torch.optim.SGD(groups)
        curve = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = loss_of(weights, bias)
            loss.backward()
            optimizer.step()
            curve.append(loss.detach())
        return [*curve, loss_of(weights, bias).detach()]

    curve = [float(loss) for loss in train(case["check_steps"])]
    threads = choose_threads(torch, lambda: train(20))
    steps = calibrate(lambda n: stopwatch(lambda: train(n)), case["seconds"] / 2, first=10)
    return Prepared(lambda: (stopwatch(lambda: train(steps)), steps), curve, {"threads": threads})


def vmapped_grid(case: dict[str, Any]) -> Prepared:
    """torch.func.grad under torch.func.vmap, in groups of the faster of two sizes."""
    torch, W, b, loss_of = _prepare(case)
    rates, bias_rates = (torch.tensor(x, dtype=W.dtype) for x in Case(**case).rates)
    gradient = torch.func.vmap(torch.func.grad(loss_of, argnums=(0, 1)))
    grid = torch.cartesian_prod(rates, bias_rates)

    def train(points: Any, steps: int) -> tuple[Any, Any]:
        weights, bias = W.repeat(len(points), 1, 1), b.repeat(len(points), 1)
        for _ in range(steps):
            by_weights, by_bias = gradient(weights, bias)
            weights -= points[:, :1, None] * by_weights
            bias -= points[:, 1:] * by_bias
        return weights, bias

    curve = []
    for steps in range(case["check_steps"] + 1):
        weights, bias = train(grid[-1:], steps)
        curve.append(float(loss_of(weights[0], bias[0])))
    sizes = sorted({len(grid), min(len(grid), 16)})
    costs = {}
    for size in sizes:
        train(grid[:size], 1)
        costs[size] = min(stopwatch(lambda n=size: train(grid[:n], 3)) for _ in range(3)) / size
    size = min(costs, key=costs.__getitem__)
    threads = choose_threads(torch, lambda: train(grid[:size], 3))
    steps = calibrate(lambda n: stopwatch(lambda: train(grid[:size], n)), case["seconds"] / 2)
    facts = {"threads": threads, "networks_at_once": size}
    return Prepared(
        lambda: (stopwatch(lambda: train(grid[:size], steps)), steps * size), curve, facts
    )
