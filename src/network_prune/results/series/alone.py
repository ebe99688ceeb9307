"""The records of studies that prune one layer at a time: layers down, p_prune across."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from network_prune.results.naming import network_of, network_text
from network_prune.results.records import Record
from network_prune.results.series.families import is_alone

_BETWEEN_TABLES = ("method", "p_bern", "score", "seed", "index", "with_norm", "layers")


@dataclass(frozen=True, slots=True)
class LayerTable:
    """The records of one network that differ in the layer and in p_prune alone.

    Attributes:
        title: what they have in common.
        dense: the dense network's record, None where it isn't finished.
        cells: the records by layer and p_prune; of a run that was cut short not all.
    """

    title: str
    dense: Record | None
    cells: Mapping[tuple[str, float], Record]

    @property
    def layers(self) -> list[str]:
        """The layers' paths, in their order."""
        return list(dict.fromkeys(layer for layer, _ in self.cells))

    @property
    def p_prunes(self) -> list[float]:
        """The fractions, in their order."""
        return list(dict.fromkeys(p_prune for _, p_prune in self.cells))


def alone_records(records: Iterable[Record]) -> list[Record]:
    """Return the records of layers pruned alone with the dense network's; none without any."""
    found = [record for record in records if record["variant"] is None or is_alone(record)]
    return found if any(record["variant"] for record in found) else []


def layer_tables(records: Sequence[Record]) -> Iterator[LayerTable]:
    """Yield a table for each network and setting of records that rank one layer each."""
    dense = {network_of(record): record for record in records if record["variant"] is None}
    found: dict[str, dict[tuple[str, float], Record]] = {}
    for record in records:
        variant = record["variant"]
        if variant is not None:
            common = {name: variant[name] for name in _BETWEEN_TABLES}
            place = (record["realised"]["layers"][0]["name"], variant["p_prune"])
            found.setdefault(f"{network_of(record)!r} {common}", {})[place] = record
    for cells in found.values():
        first = next(iter(cells.values()))
        title = f"{network_text(first)}: {_title(first['variant'])}"
        yield LayerTable(title, dense.get(network_of(first)), cells)


def _title(variant: Mapping[str, Any]) -> str:
    return (
        f"{variant['method']}, one layer at a time, p_bern {variant['p_bern']:g}, "
        f"seed {variant['seed']}, draw {variant['index']}, score {variant['score']}"
    )
