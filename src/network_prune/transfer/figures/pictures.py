"""Success against passes: a panel for each goal, surrogate and victim, a line an augmentation."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from network_prune.display.charts import Line, draw_lines
from network_prune.errors import ArgumentError
from network_prune.results.series.pictures import Picture
from network_prune.transfer.figures.sets import AttackSet, setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _HEIGHT = 4.6, 3.4  # inches of a panel


def curve_pictures(sets: Sequence[AttackSet]) -> list[list[Picture]]:
    """Return the panels: a row for each surrogate under a goal, with a panel a victim.

    Raises:
        ArgumentError: no images were tried on a victim.
    """
    found: dict[str, list[AttackSet]] = {}
    for each in sets:
        found.setdefault(setting(each), []).append(each)
    rows = [
        [
            Picture(partial(_draw, sets=own, victim=victim), _WIDTH, _HEIGHT)
            for victim in own[0].victims
        ]
        for own in found.values()
    ]
    rows = [row for row in rows if row]
    if not rows:
        raise ArgumentError(
            "there is nothing to draw: no images were tried on another network; pass a --victim"
        )
    return rows


def _draw(ax: "Axes", sets: Sequence[AttackSet], victim: str) -> None:
    names = [each.augmentation for each in sets]
    lines = [
        _line(each, victim, f"{each.passes} passes" if names.count(name) > 1 else "")
        for each, name in zip(sets, names, strict=True)
        if not each.is_made_on(victim)
    ]
    first = sets[0]
    title = f"{first.surrogate} → {victim}, {first.goal.value}"
    if lines:
        draw_lines(ax, lines, title=title, x="passes", y="success (%)")


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
