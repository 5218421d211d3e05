"""Classes of one's own: an activation, a student, a feature law, an observable and a figure.

    python examples/own_classes.py OUTPUT_FOLDER

Nothing of jaxsup is changed for them. What the package does not know is trained by the dense
update, which relies on the methods of the abstract classes alone: it is right, and slower than what
the package's own classes get (`jaxsup info` says which update trained what, and why not another).
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import xarray as xr
from jaxtyping import Array, Float, Key

import jaxsup
from jaxsup import plot
from jaxsup.fit.intervals import from_samples
from jaxsup.reproduce import AbstractFigure, Claim, Findings, Published, reproduce


# --8<-- [start:activation]
class Softshrink(jaxsup.AbstractActivation):
    """phi(z) = z - threshold where z > threshold, else 0: a ReLU that the bias cannot undo.

    `threshold` is a number: an axis "student.activation.threshold" scans it in one program.
    """

    threshold: float = 0.1

    def __call__(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """phi(z); its derivative follows by automatic differentiation."""
        return jnp.maximum(z - self.threshold, 0.0)


# --8<-- [end:activation]
# --8<-- [start:law]
class GroupedFeatures(jaxsup.AbstractFeatures):
    """Features in groups that are active together: x_i = u_g(i) v_i, u_g ~ Bernoulli(p).

    The package has a law of this kind, `jaxsup.experiment.features.GroupedFeatures`, which is also
    drawn as lists of active features: this one shows how little a law has to say.

    Arguments:
        count: number of features N, a multiple of `size`.
        size: features in a group.
        probability: p, that a group is active.
    """

    count: int = eqx.field(static=True)
    size: int = eqx.field(static=True)
    probability: float

    def sample_batch(self, key: Key[Array, ""], batch: int) -> Float[Array, "batch features"]:
        """Independent draws of x, values uniform on [0, 1]."""
        group_key, value_key = jax.random.split(key)
        groups = self.count // self.size
        active = jax.random.bernoulli(group_key, self.probability, (batch, groups))
        values = jax.random.uniform(value_key, (batch, self.count))
        return jnp.where(jnp.repeat(active, self.size, axis=1), values, 0.0)


# --8<-- [end:law]
# --8<-- [start:student]
class SkipParameters(eqx.Module):
    """Arrays of `SkipStudent`; the name `embedding` lets the observables of the geometry read W."""

    embedding: Float[Array, "latent features"]
    skip: Float[Array, " features"]


class SkipStudent(jaxsup.AbstractStudent):
    """phi(W^T W x + s x): an autoencoder with a learned direct path s for each feature."""

    latent: int = eqx.field(static=True)
    activation: jaxsup.AbstractActivation = jaxsup.ReLU()

    def init_parameters(self, key: Key[Array, ""], count: int) -> SkipParameters:
        """Random unit columns, and no direct path."""
        W = jax.random.normal(key, (self.latent, count))
        return SkipParameters(W / jnp.linalg.norm(W, axis=0, keepdims=True), jnp.zeros(count))

    def outputs(
        self, parameters: SkipParameters, x: Float[Array, "batch features"]
    ) -> Float[Array, "batch features"]:
        """The output for each row of x."""
        W = parameters.embedding
        return self.activation(x @ W.T @ W + parameters.skip[None, :] * x)


# --8<-- [end:student]
# --8<-- [start:observable]
class GroupOverlap(jaxsup.Observable):
    """Mean squared cosine of directions within groups: do features that meet share a direction?"""

    size: int = eqx.field(static=True)
    name: str = eqx.field(static=True, default="group_overlap")
    dims: tuple[str, ...] = eqx.field(static=True, default=("group",))
    long_name: str = eqx.field(static=True, default="mean squared cosine within a group")
    units: str = eqx.field(static=True, default="1")

    def measure(self, network: jaxsup.Network) -> Float[Array, " groups"]:
        """One number a group; NaN without an embedding."""
        W = network.array("embedding")
        if W is None:
            return jnp.full(network.errors.size // self.size, jnp.nan)
        U = W / jnp.linalg.norm(W, axis=0, keepdims=True)
        members = U.T.reshape(-1, self.size, U.shape[0])
        cosines = jnp.einsum("gik,gjk->gij", members, members)
        pairs = self.size * (self.size - 1)
        return (jnp.sum(cosines**2, axis=(1, 2)) - self.size) / pairs


# --8<-- [end:observable]
# --8<-- [start:figure]
@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the experiment is."""

    features: int
    steps: int
    seeds: int


class GroupsFigure(AbstractFigure[Scale]):
    """Directions of features that are active together, along training."""

    name = "groups"
    title = "Directions of features that are active together, along training."
    scales = {"smoke": Scale(12, 200, 2), "quick": Scale(48, 4000, 8)}  # noqa: RUF012

    def configure(self, scale: Scale) -> jaxsup.Sweep:
        """The sweep over thresholds, widths and seeds."""
        experiment = jaxsup.Experiment(
            GroupedFeatures(scale.features, 3, 0.2),
            jaxsup.DiagonalTeacher(0.0),
            SkipStudent(scale.features // 3, Softshrink(0.0)),
            jaxsup.SGD(0.3),
            batch_size=64,
            steps=scale.steps,
            record=jaxsup.Record(points=12, observables=("rank", GroupOverlap(3))),
        )
        axes = {
            "student.activation.threshold": [0.0, 0.1],
            "student.latent": [scale.features // 4, scale.features // 3],
        }
        return jaxsup.Sweep(experiment, axes, scale.seeds)

    def measure(self, dataset: xr.Dataset, sweep: jaxsup.Sweep) -> Findings:
        """Overlap within groups at the end, beside that of random directions, 1 / K."""
        overlap = dataset["group_overlap"].isel(step=-1).mean("group")
        means = overlap.mean("seed").to_dataframe(name="overlap").reset_index()
        figure, (left, right) = plot.new_figure(2)
        curves = dataset.isel({"student.activation.threshold": 0})
        plot.loss_curves(curves, left)
        mean = curves["group_overlap"].mean("group", keep_attrs=True)
        plot.observable_curves(curves.assign(group_overlap=mean), "group_overlap", right)
        claim = Claim(
            "overlap within groups, threshold 0",
            "Features that are active together overlap less than random directions, 1/K.",
            "no paper",
            Published(0.0, 1 / sweep.experiment.student.latent, "below 1/K"),
            from_samples(overlap.isel({"student.activation.threshold": 0}).values[-1]),
        )
        return Findings(means.to_dict("records"), [means.to_string()], figure, [claim])


# --8<-- [end:figure]
# --8<-- [start:main]
def main(out: Path, scale: str = "smoke") -> None:
    """Reproduce the figure of one's own, as `jaxsup reproduce` does those of the package."""
    report = reproduce(GroupsFigure(), scale, out)
    print("\n".join(report.lines()))


# --8<-- [end:main]
if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
