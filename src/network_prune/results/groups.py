"""Records that belong together."""

from collections.abc import Hashable, Iterable, Iterator, Sequence

from network_prune.results.axes import axes
from network_prune.results.records import Record


def draws_of(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Yield the records of each variant under one setting, which differ in their draw alone."""
    found: dict[Hashable, list[Record]] = {}
    for record in last_of_each(records):
        if record["variant"]:
            common = tuple(item for item in axes(record).items() if item[0] != "index")
            found.setdefault((_compared(record), *common), []).append(record)
    yield from found.values()


def measured(record: Record) -> Hashable:
    """Return what was measured of what: the key, and how many draws were compared."""
    return (record["key"], _compared(record))


def last_of_each(records: Iterable[Record]) -> list[Record]:
    """Return records so that a draw of one variant under one setting is once: the last of it."""
    found = {(_compared(record), *axes(record).items()): record for record in records}
    return list(found.values())


def _compared(record: Record) -> int | None:
    return (record.get("diversity") or {}).get("draws")
