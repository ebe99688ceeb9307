"""Published figures beside what was measured of the same network under the same setting."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scipy import special

from network_prune.evaluation.mean import Interval
from network_prune.evaluation.metrics import FIGURES
from network_prune.options import OPTIONS
from network_prune.results.axes import DENSE
from network_prune.results.comparing.sets import image_count
from network_prune.results.groups import draws_of
from network_prune.results.naming import listed
from network_prune.results.published.figures import PublishedRow
from network_prune.results.records import Record

# Options of a variant that no published figure says, so that they are the usual ones.
_UNSAID: Final = (
    "score",
    "scope",
    "layers",
    "tensors",
    "include",
    "exclude",
    "with_norm",
    "recalibrate",
)


@dataclass(frozen=True, slots=True)
class Beside:
    """The records of one variant, and the figures that were published of it.

    Attributes:
        records: one a draw; the dense network's alone.
        row: what was published; None where nothing was.
    """

    records: Sequence[Record]
    row: PublishedRow | None

    @property
    def first(self) -> Record:
        """The first draw's record."""
        return self.records[0]

    @property
    def images(self) -> int:
        """On how many images it was measured, with those that couldn't be read."""
        return image_count(self.first)

    @property
    def standing(self) -> str:
        """Why what was measured isn't what was published; nothing where it may be."""
        if self.row is None:
            return ""
        if self.images != self.row.images:
            return "partial" if self.first["asked"]["data"]["limit"] else "other images"
        preprocessing, running = self.first["preprocessing"], self.first["asked"]["running"]
        if any(preprocessing.get(name) != value for name, value in self.row.preprocessing.items()):
            return "other preprocessing"
        return "other precision" if running["dtype"] or running["amp"] else ""

    def measured(self, name: str) -> float | None:
        """Return a figure, the mean over draws; None where it isn't finite."""
        values = self._values(name)
        return None if None in values else statistics.fmean(values)

    def spread(self, name: str) -> float | None:
        """Return a figure's standard deviation over draws; None for fewer than two."""
        values = self._values(name)
        return None if None in values or len(values) < 2 else statistics.stdev(values)

    def difference(self, name: str) -> float | None:
        """Return the measured figure less the published one; None where one is missing."""
        measured = self.measured(name)
        published = self.row and getattr(self.row, name)
        return None if measured is None or published is None else measured - published

    def interval(self, name: str) -> Interval | None:
        """Return the 95 % interval in which a figure of the same setting is expected.

        Of a single record that is its own interval over images. Of several draws it is
        where one more draw would lie, by Student's t, joined with the interval over images.
        None where neither can be said, as of a single draw of a random set.
        """
        mean, spread = self.measured(name), self.spread(name)
        if mean is None or (spread is None and self._is_random):
            return None
        low, high = (
            statistics.fmean(record["metrics"][f"{name}_interval"][end] for record in self.records)
            for end in (0, 1)
        )
        draws = len(self.records)
        draw = (
            (spread or 0.0) * special.stdtrit(max(draws - 1, 1), 0.975) * math.sqrt(1 + 1 / draws)
        )
        most = math.inf if name == "loss" else 100.0
        return (
            max(0.0, mean - math.hypot(mean - low, draw)),
            min(most, mean + math.hypot(high - mean, draw)),
        )

    def holds(self, name: str) -> bool | None:
        """Return whether the published figure, as rounded, lies in the interval."""
        interval = self.interval(name)
        published = self.row and getattr(self.row, name)
        if self.row is None or published is None or interval is None:
            return None
        rounding = 0.5 * 10.0**-self.row.digits
        return interval[0] - rounding <= published <= interval[1] + rounding

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data, for JSON."""
        variant: dict[str, Any] = self.first["variant"] or DENSE
        row = self.row
        return {
            "network": self.first["network"]["name"],
            "weights": self.first["network"]["weights"],
            **{name: variant[name] for name in ("method", "p_prune", "p_bern")},
            "draws": len(self.records),
            "images": self.images,
            "standing": self.standing or None,
            "published": row and {name: getattr(row, name) for name in FIGURES.values()},
            "source": row and row.source,
            "note": (row and row.note) or None,
            "measured": {name: self.measured(name) for name in FIGURES.values()},
            "spread": {name: self.spread(name) for name in FIGURES.values()},
            "difference": {name: self.difference(name) for name in FIGURES.values()},
            "interval": {name: self.interval(name) for name in FIGURES.values()},
            "published_in_interval": {name: self.holds(name) for name in FIGURES.values()},
            "keys": [record["key"] for record in self.records],
        }

    @property
    def _is_random(self) -> bool:
        variant = self.first["variant"]
        return variant is not None and 0 < variant["p_bern"] < 1

    def _values(self, name: str) -> list[Any]:
        return [record["metrics"][name] for record in self.records]


def beside(records: Sequence[Record], rows: Sequence[PublishedRow]) -> Iterator[Beside]:
    """Yield the records of one network, the dense one's first, with what was published."""
    dense = [[record] for record in records if record["variant"] is None]
    for found in (*dense, *sorted(draws_of(records), key=_setting)):
        yield Beside(found, next((row for row in rows if is_of(row, found[0])), None))


def is_of(row: PublishedRow, record: Record) -> bool:
    """Return whether published figures are of a record's network, weights and setting."""
    network = record["network"]
    if (row.network, row.weights) != (network["name"], network["weights"]):
        return False
    variant = record["variant"]
    if variant is None or row.is_dense:
        return variant is None and row.is_dense
    is_usual = all(
        listed(variant.get(name, OPTIONS[name].default)) == listed(OPTIONS[name].default)
        for name in _UNSAID
    )
    return is_usual and _setting([record]) == (row.method, row.p_prune, row.p_bern)


def _setting(records: Sequence[Record]) -> tuple[str, float, float]:
    variant = records[0]["variant"]
    return (variant["method"], variant["p_prune"], variant["p_bern"])
