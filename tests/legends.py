"""What the legend of a picture says."""

from matplotlib.axes import Axes


def legend_texts(ax: Axes) -> list[str]:
    """The labels in an axis's legend, minus signs as keyboards have them."""
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text().replace("−", "-") for text in legend.get_texts()]
