"""Records that belong together."""

import math
import statistics
from array import array
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from network_prune.evaluation.metrics import FIGURES
from network_prune.results.axes import axes
from network_prune.results.records import Record

_SHARED: Final = ("network", "preprocessing", "data", "asked", "versions", "score_data")
_AVERAGED: Final = (
    "pruning_ratio",
    *FIGURES.values(),
    *(f"{name}_difference" for name in FIGURES.values()),
)


def draws_of(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Yield the records of each variant under one setting, which differ in their draw alone."""
    found: dict[Hashable, list[Record]] = {}
    for record in last_of_each(records):
        if record["variant"]:
            common = tuple(item for item in axes(record).items() if item[0] != "index")
            found.setdefault((_compared(record), *common), []).append(record)
    yield from found.values()


class Draws:
    """What the draws of one variant come to, kept in few bytes each.

    Args:
        first: one of them.

    Attributes:
        first: as given, without its layers and images.
    """

    def __init__(self, first: Record) -> None:
        realised = {name: v for name, v in (first["realised"] or {}).items() if name != "layers"}
        self.first: Record = {**first, "realised": realised or None, "outcomes": None}
        self._places: dict[int | None, int] = {}
        self._values = {name: array("d") for name in _AVERAGED}

    @classmethod
    def of(cls, records: Sequence[Record]) -> "Draws":
        """Return what records of one variant come to; of one draw the last counts."""
        draws = cls(records[0])
        for record in records:
            draws.add(record)
        return draws

    def add(self, record: Record) -> None:
        """Take in one more record, which differs from the others in its draw alone."""
        place = self._places.setdefault(_index(record), len(self._places))
        for name, value in _averaged(record).items():
            values = self._values[name]
            values[place : place + 1] = array("d", [math.nan if value is None else value])

    def __len__(self) -> int:
        return len(self._places)

    @property
    def indices(self) -> list[int]:
        """The draws' indices, the lowest first; none of the dense network."""
        return sorted(index for index in self._places if index is not None)

    def mean(self, name: str) -> float:
        """Return the mean of a column of `flat_row` over the draws; NaN where one has none."""
        return statistics.fmean(self._values[name])

    def deviation(self, name: str) -> float:
        """Return the standard deviation over the draws, of a sample; NaN where there is none."""
        values = self._values[name]
        is_known = len(values) > 1 and all(map(math.isfinite, values))
        return statistics.stdev(values) if is_known else math.nan

    def row(self) -> dict[str, Any]:
        """Return settings, means and standard deviations as a flat row, None for NaN."""
        settings = axes(self.first)
        del settings["index"]
        figures = {
            f"{name}_{kind}": value if math.isfinite(value) else None
            for name in _AVERAGED
            for kind, value in (("mean", self.mean(name)), ("sd", self.deviation(name)))
        }
        return {**settings, "draws": len(self), "n": self.first["metrics"]["n"], **figures}


def grouped_draws(records: Iterable[Record]) -> list[Draws]:
    """Return what the draws of each variant under one setting come to, as they come by."""
    found: dict[bytes, Draws] = {}
    # Records share the objects of what they have in common, so most are recognised by these;
    # they are held, as otherwise others could be in their place.
    known: dict[Hashable, tuple[Draws, list[Any]]] = {}
    for record in records:
        parts = [record[name] for name in _SHARED]
        variant = {name: v for name, v in (record["variant"] or {}).items() if name != "index"}
        short = (*map(id, parts), repr(variant), _compared(record))
        if short not in known:
            setting = _setting(record)
            if setting not in found:
                found[setting] = Draws(record)
            known[short] = (found[setting], parts)
        known[short][0].add(record)
    return list(found.values())


def _setting(record: Record) -> bytes:
    """Return a hash of all that records have in common which differ in their draw alone."""
    common = [item for item in axes(record).items() if item[0] != "index"]
    return blake2b(repr((_compared(record), common)).encode()).digest()


def measured(record: Record) -> Hashable:
    """Return what was measured of what: the key, and how many draws were compared."""
    return (record["key"], _compared(record))


def last_of_each(records: Iterable[Record]) -> list[Record]:
    """Return records so that a draw of one variant under one setting is once: the last of it."""
    found = {(_compared(record), *axes(record).items()): record for record in records}
    return list(found.values())


def _compared(record: Record) -> int | None:
    return (record.get("diversity") or {}).get("draws")


def _index(record: Record) -> int | None:
    return record["variant"] and record["variant"]["index"]


def _averaged(record: Record) -> Mapping[str, float | None]:
    difference = record["difference"] or {}
    return {
        "pruning_ratio": (record["realised"] or {}).get("pruning_ratio", 0.0),
        **{name: record["metrics"][name] for name in FIGURES.values()},
        **{f"{n}_difference": difference.get(f"{n}_difference") for n in FIGURES.values()},
    }
