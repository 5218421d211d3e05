"""The package's own laws, for what must know them apart from others."""

from jaxsup.experiment.features.gaussian import CorrelatedFeatures, GaussianFeatures
from jaxsup.experiment.features.groups import GroupedFeatures
from jaxsup.experiment.features.hierarchy import HierarchicalFeatures
from jaxsup.experiment.features.one_active import OneActiveFeatures
from jaxsup.experiment.features.power_law import PowerLawFeatures, SparseFeatures

FEATURES = (
    PowerLawFeatures,
    SparseFeatures,
    GaussianFeatures,
    CorrelatedFeatures,
    OneActiveFeatures,
    GroupedFeatures,
    HierarchicalFeatures,
)
"""Every law of the package."""
