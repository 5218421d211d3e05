"""Train thousands of small teacher-student networks at once; measure how and what they learn.

    sweep = jaxsup.Sweep(experiment, axes={"a": [1.1, 1.5], "K": [8, 16, 32]}, seeds=4)
    dataset = jaxsup.run(sweep, "runs/mine")
    dataset.jaxsup.exponents()
    dataset.jaxsup.plot()

What is trained, and how:

    Experiment          features, teacher, student, optimizer, and what else a run needs
    PowerLawFeatures, SparseFeatures, GaussianFeatures, CorrelatedFeatures, OneActiveFeatures
    DiagonalTeacher, MatrixTeacher, ElementwiseTeacher
    Student, HiddenLayerStudent
    ReLU, LeakyReLU, GELU, Abs, Identity        activations
    SGD, Adam, AdamW, NormAdamW, WarmupCosine   optimizers, and a schedule of their rate
    Record, Observable, Network                 what is recorded, and when

Classes of your own derive from AbstractFeatures, AbstractTeacher, AbstractStudent,
AbstractActivation, AbstractOptimizer, Observable.

Training:

    simulate            one network
    Sweep, run          many: every point of a grid with every seed, to a labeled dataset
    open_store          the dataset that `run` wrote into a folder

Measuring:

    fit_power_law       the exponent of one loss curve, or why it has none
    measure_exponents   the exponents of a dataset
    fit                 regimes, local exponents, scaling laws
    theory              closed forms of loss curves and losses
    spectral            eigenspaces of W W^T, and how features use them
    geometry            names of feature geometries
    weights             matrices of other people's models
    plot                pictures of all of these
    reproduce           published figures, and sweeps of published settings

``help(jaxsup.run)`` or ``help(jaxsup.plot)`` tells more. Names are imported when they are first
used, so that the command answers before JAX is loaded. Importing this package also gives datasets
of xarray the accessor ``dataset.jaxsup``, see `jaxsup.sweep.accessor`.
"""

# `help` writes out all that `__all__` names, the 40 classes of this package with every method:
# the text above says it in a page. Names and completion are those of ``__init__.pyi``.
import lazy_loader

from jaxsup._internal import when_imported as _when_imported

__version__ = "0.1.0"

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)


def _register_accessor() -> None:
    from jaxsup.sweep import accessor  # noqa: F401 - which registers itself


_when_imported.when_imported("xarray", _register_accessor)
