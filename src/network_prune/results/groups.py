"""Records that belong together."""

from collections.abc import Iterator, Sequence

from network_prune.results.records import Record


def draws_of(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Yield the records of each variant, which differ in their draw alone."""
    found: dict[str, list[Record]] = {}
    for record in records:
        if record["variant"]:
            found.setdefault(str({**record["variant"], "index": None}), []).append(record)
    yield from found.values()
