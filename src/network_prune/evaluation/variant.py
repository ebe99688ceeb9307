"""The points of a study: which network, and what is pruned of it."""

import dataclasses
import glob
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from network_prune.options import LEARNED, METHODS, OPTIONS, layer_types, split_names

if TYPE_CHECKING:
    from torch import nn

    from network_prune.core.prunable import PrunableSet

_TENSORS: str = OPTIONS["tensors"].default
# What earlier versions had no word for: only said where it isn't this, so that keys stay.
LATER: Final[Mapping[str, Any]] = {"tensors": [_TENSORS]}


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
    tensors: str = _TENSORS

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
        values = dataclasses.asdict(self)
        values |= {name: split_names(values[name]) for name in ("layers", "tensors")}
        return {name: v for name, v in values.items() if name not in LATER or v != LATER[name]}

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
            layers=[getattr(nn, name) for name in layer_types(self.layers)],
            tensors=split_names(self.tensors),
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
