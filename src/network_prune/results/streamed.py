"""Records of a source, each made anew when it comes by, so that a great many fit in memory."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from network_prune.errors import SourceError
from network_prune.results.axes import unlike
from network_prune.results.lines.checksum import DamageError, parse
from network_prune.results.lines.line_file import read_bytes
from network_prune.results.lines.notices import Notice
from network_prune.results.outcome_store import OutcomeStore, StoredOutcomes, from_text
from network_prune.results.records import FILE, Record, check_records, read_records
from network_prune.results.rows import flat_row
from network_prune.results.selection import Conditions


class Streamed(Iterable[Record]):
    """Records to go through, as often as is wanted.

    Args:
        records: the records by name.
        heads: some of them, of which each other one has all in common with one but variant and
            figures.
        store: has what belongs to them.
        notices: what to know of lines that were left out.
        names: of those to go through; None for all.

    Attributes:
        heads: as given.
        store: as given.
        notices: as given.
    """

    def __init__(
        self,
        records: Mapping[Any, Record],
        heads: Iterable[Record],
        store: OutcomeStore,
        notices: Iterable[Notice] = (),
        names: Sequence[Hashable] | None = None,
    ) -> None:
        self._records = records
        self._names = names
        self.heads = list(heads)
        self.store = store
        self.notices = tuple(notices)

    def where(self, *conditions: str) -> "Streamed":
        """Return the records for which all conditions hold.

        Args:
            conditions: ``COLUMN=VALUE``, as in `Study.where`.

        Raises:
            ArgumentError: a condition has no ``=`` or a column of no such name.
        """
        if not conditions:
            return self
        are = Conditions(conditions)
        names: list[Hashable] = []
        heads = unlike(self._chosen(are, names))
        return Streamed(self._records, heads, self.store, self.notices, names)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Return the records as flat rows."""
        return map(flat_row, self)

    def __iter__(self) -> Iterator[Record]:
        return (record for _, record in self._items())

    def __len__(self) -> int:
        return len(self._records if self._names is None else self._names)

    def _items(self) -> Iterable[tuple[Hashable, Record]]:
        if self._names is None:
            return self._records.items()
        return ((name, self._records[name]) for name in self._names)

    def _chosen(self, conditions: Conditions, names: list[Hashable]) -> Iterator[Record]:
        for name, record in self._items():
            if conditions.hold(record):
                names.append(name)
                yield record


def stream(path: Path) -> Streamed:
    """Return the records of a study's folder, or of a file of JSON, as `load_study` takes them.

    Raises:
        SourceError: what `load_study` raises.
    """
    if path.name == FILE:
        path = path.parent
    if path.is_dir() or path.suffix != ".json":
        lines, notices = read_records(path)
        return Streamed(lines, lines.heads(), StoredOutcomes(path), notices)
    return _stream_file(path)


def _stream_file(path: Path) -> Streamed:
    try:
        entries = parse(read_bytes(path))
    except DamageError:
        raise SourceError(f"{path} is no JSON; pass what eval wrote with --output") from None
    if not isinstance(entries, list) or not entries:
        raise SourceError(f"{path} has no list of records; pass what eval wrote with --output")
    failed = [e for e in entries if isinstance(e, dict) and "error" in e]
    records = check_records([e for e in entries if e not in failed], path)
    store = OutcomeStore()
    for record in records:
        data = (record.get("outcomes") or {}).pop("data", None)
        if isinstance(data, str):
            try:
                store.put(from_text(data))
            except ValueError:
                continue  # then they aren't there, and who needs them says so
    return Streamed(dict(enumerate(records)), records, store)
