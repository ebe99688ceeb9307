"""A transfer run as it lies before its reader: records, and what became of each image."""

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from network_prune.errors import SourceError
from network_prune.results.images import Images, bytes_read, names_of
from network_prune.results.lines.form import Form, Record
from network_prune.results.lines.notices import Notice, warn_of
from network_prune.results.outcome_store import OutcomeStore, StoredOutcomes
from network_prune.results.records import read_records
from network_prune.results.rows import Row
from network_prune.results.series.shown import frame_of
from network_prune.sources.digests import differing
from network_prune.transfer.figures.attacked import Attacked
from network_prune.transfer.figures.compared import TransferCompared, compare_sets
from network_prune.transfer.figures.rows import flat_rows
from network_prune.transfer.figures.sets import AttackSet, sets_of
from network_prune.transfer.figures.shown import html_of, plot_of
from network_prune.transfer.predictions import Predictions
from network_prune.transfer.record_key import SCHEMA, record_key
from network_prune.transfer.record_shape import check_shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame


def _modern(entry: Record) -> Record:
    return {**entry, "schema": SCHEMA}


def _figures(record: Record) -> Record:
    """Return all but the times, which no two runs share."""
    kept = {name: value for name, value in record.items() if not name.startswith("seconds")}
    return kept


TRANSFER = Form(
    "transfer.jsonl",
    "transfer",
    "its row is computed",
    SCHEMA,
    _modern,
    check_shape,
    record_key,
    _figures,
)


class Transfer(list[Record]):
    """The records of a transfer run, as a list, with the predictions that belong to them.

    Args:
        records: the records.
        store: has what belongs to them.
        source: where they come from, for people.
        notices: what to know of lines that were left out.

    Attributes:
        store: as given.
        source: as given.
        notices: as given.
    """

    def __init__(
        self,
        records: Iterable[Record],
        store: OutcomeStore | None = None,
        *,
        source: str = "memory",
        notices: Iterable[Notice] = (),
    ) -> None:
        super().__init__(records)
        self.notices = tuple(notices)
        self.store = store or OutcomeStore()
        self.source = source

    def predictions(self, record: Record) -> Predictions:
        """Return what networks take a record's images for.

        Raises:
            SourceError: that is gone, damaged or another record's.
        """
        piece = self.store.get(record["predictions"])
        try:
            found = Predictions.from_bytes(piece or b"")
            networks = (*record["surrogates"], *record["victims"])
            found.check(
                [network["name"] for network in networks],
                points=len(record["points"]),
                n=record["images"]["n"],
            )
        except ValueError:
            raise SourceError(
                f"{self.source}: the predictions of record {record['key'][:8]} are gone, damaged "
                "or another one's; remove its line and run the same command again"
            ) from None
        return found

    @property
    def sets(self) -> list[AttackSet]:
        """The records as sets that differ in the seed alone, with predictions.

        Raises:
            SourceError: predictions are gone or damaged.
        """
        return sets_of(self._attacked)

    def rows(self) -> list[Row]:
        """Return figures as flat rows: one a record, network and point; raises as `sets` does.

        Rates are in percent with their 95 % intervals, None where there is no number.
        """
        return flat_rows(self._attacked)

    def compare(self, against: str = "none") -> TransferCompared:
        """Compare augmentations with one of them on the same images; raises as `sets` does.

        Args:
            against: what the others are compared with, as ``augmentation`` takes it.

        Raises:
            ArgumentError: there is no such augmentation.
        """
        return compare_sets(self.sets, against)

    def to_pandas(self) -> "DataFrame":
        """Return `rows` as a data frame; needs ``[notebook]``.

        Raises:
            SourceError: pandas isn't installed, or as `sets` does.
        """
        return frame_of(self.rows())

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        surrogate: str | None = None,
        victim: str | None = None,
        goal: str | None = None,
    ) -> "Axes":
        """Draw success against passes, a line an augmentation; needs ``[notebook]``.

        Args:
            ax: where to draw; new axes by default.
            surrogate: which, where there are several; those of an ensemble joined by ``+``.
            victim: which, where there are several.
            goal: which, where there are several.

        Raises:
            ArgumentError: there is no such chart, or more than one.
            SourceError: matplotlib isn't installed, or as `sets` does.
        """
        return plot_of(self.sets, ax, surrogate=surrogate, victim=victim, goal=goal)

    def _repr_html_(self) -> str:
        return html_of(self.sets, repr(self))

    def __repr__(self) -> str:
        return f"Transfer({self.source!r}: {len(self)} records)"

    @property
    def _attacked(self) -> list[Attacked]:
        self._check_bytes()
        return [Attacked(record, self.predictions(record)) for record in self]

    def _check_bytes(self) -> None:
        """Refuse records on images of equal names and sizes that were read from other bytes."""
        for record in {each["images"].get("images"): each for each in self}.values():
            same = {"images": record["images"].get("images")}
            found = list(bytes_read(self, self.store, "images", **same))
            if len(found) > 1:
                places = differing(*(each.digests or b"" for each in found[:2]))
                images = self.images(record)
                which = names_of(places, "image {}".format if images is None else images.name)
                raise SourceError(
                    f"{self.source} has records on images of {record['images']['name']} of equal "
                    f"names and sizes, but {which}; keep them in folders of their own"
                )

    def images(self, record: Record) -> Images | None:
        """Return names and classes of a record's images; None where they are gone."""
        piece = self.store.get(record["pictures"])
        try:
            found = None if piece is None else Images.from_bytes(piece)
        except ValueError:
            return None
        return found if found and len(found.labels) == record["images"]["n"] else None


def load_transfer(folder: str | PathLike[str]) -> Transfer:
    """Return what a transfer run recorded; of several records with one key the last counts.

    Lines that aren't what was written are left out, and warned of.

    Args:
        folder: as ``transfer`` writes it with ``out``.

    Raises:
        SourceError: there are no records, they can't be read, or two contradict each other.
    """
    found = read_transfer(folder)
    warn_of(found.notices)
    return found


def read_transfer(folder: str | PathLike[str]) -> Transfer:
    """Return what `load_transfer` returns, and warn of nothing: notices are for the caller."""
    path = Path(folder)
    path = path.parent if path.name == TRANSFER.file else path
    lines, notices = read_records(path, TRANSFER)
    store = StoredOutcomes(path)
    return Transfer(lines.values(), store, source=str(path), notices=notices)
