"""Feature distributions: what the networks see, with exact moments and samplers.

Every distribution offers ``sample_batch(key, batch)``, independent draws of shape [batch,
features]; the package's own also ``moments()``, their exact first and second moments.
"""

from jaxsup.experiment.features.base import AbstractFeatures as AbstractFeatures
from jaxsup.experiment.features.gaussian import CorrelatedFeatures as CorrelatedFeatures
from jaxsup.experiment.features.gaussian import GaussianFeatures as GaussianFeatures
from jaxsup.experiment.features.groups import GroupedFeatures as GroupedFeatures
from jaxsup.experiment.features.hierarchy import HierarchicalFeatures as HierarchicalFeatures
from jaxsup.experiment.features.one_active import OneActiveFeatures as OneActiveFeatures
from jaxsup.experiment.features.power_law import PowerLawFeatures as PowerLawFeatures
from jaxsup.experiment.features.power_law import SparseFeatures as SparseFeatures
