"""Records of a grid by what a curve is of: one network, one way to prune it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from network_prune.evaluation.variant import Variant
from network_prune.results.axes import axes, axis_text, differing
from network_prune.results.groups import last_of_each
from network_prune.results.naming import method_text, network_text
from network_prune.results.records import Record

_VARIANT = tuple(field.name for field in fields(Variant))
_OF_SCORES = ("score_data", "score_data_identity", "score_images")
_DRAW = ("seed", "index")
_WITHIN = ("p_prune", "p_bern", *_DRAW)
# What networks and their curves may differ in without a word of `differing`.
_UNSAID = ("p_prune", "p_bern", "seed", "index", "weights_sha256")


@dataclass(frozen=True, slots=True)
class Family:
    """Records of one way to prune a network, which differ in p_prune or p_bern and the draw.

    Attributes:
        network: the network, for people.
        method: the method with the options that aren't the default, for people.
        others: what else tells it apart from the others of its network, e.g. ``p_bern=0.5``.
        records: its records, in their order.
        dense: the dense network's record under the same settings, where there is one.
    """

    network: str
    method: str
    others: tuple[str, ...]
    records: tuple[Record, ...]
    dense: Record | None

    @property
    def label(self) -> str:
        """What it is called beside others of its network."""
        return " ".join([self.method, *self.others])

    @property
    def others_but_p_bern(self) -> list[str]:
        """What else tells it apart beside a column of p_bern."""
        return [text for text in self.others if not text.startswith("p_bern=")]


def is_alone(record: Record) -> bool:
    """Return whether a record prunes one layer on its own, as scope ``alone`` spells it out."""
    variant = record["variant"]
    return (
        variant is not None
        and variant["scope"] == "layer"
        and len(variant.get("include") or ()) == 1
        and len(record["realised"].get("layers", ())) == 1
    )


def is_grid(record: Record) -> bool:
    """Return whether a record is a point of a grid: not dense, no layer alone, no diversity."""
    return bool(record["variant"]) and not is_alone(record) and not record.get("diversity")


def families(records: Iterable[Record]) -> list[Family]:
    """Return the records of grids by family, networks and methods in their order."""
    records = last_of_each(records)
    dense = dense_by_setting(records)
    networks: dict[str, list[Record]] = {}
    for record in filter(is_grid, records):
        networks.setdefault(network_text(record), []).append(record)
    return [family for name, own in networks.items() for family in _families_of(name, own, dense)]


def _families_of(
    network: str, records: Sequence[Record], dense: Mapping[Any, Record]
) -> Iterator[Family]:
    found = list(_split(records))
    # What a family runs along doesn't tell it apart.
    others = told_apart([own[0] for _, own in found], [(along, *_DRAW) for along, _ in found])
    for (_, own), apart in zip(found, others, strict=True):
        yield Family(
            network,
            method_text(own[0]),
            apart,
            tuple(own),
            dense.get(setting_of(own[0])),
        )


def told_apart(records: Sequence[Record], said: Iterable[Iterable[str]]) -> list[tuple[str, ...]]:
    """Return what tells each record apart from others of its network, beside its method.

    Args:
        records: the records.
        said: columns of each that are said elsewhere.
    """
    networks: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for number, (record, names) in enumerate(zip(records, said, strict=True)):
        row = {**axes(record), **dict.fromkeys(names)}
        networks.setdefault(network_text(record), []).append((number, row))
    found: dict[int, tuple[str, ...]] = {}
    for rows in networks.values():
        names = [*_UNSAID, *differing(records[number] for number, _ in rows)]
        names = [name for name in names if len({row.get(name) for _, row in rows}) > 1]
        for number, row in rows:
            values = [(name, row.get(name)) for name in names]
            found[number] = tuple(_text(n, value) for n, value in values if value is not None)
    return [found[number] for number in range(len(records))]


def dense_by_setting(records: Iterable[Record]) -> dict[Any, Record]:
    """Return the dense networks' records by `setting_of`."""
    return {setting_of(record): record for record in records if record["variant"] is None}


def setting_of(record: Record) -> tuple[Any, ...]:
    """Return what a variant and the dense network that it is compared to have in common."""
    own = {*_VARIANT, *_OF_SCORES}
    return tuple(value for name, value in axes(record).items() if name not in own)


def _text(name: str, value: Any) -> str:
    return f"{name}={value:g}" if isinstance(value, float) else axis_text(name, value)


def _split(records: Sequence[Record]) -> Iterator[tuple[str, list[Record]]]:
    """Yield records of the same axes along p_prune, or where that doesn't vary along p_bern."""
    grids: dict[Any, list[Record]] = {}
    for record in records:
        columns = axes(record)
        place = tuple(value for name, value in columns.items() if name not in _WITHIN)
        grids.setdefault(place, []).append(record)
    for grid in grids.values():
        counts = [len({record["variant"][name] for record in grid}) for name in _WITHIN[:2]]
        if counts[0] == 1 < counts[1]:
            yield "p_bern", grid
            continue
        lines: dict[float, list[Record]] = {}
        for record in grid:
            lines.setdefault(record["variant"]["p_bern"], []).append(record)
        yield from (("p_prune", line) for line in lines.values())
