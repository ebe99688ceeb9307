"""The points of a study: which network, and what is pruned of it."""

import dataclasses
import glob
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from network_prune.options import LAYERS, LEARNED, METHODS, split_layers

if TYPE_CHECKING:
    from torch import nn

    from network_prune.core.prunable import PrunableSet


@dataclass(frozen=True, slots=True)
class Network:
    """A network of a study.

    Attributes:
        arch: its name, as ``--arch`` takes it.
        weights: which weights, as ``--weights`` takes it.
    """

    arch: str
    weights: str

    def __str__(self) -> str:
        return self.arch if self.weights == "default" else f"{self.arch} ({self.weights})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """All that decides what one draw prunes: the options of these names, checked already."""

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

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the variant among ``values``, which may hold others."""
        return cls(**{field.name: values[field.name] for field in dataclasses.fields(cls)})

    @property
    def learns(self) -> bool:
        """Whether the score is computed on images."""
        return self.score in LEARNED

    def to_dict(self) -> dict[str, Any]:
        """Return the options as plain data, for JSON."""
        return {**dataclasses.asdict(self), "layers": split_layers(self.layers)}

    def at(self, **changes: Any) -> Self:
        """Return a copy with other values in some fields."""
        return dataclasses.replace(self, **changes)

    def rank(self, model: "nn.Module", data: Iterable[Any] | None = None) -> "PrunableSet":
        """Return the prunable set of ``model``; ``data`` are the batches of a score that learns.

        Raises:
            NetworkPruneError: what `network_prune.rank` raises.
        """
        from torch import nn

        from network_prune.pruning.ranking.rank import rank

        return rank(
            model,
            METHODS[self.method],
            p_prune=self.p_prune,
            score=self.score,
            data=data,
            scope=self.scope,
            layers=[getattr(nn, LAYERS[name]) for name in split_layers(self.layers)],
            include=self.include,
            exclude=self.exclude,
        )

    def spelt_out(self, model: "nn.Module") -> "list[Self]":
        """Return a variant for each layer of scope ``alone``, which ranks one at a time; else this.

        Raises:
            NetworkPruneError: the layers can't be ranked.
        """
        if self.scope != "alone":
            return [self]
        whole = self.at(scope="layer", p_prune=0.0, score="l1").rank(model)
        names = [glob.escape(layer.name) for layer in whole.layers]
        return [self.at(scope="layer", include=(name,), exclude=()) for name in names]
