"""A transfer run in a notebook: its table and its chart."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from network_prune.display.canvas import new_axes
from network_prune.display.html import html_table
from network_prune.errors import ArgumentError
from network_prune.transfer.figures.pictures import HEIGHT, WIDTH, panels
from network_prune.transfer.figures.rates import rate_text
from network_prune.transfer.figures.sets import AttackSet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST: Final = 20  # rows of a table
_TITLES: Final = ("surrogate", "goal", "augmentation", "seeds", "passes")


def html_of(sets: Sequence[AttackSet], caption: str) -> str:
    """Return a table of the first sets in HTML: success on each network."""
    networks = list(dict.fromkeys(name for each in sets for name in each.networks))
    left_out = len(sets) - _MOST
    more = [f"{left_out} more; to_pandas() has all"] if left_out > 0 else []
    return html_table(
        [*_TITLES, *networks],
        [_cells(each, networks) for each in sets[:_MOST]],
        words=3,
        caption=caption,
        foot=["success in percent ± half its 95% interval; * white-box", *more],
    )


def _cells(attacked: AttackSet, networks: Sequence[str]) -> Iterator[Any]:
    yield attacked.surrogate
    yield attacked.goal.value
    yield attacked.augmentation
    yield len(attacked.seeds)
    yield "–" if attacked.passes is None else attacked.passes
    for name in networks:
        star = " *" if name in attacked.surrogates else ""
        known = name in attacked.networks
        yield f"{rate_text(attacked.success(name))}{star}" if known else "–"


def plot_of(
    sets: Sequence[AttackSet],
    ax: "Axes | None",
    *,
    surrogate: str | None,
    victim: str | None,
    goal: str | None,
) -> "Axes":
    """Draw success against passes on axes and return these.

    Raises:
        ArgumentError: no chart is of what is named, or several are.
        SourceError: matplotlib isn't installed.
    """
    found = [
        panel
        for row in panels(sets)
        for panel in row
        if surrogate in (None, panel.sets[0].surrogate)
        and victim in (None, panel.victim)
        and goal in (None, panel.sets[0].goal.value)
    ]
    if len(found) != 1:
        names = "; ".join(panel.name for panel in found[:3])
        raise ArgumentError(
            f"{len(found)} charts are of that{f' ({names})' if names else ''} and one fits on "
            "axes; name one by surrogate, victim and goal, or draw all to a file by "
            "network-prune transfer --plot"
        )
    ax = new_axes(ax, width=WIDTH, height=HEIGHT)
    found[0].draw(ax)
    return ax
