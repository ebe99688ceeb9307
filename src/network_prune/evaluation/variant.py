"""The points of a study: which network, and what is pruned of it."""

import dataclasses
import glob
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from network_prune.by_layer import ByLayer
from network_prune.errors import ArgumentError
from network_prune.options import LEARNED, METHODS, OPTIONS, layer_types, split_names

if TYPE_CHECKING:
    from torch import nn

    from network_prune.pruning.prunable import PrunableSet

_TENSORS: str = OPTIONS["tensors"].default
# What earlier versions had no word for: only said where it isn't this, so that keys stay.
LATER: Final[Mapping[str, Any]] = {
    "tensors": [_TENSORS],
    "floor": 0.0,
    "by_layer": None,
    "recalibrate": None,
}


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
    """All that decides what one draw prunes: the options of these names, checked already.

    Attributes:
        by_layer: each layer's own p_prune, by path once the network is known. Then p_prune is
            their mean: plain first, and weighted by elements once the network is known.
        recalibrate: on how many images BatchNorms are recalibrated, None for not at all; no more
            than there are once the data is known.
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
    tensors: str = _TENSORS
    floor: float = 0.0
    by_layer: ByLayer | None = None
    recalibrate: int | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the variant among ``values``, which may hold others.

        Raises:
            ArgumentError: the values don't go together.
        """
        names = [field.name for field in dataclasses.fields(cls) if field.name != "by_layer"]
        own: dict[str, Any] = {name: values[name] for name in names}
        p_prune = own["p_prune"]
        if not isinstance(p_prune, ByLayer):
            return cls(**own)
        if own["scope"] == "alone":
            raise ArgumentError(
                "scope=alone prunes one layer at a time, and p_prune by layer prunes all; pass "
                "one p_prune, or leave out scope"
            )
        share = p_prune.mean([1] * len(p_prune))
        return cls(**own).at(p_prune=share, scope="layer", by_layer=p_prune)

    @property
    def p_prune_text(self) -> str:
        """What is prunable, for people."""
        return f"{self.p_prune:g}" if self.by_layer is None else str(self.by_layer)

    @property
    def learns(self) -> bool:
        """Whether the score is computed on images."""
        return self.score in LEARNED

    def to_dict(self) -> dict[str, Any]:
        """Return the options as plain data, for JSON."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values |= {name: split_names(values[name]) for name in ("layers", "tensors")}
        values["by_layer"] = self.by_layer and dict(self.by_layer)
        return {name: v for name, v in values.items() if name not in LATER or v != LATER[name]}

    def at(self, **changes: Any) -> Self:
        """Return a copy with other values in some fields."""
        return dataclasses.replace(self, **changes)

    def rank(self, model: "nn.Module", data: Iterable[Any] | None = None) -> "PrunableSet":
        """Return the prunable set of ``model``; ``data`` are the batches of a score that learns.

        Raises:
            NetworkPruneError: what `network_prune.rank` raises.
        """
        from network_prune.pruning.ranking.rank import rank

        return rank(model, **self.ranked_as(), data=data)

    def ranked_as(self) -> dict[str, Any]:
        """Return how a network is ranked, as `network_prune.rank` takes it by name."""
        from torch import nn

        return {
            "granularity": METHODS[self.method],
            "p_prune": self.p_prune if self.by_layer is None else self.by_layer,
            "score": self.score,
            "scope": self.scope,
            "floor": self.floor,
            "layers": [getattr(nn, name) for name in layer_types(self.layers)],
            "tensors": split_names(self.tensors),
            "include": self.include,
            "exclude": self.exclude,
        }

    def spelt_out(self, model: "nn.Module") -> "list[Self]":
        """Return a variant for each layer of scope ``alone``, which ranks one at a time; else one.

        That has the fractions of p_prune by layer under the layers' own paths.

        Raises:
            NetworkPruneError: the layers can't be ranked.
        """
        if self.scope != "alone" and self.by_layer is None:
            return [self]
        bare = self.at(scope="layer", p_prune=0.0, score="l1", floor=0.0, by_layer=None)
        whole = bare.rank(model)
        names = [layer.name for layer in whole.layers]
        if self.by_layer is None:
            patterns = map(glob.escape, names)
            return [self.at(scope="layer", include=(each,), exclude=()) for each in patterns]
        by_layer = self.by_layer.of(names)
        share = by_layer.mean(layer.element_count(whole.granularity) for layer in whole.layers)
        return [self.at(p_prune=share, by_layer=by_layer)]
