"""Bottleneck students in PyTorch: the loop a researcher writes, and torch.func over an ensemble."""

from collections.abc import Sequence
from typing import Any

from benchmarks.devices import choose_threads, torch_stopwatch, use_torch
from benchmarks.held_out import frequencies, load_start, losses
from benchmarks.turns import Prepared, calibrate


def _starts(torch: Any, case: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Starting weights of the compared networks, and their frequencies [networks, features]."""
    import numpy as np

    start = load_start(case["folder"])
    laws = [frequencies(case["features"], a) for a in start["exponents"]]
    tensors = {name: torch.tensor(array) for name, array in start.items()}
    return tensors, torch.tensor(np.stack(laws), dtype=torch.float32)


def _recorded(case: dict[str, Any]) -> list[int]:
    return [case["check_steps"] // 4, case["check_steps"] // 2, case["check_steps"]]


def eager_loop(case: dict[str, Any]) -> Prepared:
    """One network at a time: a module, autograd, torch.optim.SGD."""
    torch = use_torch(case.get("device", "cpu"), case.get("precision", "float32"))
    torch.manual_seed(0)
    start, laws = _starts(torch, case)
    batch = case["batch"]

    class BottleneckStudent(torch.nn.Module):
        def __init__(self, W: Any, B: Any, c: Any) -> None:
            super().__init__()
            self.register_buffer("W", W)
            self.B = torch.nn.Parameter(B.clone())
            self.c = torch.nn.Parameter(c.clone())

        def forward(self, x: Any) -> Any:
            return torch.relu(x @ self.W.T @ self.B.T @ self.W + self.c)

    def sample(p: Any, rows: int) -> Any:
        active = torch.rand(rows, len(p)) < p
        return active * (2.0 * torch.rand(rows, len(p)))

    def loss_of(model: Any, x: Any) -> Any:
        return 0.5 * ((model(x) - x) ** 2).sum(1).mean()

    def train(network: int, steps: int, recorded: Sequence[int] = ()) -> list[tuple[Any, Any]]:
        model = BottleneckStudent(*(start[name][network] for name in ("embedding", "core", "bias")))
        optimizer = torch.optim.SGD([model.B, model.c], lr=case["learning_rate"])
        p = laws[network]
        snapshots = []
        for step in range(1, steps + 1):
            optimizer.zero_grad()
            loss_of(model, sample(p, batch)).backward()
            optimizer.step()
            if step in recorded:
                snapshots.append((_array(model.B), _array(model.c)))
        return snapshots

    networks = range(case["checked"])
    runs = [train(network, case["check_steps"], _recorded(case)) for network in networks]
    curve = [
        _judged(start, [B for B, _ in arrays], [c for _, c in arrays])
        for arrays in zip(*runs, strict=True)
    ]
    threads = choose_threads(torch, lambda: train(0, 5))
    steps = calibrate(
        lambda n: torch_stopwatch(torch, lambda: train(0, n)), case["seconds"] / 2, first=3
    )
    turn = lambda: (torch_stopwatch(torch, lambda: train(0, steps)), steps)  # noqa: E731
    return Prepared(turn, _by_network(curve), {"steps": steps, "threads": threads})


def _judged(start: dict[str, Any], cores: Any, biases: Any) -> Any:
    """Held-out loss of each network at one recorded step."""
    count = len(cores)
    return losses(_array(start["embedding"])[:count], cores, biases, _array(start["exponents"]))


def _array(tensor: Any) -> Any:
    """A tensor's numbers as they are now, on the host."""
    return tensor.detach().cpu().numpy().copy()


def _by_network(curve: list[Any]) -> list[list[float]]:
    return [[float(x) for x in network] for network in zip(*curve, strict=True)]


def vmapped_ensemble(case: dict[str, Any]) -> Prepared:
    """All networks at once: torch.func.grad under torch.func.vmap, stacked parameters.

    In groups of the size, out of a few, that was fastest on this machine.
    """
    torch = use_torch(case.get("device", "cpu"), case.get("precision", "float32"))
    torch.manual_seed(0)
    start, laws = _starts(torch, case)
    batch, features, rate = case["batch"], case["features"], case["learning_rate"]

    def loss_of(learned: dict[str, Any], W: Any, x: Any) -> Any:
        output = torch.relu(x @ W.T @ learned["B"].T @ W + learned["c"])
        return 0.5 * ((output - x) ** 2).sum(1).mean()

    gradient = torch.func.vmap(torch.func.grad(loss_of))

    def sample(p: Any, rows: int) -> Any:
        shape = (len(p), rows, features)
        return (torch.rand(shape) < p[:, None, :]) * (2.0 * torch.rand(shape))

    def train(which: Any, steps: int, recorded: Sequence[int] = ()) -> list[Any]:
        W, p = start["embedding"][which], laws[which]
        learned = {"B": start["core"][which].clone(), "c": start["bias"][which].clone()}
        snapshots = []
        for step in range(1, steps + 1):
            slopes = gradient(learned, W, sample(p, batch))
            for name, value in learned.items():
                value -= rate * slopes[name]
            if step in recorded:
                snapshots.append([_array(value) for value in learned.values()])
        return snapshots

    members = torch.arange(case["checked"])
    snapshots = train(members, case["check_steps"], _recorded(case))
    curve = [_judged(start, *snapshot) for snapshot in snapshots]
    sizes = {case["networks"], max(1, case["networks"] // 8), min(4, case["networks"])}

    def cost_of(size: int) -> float:
        which = torch.arange(size) % len(members)
        train(which, 1)
        return torch_stopwatch(torch, lambda: train(which, 3)) / size

    size = min(sorted(sizes), key=cost_of)
    which = torch.arange(size) % len(members)
    threads = choose_threads(torch, lambda: train(which, 3))
    steps = calibrate(
        lambda n: torch_stopwatch(torch, lambda: train(which, n)), case["seconds"] / 2
    )
    turn = lambda: (torch_stopwatch(torch, lambda: train(which, steps)), steps * size)  # noqa: E731
    facts = {"networks_at_once": size, "threads": threads}
    return Prepared(turn, _by_network(curve), facts)
