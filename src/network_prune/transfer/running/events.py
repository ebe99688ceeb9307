"""What a transfer run tells while it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from network_prune.results.lines.notices import Notice
from network_prune.results.records import Record
from network_prune.transfer.figures.rates import Rate
from network_prune.transfer.plan import Row
from network_prune.transfer.predictions import Predictions


@dataclass(frozen=True, slots=True)
class Started:
    """Networks and images are loaded and checked, and rows are computed next.

    Attributes:
        due: the rows, in order.
        recorded: how many of the others are recorded already.
        keys: of the records of all rows, in order.
        images: how many images each has.
        clean: Acc@1 of each network on them, if anything is due.
        notes: what to know about networks, images and rows, for people.
    """

    due: tuple[Row, ...]
    recorded: int
    keys: tuple[str, ...]
    images: int
    clean: Mapping[str, Rate]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Advanced:
    """A row has one more batch of images.

    Attributes:
        row: which one.
        images: how many of its images are done.
    """

    row: Row
    images: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row is finished and its record is kept.

    Attributes:
        row: which one.
        record: the record.
        predictions: what networks take its images for.
    """

    row: Row
    record: Record
    predictions: Predictions


@dataclass(frozen=True, slots=True)
class Noted:
    """All rows are recorded, and there is more to know about them.

    Attributes:
        notes: what, for people.
    """

    notes: tuple[str, ...]


Event = Notice | Started | Advanced | Recorded | Noted
Told = Callable[[Event], object]
