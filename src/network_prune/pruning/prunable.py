"""The prunable set of a network, and the draws that are made from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import lru_cache, partial
from os import PathLike
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from network_prune.by_layer import ByLayer
from network_prune.core.elements import ElementSet
from network_prune.core.files import read_elements, write_elements
from network_prune.core.layers import Granularity, Layer, Scope
from network_prune.core.streams import bernoulli_bits, check_stream_number
from network_prune.display.html import html_table
from network_prune.errors import check_fraction
from network_prune.plain_text import plain
from network_prune.pruning.given import AnyNetwork, module_of
from network_prune.pruning.ranking.found_masks import find_masked


@dataclass(frozen=True, repr=False)
class _Chosen:
    """Elements that were chosen from a network, and what is read off them."""

    # What a file of it holds: its name, and what reads the value of each field but the elements.
    _kind: ClassVar[str]
    _settings: ClassVar[Mapping[str, Callable[[Any], Any]]]
    _are: ClassVar[str]

    elements: ElementSet

    def __len__(self) -> int:
        return len(self.elements)

    @property
    def granularity(self) -> Granularity:
        """What an element is."""
        return self.elements.granularity

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The ranked layers in the network's order."""
        return self.elements.layers

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of granularity, layer names and shapes."""
        return self.elements.fingerprint

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the fingerprint and the chosen elements."""
        return self.elements.sha256

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in self._said().items())
        chosen = f"{len(self)} of {self.elements.all_count} {self.granularity.plural}"
        return plain(f"{type(self).__name__}({chosen} in {len(self.layers)} layers, {settings})")

    def _repr_html_(self) -> str:
        counts = self.elements.counts
        sizes = {layer.name: layer.element_count(self.granularity) for layer in self.layers}
        return html_table(
            ["layer", self.granularity.plural, self._are, "share"],
            [(name, n, counts[name], f"{counts[name] / n:.2%}") for name, n in sizes.items()],
            caption=repr(self),
        )

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a safetensors file; an older file of that name is replaced whole.

        Raises:
            RunError: the file can't be written.
        """
        settings = {
            name: dict(value) if isinstance(value, ByLayer) else value
            for name, value in self._said().items()
        }
        write_elements(path, self.elements, kind=self._kind, settings=settings)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises:
            SourceError: the file is missing, damaged or something else.
        """
        usual = {each.name: each.default for each in fields(cls) if each.default is not MISSING}
        elements, settings = read_elements(
            path, kind=cls._kind, settings=cls._settings, usual=usual
        )
        return cls(elements, **settings)

    def _said(self) -> dict[str, Any]:
        """Return the settings, without those that files of earlier versions lack and are usual."""
        usual = {each.name: each.default for each in fields(self)}
        values = {name: getattr(self, name) for name in self._settings}
        return {name: value for name, value in values.items() if value != usual[name]}


def _or_none(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


@dataclass(frozen=True, repr=False)
class Draw(_Chosen):
    """One realisation of the Bernoulli draw over a prunable set, or masks made elsewhere.

    Made by `PrunableSet.draw` or `from_model`; holds no reference to a network. Two draws
    are equal if they prune the same elements under the same name.

    Attributes:
        elements: the pruned elements.
        p_bern: probability that a prunable element is pruned; None if nothing was drawn.
        seed: first part of the draw's name; None if nothing was drawn.
        index: second part of the draw's name; None if nothing was drawn.
    """

    _kind = "draw"
    _are = "pruned"
    _settings: ClassVar = {
        "p_bern": _or_none(partial(check_fraction, "p_bern")),
        "seed": _or_none(partial(check_stream_number, "seed")),
        "index": _or_none(partial(check_stream_number, "index")),
    }

    p_bern: float | None
    seed: int | None
    index: int | None

    @classmethod
    def from_model(
        cls,
        model: AnyNetwork,
        *,
        layers: Sequence[type[nn.Module]] = (nn.Conv2d,),
        tensors: Sequence[str] = ("weight",),
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
    ) -> Self:
        """Return what a network prunes already, as a draw of single weights that wasn't drawn.

        A layer that carries a mask of torch.nn.utils.prune, of one method or several stacked,
        gives what the mask prunes; one without gives its weights that are exactly 0. The
        network isn't changed.

        Args:
            model: the network, or what `load_network` returned.
            layers: layer types to look at, as `rank` takes them.
            tensors: ``weight``, ``bias`` or both.
            include: wildcard patterns of layer paths; none means all.
            exclude: wildcard patterns of layer paths to leave out.

        Raises:
            ArgumentError: a type can't be ranked, or a pattern matches no layer.
            UnsupportedNetworkError: there is no such layer, or one computes its weight.
        """
        model = module_of(model)
        elements = find_masked(
            model, layers=layers, tensors=tensors, include=include, exclude=exclude
        )
        return cls(elements, None, None, None)

    def __repr__(self) -> str:
        drawn = super().__repr__()
        if self.seed is not None:
            return drawn
        return f"{drawn[: drawn.index(' layers, ')]} layers, made elsewhere)"

    def pruned(self, layer: str) -> Tensor:
        """Return a bool CPU tensor of the layer's element shape, True where pruned.

        The element shape is ``[out, in/groups, *kernel]`` for weights, ``[out, in/groups]``
        for connections and ``[out]`` for neurons.

        Raises:
            ArgumentError: no ranked layer has that name.
        """
        return self.elements.members(layer)

    def mask(self, layer: str) -> Tensor:
        """Return a bool CPU tensor of the layer's weight's shape, True where kept.

        Raises:
            ArgumentError: no ranked layer has that name.
        """
        keep = ~self.elements.members(layer)
        return self.elements.layer(layer).expand(keep, self.granularity).contiguous()


@lru_cache(maxsize=1)
def draw_among(elements: ElementSet, *, p_bern: float, seed: int, index: int) -> Draw:
    """Prune each of ``elements`` with probability ``p_bern``; all numbers are checked already.

    The last draw is kept, as a variant's is written, told of and recorded in turn.
    """
    words = bernoulli_bits(p_bern, elements.words, seed=seed, index=index)
    return Draw(replace(elements, words=words), p_bern, seed, index)


def _fraction_or_fractions(value: Any) -> float | ByLayer:
    return ByLayer(value) if isinstance(value, Mapping) else check_fraction("p_prune", value)


@dataclass(frozen=True, repr=False)
class PrunableSet(_Chosen):
    """The lowest-scored elements of a network: the ones that a draw may prune.

    Made by `rank`; holds no reference to a network.

    Attributes:
        elements: the prunable elements.
        p_prune: fraction of the elements that is prunable, or the fraction of each layer's.
        score: name of the score.
        scope: what elements were ranked against.
        floor: fraction of each layer's elements that was spared in any case.
    """

    _kind = "prunable set"
    _are = "prunable"
    _settings: ClassVar = {
        "p_prune": _fraction_or_fractions,
        "score": str,
        "scope": Scope,
        "floor": partial(check_fraction, "floor"),
    }

    p_prune: float | ByLayer
    score: str
    scope: Scope
    floor: float = 0.0

    def prunable(self, layer: str) -> Tensor:
        """Return a bool CPU tensor of the layer's element shape, True where prunable.

        The element shape is ``[out, in/groups, *kernel]`` for weights, ``[out, in/groups]``
        for connections and ``[out]`` for neurons.

        Raises:
            ArgumentError: no ranked layer has that name.
        """
        return self.elements.members(layer)

    def draw(self, *, p_bern: float, seed: int, index: int = 0) -> Draw:
        """Prune each prunable element with probability ``p_bern``, independently.

        The outcome for an element depends on nothing but seed, index, p_bern and the
        element's position in the network: draws may be made in any order and anywhere,
        a larger prunable set's draw contains a smaller one's, and so does a larger
        p_bern's. No global random generator is read or changed. Positions are counted
        over the ranked layers: ranking other layers gives those behind them other draws.

        Args:
            p_bern: probability in [0, 1], taken exactly.
            seed: integer in [0, 2**64).
            index: integer in [0, 2**64), which draw of the seed.

        Raises:
            ArgumentError: a value is outside what is allowed.

        Source: arXiv 2208.08677, section 3.2.
        """
        p_bern = check_fraction("p_bern", p_bern)
        seed = check_stream_number("seed", seed)
        index = check_stream_number("index", index)
        return draw_among(self.elements, p_bern=p_bern, seed=seed, index=index)
