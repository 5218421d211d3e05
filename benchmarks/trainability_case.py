"""What all contenders of the trainability map train."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Case:
    """One size and precision.

    Attributes:
        side: rates of W, and of b, on the grid.
        check_steps: steps of the curve that is compared, for the largest of the rates.
        seconds: how long a turn lasts.
        folder: where the first contender leaves the start.
    """

    features: int
    latent: int
    side: int
    x64: bool
    check_steps: int = 50
    seconds: float = 2.0
    folder: str = ""

    @property
    def rates(self) -> tuple[list[float], list[float]]:
        """Rates of W and of b, a tenth and less of the start's inverse curvature, about."""
        fractions = [0.1 * (k + 1) / self.side for k in range(self.side)]
        return (
            [x * self.latent / self.features for x in fractions],
            [x / self.features for x in fractions],
        )
