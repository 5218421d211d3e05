"""Draw the figures of docs/methods/exponents.md, of synthetic curves with a fixed seed.

python scripts/figures_of_methods.py --out docs/methods
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from jaxsup.fit import local_exponent, regimes
from jaxsup.plot.style import COLORS, STYLE

STEPS = np.unique(np.round(np.geomspace(1, 100_000, 100)))
SHADES = {
    "power-law": "#dfe7f3",
    "crossover": "#ffffff",
    "plateau": "#efe3c8",
    "cut-off": "#f4d6d0",
}
NOISE, SEEDS = 0.05, 5


def two_laws(steps: Any, center: float = 300.0, width: float = 0.2) -> Any:
    """t^-0.3, then t^-1.0, on a smooth way."""
    return steps**-0.3 * (1 + (steps / center) ** (1 / width)) ** (-0.7 * width)


def steady_climb(steps: Any) -> Any:
    """A local exponent that grows in proportion to log t, from 0.1 to 1.3."""
    x = np.log(steps)
    return np.exp(-0.1 * x - 0.6 * x**2 / x[-1])


CURVES = {
    "two laws": two_laws(STEPS),
    "two laws and a floor": two_laws(STEPS, 60) + two_laws(np.array([4e3]), 60)[0],
    "a law with a cut-off": STEPS**-0.4 * np.exp(-STEPS / 1e4),
    "a steady climb": steady_climb(STEPS),
}


def slope_of(curve: Any) -> Any:
    """-d log L / d log t without noise."""
    return -np.gradient(np.log(curve), np.log(STEPS))


def draw_example(axes: Any, title: str, curve: Any, loss: Any) -> None:
    """A curve and its stretches above, local exponents below."""
    found, local = regimes(STEPS, loss), local_exponent(STEPS, loss)
    upper, lower = axes
    upper.loglog(STEPS, loss.mean(0), ".", color=COLORS[0], markersize=3)
    upper.set_title(title)
    lower.semilogx(STEPS, slope_of(curve), color="#999999", linewidth=3, label="without noise")
    band = local.interval.T
    lower.fill_between(local.steps, *band, color=COLORS[3], alpha=0.3, linewidth=0)
    lower.semilogx(local.steps, local.exponent, color=COLORS[3], label="local exponent")
    for stretch in found.stretches:
        for axis in axes:
            axis.axvspan(*stretch.window, color=SHADES[stretch.kind], linewidth=0, zorder=0)
    for stretch in found.power_laws:
        first, last = stretch.window
        lower.fill_between([first, last], *stretch.interval, color=COLORS[2], alpha=0.4)
        lower.plot(
            [first, last], [stretch.exponent] * 2, color=COLORS[2], label="exponent of a power law"
        )
        middle = np.sqrt(first * last)
        lower.annotate(
            f"{stretch.exponent:.2f}",
            (middle, stretch.exponent),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            color=COLORS[2],
        )
    if found.floor is not None:
        upper.axhline(found.floor.value, color=COLORS[4], linestyle="--", linewidth=1)
    lower.set_xlabel("step t")


def draw_examples(path: Path) -> None:
    """Four curves side by side."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    rng = np.random.default_rng(20)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12, 5.2), layout="constrained")
        axes: Any = figure.subplots(2, len(CURVES), sharex=True)
        for column, (title, curve) in enumerate(CURVES.items()):
            noise = NOISE * rng.standard_normal((SEEDS, STEPS.size))
            draw_example(axes[:, column], title, curve, curve * (1 + noise))
            axes[1, column].set_ylim(-0.2, 1.6)
        axes[0, 0].set_ylabel("loss")
        axes[1, 0].set_ylabel(r"$\alpha(t) = -\,d \log L\,/\,d \log t$")
        handles, labels = axes[1, 0].get_legend_handles_labels()
        named = dict(zip(labels, handles, strict=True))
        patches = [
            Patch(facecolor=shade, edgecolor="#bbbbbb", label=kind)
            for kind, shade in SHADES.items()
        ]
        figure.legend(
            handles=[*named.values(), *patches], loc="outside lower center", ncols=len(named) + 4
        )
        figure.savefig(path)


def draw_bandwidths(path: Path) -> None:
    """What the bandwidth of local exponents costs and buys, on one curve."""
    from matplotlib.figure import Figure

    rng = np.random.default_rng(21)
    curve = two_laws(STEPS)
    loss = curve * (1 + 0.03 * rng.standard_normal(STEPS.size))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        axes: Any = figure.subplots(1, 3, sharey=True)
        for axis, bandwidth in zip(axes, (0.15, 0.35, 0.7), strict=True):
            local = local_exponent(STEPS, loss, bandwidth=bandwidth)
            axis.semilogx(STEPS, slope_of(curve), color="#999999", linewidth=3)
            axis.fill_between(
                local.steps, *local.interval.T, color=COLORS[3], alpha=0.3, linewidth=0
            )
            axis.semilogx(local.steps, local.exponent, color=COLORS[3])
            axis.set_title(f"bandwidth {bandwidth} decades")
            axis.set_xlabel("step t")
            axis.set_ylim(-0.5, 1.8)
        axes[0].set_ylabel(r"$\alpha(t)$")
        figure.savefig(path)


def main() -> None:
    """Write both figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/methods"), help="folder to write")
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    draw_examples(folder / "regimes.png")
    draw_bandwidths(folder / "local_exponents.png")


if __name__ == "__main__":
    main()
