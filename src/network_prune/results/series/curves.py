"""Accuracy and loss against the realised pruning ratio."""

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from network_prune.evaluation.mean import Interval
from network_prune.results.records import Record
from network_prune.results.series.families import Family, families


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure of several draws; NaN where a draw has none.

    Attributes:
        mean: the mean over draws.
        deviation: the standard deviation over draws; NaN of one.
        lowest: the lowest draw's.
        highest: the highest draw's.
        interval: 95 % over images: the mean of the draws' own intervals' ends. Draws of the
            same images err together, so more draws don't make it narrower; it is as wide as
            that of one typical draw, and no narrower than an interval of the mean.
    """

    mean: float
    deviation: float
    lowest: float
    highest: float
    interval: Interval

    @classmethod
    def of(cls, records: Sequence[Record], name: str) -> "Spread":
        """Return the spread of a figure over the records of a variant's draws."""
        values = [_number(record["metrics"][name]) for record in records]
        ends = zip(*(record["metrics"][f"{name}_interval"] for record in records), strict=True)
        low, high = (statistics.fmean(map(_number, end)) for end in ends)
        mean = statistics.fmean(values)
        if math.isnan(mean):
            return cls(mean, mean, mean, mean, (mean, mean))
        deviation = statistics.stdev(values) if len(values) > 1 else math.nan
        return cls(mean, deviation, min(values), max(values), (low, high))


@dataclass(frozen=True, slots=True)
class Point:
    """All draws of one variant, or the dense network.

    Attributes:
        p_prune: fraction in [0, 1] that is prunable; 0 of the dense network.
        p_bern: probability in [0, 1] that one of these is pruned; 0 of the dense network.
        ratio: realised share of elements pruned, mean over draws, in [0, 1].
        draws: number of draws; 0 of the dense network.
        n: number of images.
        acc1: Acc@1 in percent.
        acc5: Acc@5 in percent.
        loss: mean cross-entropy in nats.
        keys: the records' keys.
    """

    p_prune: float
    p_bern: float
    ratio: float
    draws: int
    n: int
    acc1: Spread
    acc5: Spread
    loss: Spread
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """One network under one way to prune it.

    Attributes:
        network: the network, for people.
        method: the method with the options that aren't the default, for people.
        others: what else tells it apart from the network's other curves, e.g. ``p_bern=0.5``.
        points: by rising ratio; the dense network's first, where it is recorded.
    """

    network: str
    method: str
    others: tuple[str, ...]
    points: tuple[Point, ...]

    @property
    def label(self) -> str:
        """What it is called beside others of its network."""
        return " ".join([self.method, *self.others])


def curves(records: Iterable[Record]) -> list[Curve]:
    """Return the curves of the grids among ``records``, networks and methods in their order.

    A curve runs along p_prune, or along p_bern where there is one p_prune. What prunes a
    layer alone, and what compares draws, is left out.
    """
    return [
        Curve(family.network, family.method, family.others, tuple(_points(family)))
        for family in families(records)
    ]


def _points(family: Family) -> Iterator[Point]:
    if family.dense is not None:
        yield point_of([family.dense])
    found: dict[tuple[float, float], list[Record]] = {}
    for record in family.records:
        variant = record["variant"]
        found.setdefault((variant["p_prune"], variant["p_bern"]), []).append(record)
    yield from sorted(map(point_of, found.values()), key=lambda point: (point.ratio, point.p_prune))


def point_of(records: Sequence[Record]) -> Point:
    """Return the draws of one variant, or the dense network's record, as a point."""
    variant, is_dense = records[0]["variant"] or {}, records[0]["variant"] is None
    ratios = [0.0 if is_dense else record["realised"]["pruning_ratio"] for record in records]
    return Point(
        p_prune=variant.get("p_prune", 0.0),
        p_bern=variant.get("p_bern", 0.0),
        ratio=statistics.fmean(ratios),
        draws=0 if is_dense else len(records),
        n=records[0]["metrics"]["n"],
        acc1=Spread.of(records, "acc1"),
        acc5=Spread.of(records, "acc5"),
        loss=Spread.of(records, "loss"),
        keys=tuple(record["key"] for record in records),
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value
