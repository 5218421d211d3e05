"""What the presets share: sparse data and the default record."""

from jaxsup.experiment.features import PowerLawFeatures
from jaxsup.experiment.record import Record


def sparse_features(count: int, density: float) -> PowerLawFeatures:
    """Features that are active with the same probability, uniform on [0, 1]."""
    return PowerLawFeatures(count, 0.0, density=density, values="unit", normalize=False)


def last_kept(steps: int) -> Record:
    """32 log-spaced steps, the loss from 4,096 samples, and the last parameters."""
    return Record(points=32, parameter_steps=(steps,), evaluation_samples=4096)
