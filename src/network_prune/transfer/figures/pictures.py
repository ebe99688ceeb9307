"""Success against passes: a panel for each goal, surrogate and victim, a line an augmentation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from network_prune.display.charts import Line, draw_lines
from network_prune.errors import ArgumentError
from network_prune.results.series.pictures import Picture
from network_prune.transfer.figures.sets import AttackSet, grouped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 4.6, 3.4  # inches of a panel


@dataclass(frozen=True, slots=True)
class Panel:
    """The curves of all augmentations on one victim.

    Attributes:
        sets: of one surrogate and goal, whose images were tried on the victim.
        victim: its name.
    """

    sets: Sequence[AttackSet]
    victim: str

    @property
    def name(self) -> str:
        """Surrogate, victim and goal."""
        first = self.sets[0]
        return f"{first.surrogate} → {self.victim}, {first.goal.value}"

    def draw(self, ax: "Axes") -> None:
        """Draw a line for each augmentation, with 95 % intervals."""
        names = [each.augmentation for each in self.sets]
        lines = [
            _line(each, self.victim, f"{each.passes} passes" if names.count(name) > 1 else "")
            for each, name in zip(self.sets, names, strict=True)
        ]
        draw_lines(ax, lines, title=self.name, x="passes", y="success (%)")


def panels(sets: Sequence[AttackSet]) -> Iterator[list[Panel]]:
    """Yield the panels of each surrogate and goal, one a victim."""
    for group in grouped(each for each in sets if each.passes is not None):
        victims = dict.fromkeys(victim for each in group for victim in each.victims)
        yield [Panel([e for e in group if name in e.victims], name) for name in victims]


def curve_pictures(sets: Sequence[AttackSet]) -> list[list[Picture]]:
    """Return all panels as pictures, those of a surrogate and goal in one row.

    Raises:
        ArgumentError: no images were tried on a victim.
    """
    rows = [[Picture(panel.draw, WIDTH, HEIGHT) for panel in row] for row in panels(sets) if row]
    if not rows:
        raise ArgumentError(
            "there is nothing to draw: no images were tried on another network; pass a --victim"
        )
    return rows


def _line(attacked: AttackSet, victim: str, rest: str) -> Line:
    points = attacked.first["points"]
    rates = [attacked.success(victim, place) for place in range(len(points))]
    low, high = zip(*(each.interval for each in rates), strict=True)
    return Line(
        attacked.augmentation,
        rest,
        [point["passes"] for point in points],
        [each.percent for each in rates],
        interval=(list(low), list(high)),
    )
