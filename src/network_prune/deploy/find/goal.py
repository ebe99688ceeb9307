"""What a search is for: to stay within a loss of accuracy, or to come down to a share of cost."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from network_prune.deploy.costs.left import Left
from network_prune.errors import ArgumentError, brief, check_fraction
from network_prune.plain_numbers import plain_number
from network_prune.results.records import Record

COSTS: Final = {"params": "parameters", "macs": "multiply-adds", "latency": "latency"}

# By cost, the attribute of `Left` that says what is left of it.
LEFT: Final = {"params": "parameters", "macs": "macs", "latency": "latency"}


@dataclass(frozen=True, slots=True)
class Point:
    """All draws at one p_prune.

    Attributes:
        p_prune: the p_prune; 0 of the dense network.
        records: a record a draw; of the dense network its own.
        left: what the masks leave.
    """

    p_prune: float
    records: tuple[Record, ...]
    left: Left


class Goal(ABC):
    """What is asked of a pruned network."""

    @abstractmethod
    def goes_on(self, point: Point) -> bool:
        """Return whether more may be pruned than at this point."""

    @abstractmethod
    def __str__(self) -> str:
        """Return it for people."""


@dataclass(frozen=True, slots=True)
class MaxDrop(Goal):
    """To lose at most so many points of Acc@1, by the 95 % interval of each draw.

    Attributes:
        points: percentage points above 0.
    """

    points: float

    def goes_on(self, point: Point) -> bool:
        """Return whether all draws are surely within."""
        return all(low >= -self.points for low, _ in intervals(point.records))

    def is_told(self, point: Point) -> bool:
        """Return whether a point that isn't surely within is surely beyond, for a draw at least."""
        return any(high < -self.points for _, high in intervals(point.records))

    def needed(self, point: Point) -> int:
        """Return how many images would tell, if every difference stayed as it is.

        Where one is all but the loss that is asked about, as many as tell it from a twentieth.
        """
        n = point.records[0]["metrics"]["n"]
        untold = [each for each in intervals(point.records) if each[0] < -self.points <= each[1]]
        return max(
            math.ceil(n * (width / max(abs(middle + self.points), self.points / 20)) ** 2)
            for middle, width in (((low + high) / 2, (high - low) / 2) for low, high in untold)
        )

    def __str__(self) -> str:
        """Return it for people."""
        points = "point" if self.points == 1 else "points"
        return f"within {self.points:g} {points} of the dense network's Acc@1"


@dataclass(frozen=True, slots=True)
class Share(Goal):
    """To come down to a share of what the dense network costs.

    Attributes:
        cost: one of `COSTS`.
        share: in (0, 1).
    """

    cost: str
    share: float

    def goes_on(self, point: Point) -> bool:
        """Return whether it is still too much.

        Raises:
            ArgumentError: it can't be counted.
        """
        left = getattr(point.left, LEFT[self.cost])
        if left is None:
            raise ArgumentError(
                "the multiply-adds of this network can't be counted layer by layer: it reads a "
                "pruned weight without calling its layer; pass params instead"
            )
        return left > self.share

    def __str__(self) -> str:
        """Return it for people."""
        return f"at most {self.share:.4g} of the {COSTS[self.cost]}"


def goal_of(max_drop: float | None, **shares: float | str | None) -> Goal:
    """Return the one goal that is asked for, a loss of 1 point if none is.

    Args:
        max_drop: percentage points.
        shares: by name in `COSTS`.

    Raises:
        ArgumentError: a value isn't allowed, or there are several goals.
    """
    given = {"max_drop": max_drop, **shares}
    said = [name for name, value in given.items() if value is not None]
    if len(said) > 1:
        raise ArgumentError(f"{' and '.join(said)} exclude each other; pass one")
    if said in ([], ["max_drop"]):
        return MaxDrop(_points(1.0 if max_drop is None else max_drop))
    (name,) = said
    return Share(name, _share(name, given[name]))


def intervals(records: Sequence[Record]) -> list[tuple[float, float]]:
    """Return each draw's 95 % interval of the difference in Acc@1, in percentage points."""
    found = [record["difference"]["acc1_interval"] for record in records]
    return [(float(low), float(high)) for low, high in found]


def width(records: Sequence[Record]) -> float:
    """Return the widest interval's half, in percentage points."""
    return max((high - low) / 2 for low, high in intervals(records))


def _points(value: Any) -> float:
    number = plain_number(value)
    if number is None or not 0 < number <= 100:
        raise ArgumentError(
            f"max_drop={brief(value)} is no loss; pass percentage points in (0, 100], e.g. 1"
        )
    return float(number)


def _share(name: str, value: Any) -> float:
    text = value.strip() if isinstance(value, str) else ""
    try:
        share = check_fraction(name, float(text[:-1]) / 100 if text.endswith("%") else value)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise ArgumentError(f"{name}={brief(value)} is no share to find; pass e.g. 60% or 0.6")
    return share
