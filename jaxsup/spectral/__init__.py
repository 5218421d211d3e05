"""Eigenspaces of the frame operator F = W W^T, and how the features (columns of W) use them.

`W` is always [latent, features] (K x N). F (K x K) and the Gram matrix W^T W (N x N) share their
non-zero spectrum: the smaller one is decomposed, at full precision, after W has been divided by the
power of two that brings its largest entry to order one. Two relative tolerances shape the result:

- rank: eigenvalues below `rank_tolerance` times the largest count as zero. The default, r =
  4 sqrt(max(K, N)) machine epsilons, covers the rounding of the product (Higham & Mary 2019,
  probabilistic bound) and of the eigensolver. A column is "not represented" when its squared norm
  is below r times the largest one, or when most of it lies in the numerical null space. What F
  loses, singular values below sqrt(r) times the largest one, `certify` finds by an SVD in float64.
- clusters: sorted eigenvalues whose neighbors differ by at most `relative_tolerance` times the
  largest eigenvalue are chained into one eigenspace; `spreads` shows how far a chain reaches.

Gradients exist at exact degeneracy. Derivatives are taken at fixed clusters from the gaps *between*
them, so what does not depend on the basis inside an eigenspace (projectors, measures, mean
eigenvalues, tightness where it is not zero) has its true derivative; ranks, counts and the
assignment of features to eigenspaces are piecewise constant.

On a CPU, matrices are decomposed one after the other by the thread that asks
(`jaxsup._internal.serial`), and a large batch is shared out to a thread a core, of which none has
BLAS threads below it (unless OPENBLAS_NUM_THREADS is set).

In shapes, "eigenspaces" are the distinct eigenvalues and "eigenvalues" all min(K, N) of them, with
multiplicity. `decompose` returns all that a spectrum says. Single numbers without one are in the
modules: `capacities`, `frame_operator`, `gram_matrix`, `feature_norms` and `squared_overlaps` in
`jaxsup.spectral.frame`, `coherence` and `mean_squared_cosine` in `jaxsup.spectral.overlap`; the
linear law and the entropy over bins in `jaxsup.spectral.measures`; what random matrices show in
`jaxsup.spectral.nulls`.

References: "Spectral Superposition: A Theory of Feature Geometry", arXiv 2602.02224; Elhage et al.,
"Toy Models of Superposition", arXiv 2209.10652; Benedetto & Fickus, Adv. Comput. Math. 18 (2003);
Welch, IEEE Trans. Inf. Theory 20 (1974).
"""

from jaxsup.spectral.batch import decompose_batch as decompose_batch
from jaxsup.spectral.certificate import certify as certify
from jaxsup.spectral.represented import represented as represented
from jaxsup.spectral.spectrum import FrameSpectrum as FrameSpectrum
from jaxsup.spectral.spectrum import decompose as decompose

__all__ = [
    "FrameSpectrum",
    "certify",
    "decompose",
    "decompose_batch",
    "represented",
]
