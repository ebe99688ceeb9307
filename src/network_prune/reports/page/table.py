"""The records as rows of the page's table: what differs first, what is common to all aside."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Final

from network_prune.evaluation.variant import Variant
from network_prune.plain_text import plain
from network_prune.results.axes import DENSE, axes
from network_prune.results.records import Record
from network_prune.results.rows import Row, flat_row

_OF_VARIANTS: Final = {
    *(field.name for field in fields(Variant)),
    *("score_data", "score_data_identity", "score_images"),
}
TIES: Final = "tie group"
_ALWAYS: Final = ("network", "method", "p_prune", "p_bern")
_FIGURES: Final = {
    "pruning_ratio": "ratio",
    "acc1": "Acc@1",
    "acc5": "Acc@5",
    "loss": "loss",
    "acc1_difference": "Acc@1 to dense",
    TIES: TIES,
}
_MEASURED: Final = tuple(name for name in _FIGURES if name != TIES)
_RATIOS: Final = ("pruning_ratio", "zeroed_ratio", "network_zeroed_ratio")
_COUNTS: Final = ("newly_zeroed", "n", "non_finite", "ties", "unreadable")
_MOST_SHOWN: Final = 10
_HASH: Final = re.compile("[0-9a-f]{64}")
_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Table:
    """The page's table.

    Attributes:
        columns: of each ``name``, ``title``, ``kind`` (``text``, ``setting``, ``ratio``,
            ``count`` or ``figure``), whether it is ``shown`` at first, and whether it
            ``decides`` figures.
        rows: the cells of each record in the columns' order.
        common: what all rows have in common, by column.
    """

    columns: Sequence[Mapping[str, Any]]
    rows: Sequence[Sequence[Any]]
    common: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return columns and rows as plain data."""
        return {"columns": list(self.columns), "rows": [list(row) for row in self.rows]}


def records_table(
    records: Sequence[Record], sources: Sequence[str], ties: Mapping[int, str]
) -> Table:
    """Return the table of records.

    Args:
        records: the records.
        sources: the study of each.
        ties: the tie group of records, by their `id`.
    """
    rows = [
        {"study": source, **flat_row(record), TIES: ties.get(id(record))}
        for source, record in zip(sources, records, strict=True)
    ]
    rows = [{name: _shown(value) for name, value in row.items()} for row in rows]
    # Many records share few sets of columns.
    layouts = {tuple(row): record for row, record in zip(rows, records, strict=True)}
    names = list(dict.fromkeys(name for layout in layouts for name in layout))
    deciding = {"study", *(name for record in layouts.values() for name in axes(record))}
    # The dense network has no options of a variant.
    pruned = [row for row in rows if row["method"] != DENSE["method"]] or rows
    varying = {n for n in names if _varies(n, pruned if n in _OF_VARIANTS else rows)}
    kept = [name for name in names if name in varying or name in (*_ALWAYS, *_MEASURED, "key")]
    settings = [name for name in kept if name in deciding]
    figures = [name for name in _FIGURES if name in kept]
    order = [*settings, *figures, *(n for n in kept if n not in {*settings, *figures})]
    shown = {*[name for name in settings if name in varying][:_MOST_SHOWN], *figures}
    shown |= {"method", "p_prune", "p_bern", TIES}
    columns = [
        {
            "name": name,
            "title": _FIGURES.get(name, name),
            "kind": _kind(name, [row.get(name) for row in rows], name in deciding),
            "shown": name in shown,
            "decides": name in deciding,
        }
        for name in order
    ]
    common = {name: rows[-1].get(name) for name in names if name not in kept} if rows else {}
    return Table(columns, [[row.get(name) for name in order] for row in rows], common)


def _varies(name: str, rows: Sequence[Row]) -> bool:
    return len({row.get(name) for row in rows}) > 1


def _shown(value: Any) -> Any:
    return _text(value) if isinstance(value, str) else value


@lru_cache(maxsize=1024)
def _text(value: str) -> str:
    return value[:_DIGITS] if _HASH.fullmatch(value) else plain(value)


def _kind(name: str, values: Sequence[Any], decides: bool) -> str:
    numbers = [value for value in values if value is not None]
    is_number = all(isinstance(v, int | float) and not isinstance(v, bool) for v in numbers)
    if not numbers or not is_number:
        return "text"
    if decides:
        return "setting"
    return "ratio" if name in _RATIOS else "count" if name in _COUNTS else "figure"
