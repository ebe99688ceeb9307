"""Where pruning landed: the share of each layer that is prunable and pruned, by p_prune."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from network_prune.errors import SourceError
from network_prune.option_checks import LARGEST
from network_prune.results.records import Record
from network_prune.results.series.families import Family, families

_COUNTS: Final = ("elements", "prunable", "pruned")


@dataclass(frozen=True, slots=True)
class Share:
    """Shares of a layer's elements in [0, 1], means over draws.

    Attributes:
        prunable: what is prunable.
        pruned: what is pruned.
    """

    prunable: float
    pruned: float


@dataclass(frozen=True, slots=True)
class Landing:
    """Where one way to prune a network landed, layers down and p_prune across.

    Attributes:
        network: the network, for people.
        method: the method with the options that aren't the default, for people.
        others: what else tells it apart from the network's others, e.g. ``p_bern=0.5``.
        layers: the layers' paths, in the network's order.
        p_prunes: the fractions, rising.
        cells: the shares by layer and p_prune; over p_bern too, where that is what varies.
    """

    network: str
    method: str
    others: tuple[str, ...]
    layers: tuple[str, ...]
    p_prunes: tuple[float, ...]
    cells: Mapping[tuple[str, float], Share]

    @property
    def label(self) -> str:
        """What it is called beside others of its network."""
        return " ".join([self.method, *self.others])


def landings(records: Iterable[Record]) -> list[Landing]:
    """Return where the grids among ``records`` landed, networks and methods in their order."""
    found = [_landing(family) for family in families(records)]
    return [landing for landing in found if landing.cells]


def _layers(record: Record) -> list[dict[str, Any]]:
    """Return name and counts of elements of each layer of a record.

    Raises:
        SourceError: the record says something else of its layers.
    """
    layers: Any = record["realised"].get("layers", [])
    if not all(map(_is_layer, layers)):
        raise SourceError(
            f"record {record['key'][:8]} doesn't say of its layers what sweep writes; remove its "
            "line, and its variant is evaluated again"
        )
    return layers


def _is_layer(layer: Any) -> bool:
    counts: list[Any] = [layer.get(name) for name in _COUNTS] if isinstance(layer, dict) else [None]
    are_whole = all(type(count) is int and 0 <= count <= LARGEST for count in counts)
    return are_whole and counts[0] > 0 and isinstance(layer.get("name"), str)


def _landing(family: Family) -> Landing:
    sums: defaultdict[tuple[str, float], list[int]] = defaultdict(lambda: [0, 0, 0])
    for record in family.records:
        for layer in _layers(record):
            place = sums[layer["name"], record["variant"]["p_prune"]]
            for number, name in enumerate(_COUNTS):
                place[number] += layer[name]
    cells = {
        place: Share(prunable / elements, pruned / elements)
        for place, (elements, prunable, pruned) in sums.items()
    }
    layers = tuple(dict.fromkeys(layer for layer, _ in cells))
    p_prunes = tuple(sorted({p_prune for _, p_prune in cells}))
    return Landing(family.network, family.method, family.others, layers, p_prunes, cells)
