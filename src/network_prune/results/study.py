"""A study as it lies before its reader: records, and what became of each image."""

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from network_prune.errors import ArgumentError
from network_prune.evaluation.outcomes import Outcomes
from network_prune.results.groups import measured
from network_prune.results.images import Images
from network_prune.results.lines.notices import Notice, warn_of
from network_prune.results.lines.uncollected import uncollected
from network_prune.results.outcome_store import OutcomeStore, to_text
from network_prune.results.records import Record
from network_prune.results.rows import flat_row
from network_prune.results.selection import Conditions
from network_prune.results.series.shown import frame_of, html_of, plot_of
from network_prune.results.streamed import stream

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

_Path = str | PathLike[str]


class Study(list[Record]):
    """The records of a study, as a list, with the outcomes that belong to them.

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
        self.source = source
        self.notices = tuple(notices)
        self.store = store or OutcomeStore()
        self._images: dict[str, Images | None] = {}

    def outcomes(self, record: Record) -> Outcomes | None:
        """Return what became of each image under a record's variant.

        None where that wasn't kept, or is gone or damaged.
        """
        piece = self.store.get(_piece(record, "sha256"))
        metrics = record["metrics"]
        try:
            n = metrics["n"] + metrics["unreadable"]
            found = None if piece is None else Outcomes.unpack(piece, n)
        except ValueError:
            return None
        is_this = found is not None and found.hits == (metrics["hits1"], metrics["hits5"])
        return found if is_this else None

    def images(self, record: Record) -> Images | None:
        """Return names and classes of a record's images; None where they weren't kept."""
        name = _piece(record, "images")
        if name is not None and name not in self._images:
            self._images[name] = self._read_images(name)
        return self._images.get(name or "")

    @overload
    def __getitem__(self, place: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> "Study": ...
    def __getitem__(self, place: SupportsIndex | slice) -> "Record | Study":
        """Return one record, or some of them with what belongs to them."""
        if isinstance(place, slice):
            return self._of(super().__getitem__(place))
        return super().__getitem__(place)

    def where(self, *conditions: str) -> "Study":
        """Return the records for which all conditions hold.

        Args:
            conditions: ``COLUMN=VALUE``, e.g. ``p_prune=0.2``; the columns are those of
                `to_pandas`.

        Raises:
            ArgumentError: a condition has no ``=`` or a column of no such name.
        """
        are = Conditions(conditions)
        return self._of(record for record in self if are.hold(record))

    def key(self, start: str) -> "Study":
        """Return the one record whose key starts so.

        Raises:
            ArgumentError: there is none, or there are several.
        """
        found = [record for record in self if record["key"].startswith(start)]
        if len(found) != 1:
            count = "no" if not found else f"{len(found)}"
            raise ArgumentError(
                f"{self.source} has {count} records whose key starts with {start!r}; "
                "network-prune records --json shows the keys"
            )
        return self._of(found)

    def whole(self) -> list[Record]:
        """Return the records with their outcomes in them, for a file of JSON."""
        return [self._whole(record) for record in self]

    def rows(self) -> list[dict[str, Any]]:
        """Return the records as flat rows of one set of columns."""
        return [flat_row(record) for record in self]

    def to_pandas(self) -> "DataFrame":
        """Return the records as a data frame of the columns of `rows`; needs ``[notebook]``.

        Whole numbers, text and flags have pandas' types that know missing values, so a
        column's type doesn't depend on which records there are.

        Raises:
            SourceError: pandas isn't installed.
        """
        return frame_of(self.rows())

    def plot(self, ax: "Axes | None" = None, *, figure: str = "acc1") -> "Axes":
        """Draw the study and return the axes, of matplotlib; needs ``[notebook]``.

        Of a grid, a figure against the realised pruning ratio, with bands from the lowest to
        the highest draw and 95 % intervals over images; of layers pruned alone, the heat map
        of differences in Acc@1; of draws that were compared, their Acc@1 against agreement.

        Args:
            ax: where to draw; new axes by default.
            figure: of a grid: acc1, acc5 or loss.

        Raises:
            ArgumentError: there is nothing to draw, or more than fits one chart.
            SourceError: matplotlib isn't installed.
        """
        return plot_of(self, ax, figure)

    def _repr_html_(self) -> str:
        return html_of(self, repr(self))

    def __repr__(self) -> str:
        networks = len({record["network"]["name"] for record in self})
        return f"Study({self.source!r}: {len(self)} records, {networks} networks)"

    def _of(self, records: Iterable[Record]) -> "Study":
        return Study(records, self.store, source=self.source, notices=self.notices)

    def _whole(self, record: Record) -> Record:
        piece = self.store.get(_piece(record, "sha256"))
        if piece is None:
            return record
        return {**record, "outcomes": {**record["outcomes"], "data": to_text(piece)}}

    def _read_images(self, name: str) -> Images | None:
        piece = self.store.get(name)
        try:
            return None if piece is None else Images.from_bytes(piece)
        except ValueError:
            return None


def load_study(path: _Path) -> Study:
    """Return what a study recorded; of several records with one key the last counts.

    Lines that aren't what was written are left out, and warned of.

    Args:
        path: its folder, as ``sweep`` and ``sensitivity`` write it with ``out``, or the
            file of JSON that ``network-prune eval --output`` writes.

    Raises:
        SourceError: there are no records, they can't be read, or two contradict each other.
    """
    study = read_study(path)
    warn_of(study.notices)
    return study


def read_study(path: _Path) -> Study:
    """Return what `load_study` returns, and warn of nothing: its notices are for the caller."""
    with uncollected():
        found = stream(Path(path))
        return Study(found, found.store, source=str(path), notices=found.notices)


def without_repeats(studies: Sequence[Study]) -> list[Study]:
    """Return studies in which each record is once: of several of one key the last.

    Studies of which nothing is left are left out.
    """
    seen: set[Any] = set()
    kept: list[Study] = []
    for study in reversed(studies):
        own = {what: record for record in study if (what := measured(record)) not in seen}
        seen |= own.keys()
        kept.append(study._of(own.values()))
    return [study for study in reversed(kept) if study]


def _piece(record: Record, name: str) -> str | None:
    return (record.get("outcomes") or {}).get(name)
