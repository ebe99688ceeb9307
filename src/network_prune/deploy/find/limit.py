"""How far one network goes, pruned in one way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from network_prune.deploy.find.goal import Goal, MaxDrop, Point, intervals, width
from network_prune.deploy.find.way import Way
from network_prune.results.records import Record


@dataclass(frozen=True, slots=True)
class Limit:
    """What was found of one network, pruned in one way.

    Attributes:
        way: the network and how it is pruned.
        goal: what was asked.
        dense: the dense network.
        points: what was measured, by rising p_prune.
        p_prune: the largest that keeps within the loss, or the smallest that comes down to the
            share; 0 if none keeps within.
    """

    way: Way
    goal: Goal
    dense: Point
    points: tuple[Point, ...]
    p_prune: float

    @property
    def point(self) -> Point:
        """What is found: the draws at `p_prune`, or the dense network."""
        return next((each for each in self.points if each.p_prune == self.p_prune), self.dense)

    @property
    def next(self) -> Point | None:
        """The first measured point behind it, where it was found not to go on."""
        return next((each for each in self.points if each.p_prune > self.p_prune), None)

    @property
    def records(self) -> list[Record]:
        """All that was measured, the dense network first."""
        return [*self.dense.records, *(r for point in self.points for r in point.records)]

    @property
    def images_needed(self) -> int | None:
        """How many images might tell more; None where those that there are do tell."""
        behind = self.next
        if not isinstance(self.goal, MaxDrop) or behind is None or self.goal.is_told(behind):
            return None
        return self.goal.needed(behind)

    def notes(self) -> list[str]:
        """Return what to know of it, for people."""
        needed, behind, latency = self.images_needed, self.next, self.point.left.latency
        if latency is not None:
            return [f"one picture takes {latency:.1%} of the time without the silenced neurons"]
        if needed is None or behind is None:
            return []
        n = behind.records[0]["metrics"]["n"]
        return [
            f"{n} images can't tell whether p_prune {behind.p_prune:g} keeps {self.goal}: they "
            f"show differences above about {width(behind.records):.1f} points; about "
            f"{_rounded(needed)} images would tell, if the differences stay"
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, for JSON; shares in [0, 1], percentage points."""
        point = self.point
        return {
            "network": self.way.network.arch,
            "weights": self.way.network.weights,
            "goal": str(self.goal),
            "p_prune": self.p_prune,
            "parameters_left": point.left.parameters,
            "macs_left": point.left.macs,
            "latency_left": point.left.latency,
            "acc1_intervals": [] if point is self.dense else intervals(point.records),
            "images_needed": self.images_needed,
            "measured": [each.p_prune for each in self.points],
            "records": list(point.records),
        }


def best_of(limits: Sequence[Limit]) -> Limit:
    """Return the one that leaves the fewest parameters, or loses least where a share was asked."""
    if isinstance(limits[0].goal, MaxDrop):
        return min(limits, key=lambda each: each.point.left.parameters)
    return max(limits, key=_difference)


def _difference(limit: Limit) -> float:
    found = [r["difference"]["acc1_difference"] for r in limit.point.records if r["difference"]]
    return sum(found) / len(found) if found else 0.0


def _rounded(count: int) -> int:
    """Return a number with two digits that count."""
    return round(count, 2 - len(str(count)))
