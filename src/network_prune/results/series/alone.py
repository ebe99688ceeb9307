"""The records of studies that prune one layer at a time: layers down, p_prune across."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from network_prune.results.axes import axes
from network_prune.results.naming import method_text, network_text
from network_prune.results.records import Record
from network_prune.results.series.families import (
    dense_by_setting,
    is_alone,
    setting_of,
    told_apart,
)

_WITHIN = ("include", "p_prune")
_SAID = ("p_prune", "p_bern", "seed", "index")
_UNNAMED = dict.fromkeys(("include", "scope", "score"))


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


def layer_tables(records: Iterable[Record]) -> list[LayerTable]:
    """Return a table for each network and setting of records that rank one layer each."""
    records = list(records)
    dense = dense_by_setting(records)
    found: dict[Hashable, dict[tuple[str, float], Record]] = {}
    for record in records:
        if record["variant"] is not None:
            place = (record["realised"]["layers"][0]["name"], record["variant"]["p_prune"])
            common = tuple(item for item in axes(record).items() if item[0] not in _WITHIN)
            found.setdefault(common, {})[place] = record
    return [
        LayerTable(title, dense.get(setting_of(next(iter(cells.values())))), cells)
        for title, cells in zip(_titles(found.values()), found.values(), strict=True)
    ]


def _titles(tables: Iterable[Mapping[Any, Record]]) -> list[str]:
    firsts = [next(iter(cells.values())) for cells in tables]
    others = told_apart(firsts, [_SAID] * len(firsts))
    return [
        ", ".join([f"{network_text(first)}: {_title(first)}", *apart])
        for first, apart in zip(firsts, others, strict=True)
    ]


def _title(record: Record) -> str:
    variant = record["variant"]
    # The score is named below, and scope and layer are what the table is of.
    method = method_text({**record, "variant": {**variant, **_UNNAMED}})
    return (
        f"{method}, one layer at a time, p_bern {variant['p_bern']:g}, "
        f"seed {variant['seed']}, draw {variant['index']}, score {variant['score']}"
    )
