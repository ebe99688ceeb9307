"""What is pruned in one variant of a study, checked before anything is loaded."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from network_prune.errors import ArgumentError, check_choice, check_fraction

if TYPE_CHECKING:
    from torch import nn

    from network_prune.core.prunable import PrunableSet

METHODS = {"connections": "connection", "neurons": "neuron", "weights": "weight"}
SCOPES = ("global", "layer")
SCORES = ("l1", "l2", "mean-l1", "lamp", "taylor", "gradient", "random")
LEARNED = ("taylor", "gradient")
LAYERS = {
    "conv1d": "Conv1d",
    "conv2d": "Conv2d",
    "conv3d": "Conv3d",
    "convtranspose1d": "ConvTranspose1d",
    "convtranspose2d": "ConvTranspose2d",
    "convtranspose3d": "ConvTranspose3d",
    "linear": "Linear",
}


@dataclass(frozen=True, slots=True)
class PruneSettings:
    """A method with all that decides what one draw prunes.

    Raises:
        ArgumentError: when made with a value outside what is allowed.
    """

    method: str
    p_prune: float
    p_bern: float
    score: str
    scope: str
    layers: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    seed: int
    index: int
    with_norm: bool = False

    def __post_init__(self) -> None:
        check_fraction("p_prune", self.p_prune)
        check_fraction("p_bern", self.p_bern)
        check_choice("method", self.method, METHODS)
        check_choice("scope", self.scope, SCOPES)
        check_score(self.score)
        check_layers(self.layers)
        if self.with_norm and self.method != "neurons":
            raise ArgumentError(f"--with-norm goes with --method neurons, not {self.method}")
        for name in ("seed", "index"):
            value = getattr(self, name)
            if not 0 <= value < 2**64:
                raise ArgumentError(
                    f"{name}={value} is outside [0, 2**64 - 1]; pass one from there"
                )

    @property
    def learns(self) -> bool:
        """Whether the score is computed on images."""
        return self.score in LEARNED

    @property
    def layer_names(self) -> list[str]:
        """The layer types as the user wrote them, in lower case."""
        return _split(self.layers)

    def at(self, **changes: Any) -> Self:
        """Return a copy with other values in some fields."""
        return dataclasses.replace(self, **changes)

    def rank(self, model: "nn.Module", data: Iterable[Any] | None = None) -> "PrunableSet":
        """Return the prunable set of ``model``; ``data`` are the batches of a score that learns."""
        from network_prune.pruning.ranking.rank import rank

        return rank(
            model,
            METHODS[self.method],
            p_prune=self.p_prune,
            data=data,
            scope=self.scope,
            **self.choice_of_layers(),
        )

    def choice_of_layers(self) -> dict[str, Any]:
        """Return the options of `rank` that say which layers are ranked, and how."""
        from torch import nn

        return {
            "score": self.score,
            "layers": [getattr(nn, LAYERS[name]) for name in self.layer_names],
            "include": self.include,
            "exclude": self.exclude,
        }


def check_score(score: str) -> None:
    """Raise an ArgumentError unless ``score`` names one, with what may stand behind a colon."""
    check_choice("score", score.partition(":")[0], SCORES)


def check_layers(layers: str) -> None:
    """Raise an ArgumentError unless ``layers`` names layer types, with commas."""
    for name in _split(layers):
        check_choice("layer type", name, LAYERS)


def _split(layers: str) -> list[str]:
    return [name.strip().lower() for name in layers.split(",")]
