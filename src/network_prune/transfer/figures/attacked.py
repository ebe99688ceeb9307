"""One row before its reader, and the same attack run once more for other victims, as one row."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from network_prune.results.records import Record
from network_prune.transfer.predictions import Predictions


@dataclass(frozen=True, slots=True)
class Attacked:
    """One row: its record, and what networks took its images for."""

    record: Record
    predictions: Predictions

    @property
    def surrogates(self) -> tuple[str, ...]:
        """The networks that images are made on, without those of a bound."""
        return self.predictions.networks[: len(self.record["surrogates"])]

    @property
    def victims(self) -> tuple[str, ...]:
        """The other networks that images are tried on."""
        return self.predictions.networks[len(self.record["surrogates"]) :]


def common_points(rows: Iterable[Attacked]) -> list[dict[str, Any]]:
    """Return the points that all of some rows have, as records have them; the end is one."""
    first, *others = (row.record["points"] for row in rows)
    return [point for point in first if all(point in points for points in others)]


def joined(rows: Mapping[str, Attacked], points: Sequence[Mapping[str, Any]]) -> Attacked:
    """Return rows that differ in victims and points alone as one.

    Args:
        rows: by network, surrogates first: the row whose predictions of it count. What was
            measured is the first one's.
        points: that all of them have.
    """
    first = next(iter(rows.values()))
    networks = tuple(rows)
    is_whole = first.predictions.networks == networks and first.record["points"] == points
    if is_whole and all(row is first for row in rows.values()):
        return first
    said = {
        name: network
        for row in rows.values()
        for name, network in zip(row.victims, row.record["victims"], strict=True)
    }
    record = {
        **first.record,
        "victims": [said[name] for name in networks if name in said],
        "points": list(points),
    }
    classes = np.array([_classes(row, name, points) for name, row in rows.items()])
    return Attacked(record, replace(first.predictions, networks=networks, classes=classes))


def _classes(row: Attacked, network: str, points: Sequence[Mapping[str, Any]]) -> np.ndarray:
    places = [row.record["points"].index(point) for point in points]
    return row.predictions.only(network, places)
