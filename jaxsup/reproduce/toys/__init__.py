"""Toy models of superposition as sweeps: ReLU autoencoders relu(W^T W x + c) in published settings.

Every preset is a function that returns a `Sweep`; all sizes are arguments, so that a laptop can
run a small version. The kept parameters of the last step hold the trained weights.

Features are active independently with probability p and then uniform on [0, 1]; the loss is the
importance-weighted squared error averaged over samples and features, (1/N) sum_i r^(i-1) e_i.
`width_scaling` alone has other data: frequencies that fall as a power law, values on [0, 2].

References: Elhage et al., "Toy Models of Superposition", arXiv 2209.10652, and its public notebook;
"Spectral Superposition: A Theory of Feature Geometry", arXiv 2602.02224, its closed-form loss and
its public repository; Liu, Liu, Gore, "Superposition yields robust neural scaling", arXiv
2505.10465, with its scripts.
"""

from jaxsup.reproduce.toys.capacity import binned_sparsity_sweep as binned_sparsity_sweep
from jaxsup.reproduce.toys.capacity import capacity_sweep as capacity_sweep
from jaxsup.reproduce.toys.capacity import graded_sparsity_sweep as graded_sparsity_sweep
from jaxsup.reproduce.toys.elhage import PUBLISHED_OPTIMIZER as PUBLISHED_OPTIMIZER
from jaxsup.reproduce.toys.elhage import elhage_geometry as elhage_geometry
from jaxsup.reproduce.toys.elhage import elhage_introduction as elhage_introduction
from jaxsup.reproduce.toys.elhage import instance_densities as instance_densities
from jaxsup.reproduce.toys.elhage import notebook_scale as notebook_scale
from jaxsup.reproduce.toys.elhage import two_feature_phases as two_feature_phases
from jaxsup.reproduce.toys.one_active import one_active as one_active
from jaxsup.reproduce.toys.width_scaling import width_scaling as width_scaling

__all__ = [
    "PUBLISHED_OPTIMIZER",
    "binned_sparsity_sweep",
    "capacity_sweep",
    "elhage_geometry",
    "elhage_introduction",
    "graded_sparsity_sweep",
    "instance_densities",
    "notebook_scale",
    "one_active",
    "two_feature_phases",
    "width_scaling",
]
