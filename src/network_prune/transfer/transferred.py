"""A transfer run as it lies before its reader: records, and what became of each image."""

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

from network_prune.errors import SourceError
from network_prune.results.images import Images
from network_prune.results.outcome_store import OutcomeStore, StoredOutcomes
from network_prune.results.records import Form, Record, read_records
from network_prune.transfer.predictions import Predictions

_PARTS: dict[str, Any] = {
    "key": str,
    "surrogates": list,
    "victims": list,
    "images": dict,
    "augmentation": dict,
    "goal": str,
    "seed": int,
    "attack": dict,
    "points": list,
    "running": dict,
    "distance": dict,
    "predictions": str,
    "pictures": str,
    "versions": dict,
}


def _read(entry: Any, _: Record) -> Record:
    """Return an entry of a file as a record.

    Raises:
        KeyError: something is missing.
        TypeError: something is of another kind.
    """
    for name, kind in _PARTS.items():
        if not isinstance(entry[name], kind):
            raise TypeError
    return entry


TRANSFER = Form("transfer.jsonl", "transfer", "its row is computed", (1,), _read)


class Transfer(list[Record]):
    """The records of a transfer run, as a list, with the predictions that belong to them.

    Args:
        records: the records.
        store: has what belongs to them.
        source: where they come from, for people.

    Attributes:
        store: as given.
        source: as given.
    """

    def __init__(
        self,
        records: Iterable[Record],
        store: OutcomeStore | None = None,
        *,
        source: str = "memory",
    ) -> None:
        super().__init__(records)
        self.store = store or OutcomeStore()
        self.source = source

    def predictions(self, record: Record) -> Predictions:
        """Return what networks take a record's images for.

        Raises:
            SourceError: that is gone or damaged.
        """
        piece = self.store.get(record["predictions"])
        if piece is None:
            raise SourceError(
                f"{self.source}: the predictions of record {record['key'][:8]} are gone or "
                "damaged; remove its line and run the same command again"
            )
        return Predictions.from_bytes(piece)

    def images(self, record: Record) -> Images | None:
        """Return names and classes of a record's images; None where they are gone."""
        piece = self.store.get(record["pictures"])
        return None if piece is None else Images.from_bytes(piece)


def load_transfer(folder: str | PathLike[str]) -> Transfer:
    """Return what a transfer run recorded; of several records with one key the last counts.

    Args:
        folder: as ``transfer`` writes it with ``out``.

    Raises:
        SourceError: there are no records, or they can't be read.
    """
    path = Path(folder)
    path = path.parent if path.name == TRANSFER.file else path
    records, _ = read_records(path, TRANSFER)
    last = {record["key"]: record for record in records}.values()
    return Transfer(last, StoredOutcomes(path), source=str(path))
