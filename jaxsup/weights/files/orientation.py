"""What rows and columns of a stored matrix are: by who says so, its name, or its longer side."""

from typing import Literal, NamedTuple

from jaxsup._internal.validation import check_choice

ORIENTATIONS = ("latent-features", "features-latent")
"""What the rows and the columns of a stored matrix are, in this order."""

Reason = Literal["given", "name", "longer side", "square"]

# Modules that look up a row for each token or position, where their name does not say so itself.
_LOOK_UPS = {"wte", "wpe"}
# What PyTorch, and Flax, call the matrix of a module.
_MATRICES = {"weight", "embedding"}


class Orientation(NamedTuple):
    """What rows and columns of a stored matrix are, and who says so.

    Attributes:
        value: one of `ORIENTATIONS`.
        reason: "given", or why it is assumed: by "name", or as features are the "longer side", or,
            of a "square", columns.
    """

    value: str
    reason: Reason

    def describe(self) -> str:
        """One line, with the option that turns the matrix."""
        rows, columns = self.value.split("-")
        why = {
            "given": "as given",
            "name": "assumed by its name, that of an embedding; --orientation turns it",
            "longer side": "assumed: the longer side is the features; --orientation turns it",
            "square": "assumed, as it is square; --orientation turns it",
        }[self.reason]
        return f"rows are {rows}, columns are {columns} ({why})"


def settle_orientation(name: str, shape: tuple[int, int], given: str | None = None) -> Orientation:
    """What is given, or the rows of an embedding, or the longer side, or the columns of a square.

    PyTorch's nn.Linear stores [outputs, inputs], the Conv1D of GPT-2 [inputs, outputs], and neither
    says which of the two are features: that is a choice, and the longer side a guess. An embedding
    (`nn.Embedding`) has a row for each token or position, which its name tells: the module that
    holds `weight` (or Flax's `embedding`) is wte or wpe, or its name has "embed" in it, but not
    "unembed".

    Arguments:
        name: of the tensor, with dots or slashes between modules; empty where it has none.
        shape: as stored.
        given: what rows and columns are, where that is known: it decides.

    Raises:
        ValueError: `given` is no orientation.

    >>> settle_orientation("h.0.mlp.c_fc.weight", (768, 3072)).describe()[:45]
    'rows are latent, columns are features (assume'
    >>> settle_orientation("bert.position_embeddings.weight", (512, 768))
    Orientation(value='features-latent', reason='name')
    """
    if given is not None:
        check_choice("orientation", given, ORIENTATIONS)
        return Orientation(given, "given")
    if is_embedding(name):
        return Orientation("features-latent", "name")
    rows, columns = shape
    if rows == columns:
        return Orientation("latent-features", "square")
    return Orientation("features-latent" if rows > columns else "latent-features", "longer side")


def is_embedding(name: str) -> bool:
    """Whether a tensor's name says that it has a row for each token or position.

    A bare "embedding" says nothing: an autoencoder's W [latent, features] goes by it, too.
    """
    *modules, matrix = name.replace("/", ".").split(".")
    if not modules or matrix not in _MATRICES:
        return False
    module = modules[-1].lower()
    return module in _LOOK_UPS or ("embed" in module and "unembed" not in module)
