"""What the page is made of: sections with a figure that has views, each with its numbers."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from markupsafe import escape

from network_prune.plain_text import plain
from network_prune.results.series.curves import Spread

# Okabe and Ito's colours, which colour-blind eyes tell apart; dashes and markers differ as well.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES: Final = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")
MARKERS: Final = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "pentagon")

_Item = TypeVar("_Item")

Figure = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Numbers:
    """A table.

    Attributes:
        head: the columns' titles.
        rows: the cells; text, or numbers as they are to be shown.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        rows = [list(map(plain, row)) for row in self.rows]
        return {"head": list(map(plain, self.head)), "rows": rows}


@dataclass(frozen=True, slots=True)
class Names:
    """Names behind a title that opens.

    Attributes:
        title: what they are.
        names: the names.
        more: number of further ones.
    """

    title: str
    names: Sequence[str]
    more: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"title": self.title, "names": list(map(plain, self.names)), "more": self.more}


@dataclass(frozen=True, slots=True)
class View:
    """One way to look at a figure.

    Attributes:
        label: what it is called in the choice of views; for a choice of two kinds, both.
        figure: Plotly's data and layout; None for a table alone.
        numbers: what is drawn, as a table.
        note: what to know of this view.
        names: lists below the figure.
    """

    label: tuple[str, ...]
    figure: Figure | None
    numbers: Numbers
    note: str = ""
    names: Sequence[Names] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "label": list(map(plain, self.label)),
            "figure": self.figure,
            "numbers": self.numbers.to_dict(),
            "note": self.note,
            "names": [names.to_dict() for names in self.names],
        }


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page.

    Attributes:
        name: its id.
        title: its heading.
        text: what is to be seen, and how it was computed.
        views: the first is shown first.
        choices: what each part of the views' labels is called.
        badge: a word beside the heading.
    """

    name: str
    title: str
    text: Sequence[str]
    views: Sequence[View]
    choices: Sequence[str] = ()
    badge: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what is drawn, as plain data."""
        return {
            "choices": list(self.choices),
            "views": [view.to_dict() for view in self.views],
        }


def literal(text: object) -> str:
    """Return text for a figure so that Plotly, which reads tags and formulas, shows it as it is."""
    return str(escape(plain(str(text)))).replace("$", "&#36;")


def hover(*lines: str) -> str:
    """Return the text of a hover label of these lines, shown as they are."""
    return "<br>".join(map(literal, lines))


def spread(items: Sequence[_Item], most: int) -> list[_Item]:
    """Return at most so many of the items, evenly from the first on."""
    step = max(1, -(-len(items) // max(1, most)))
    return list(items[::step])


def finite(values: Iterable[float | None]) -> list[float | None]:
    """Return values with None for what JSON has no number for."""
    return [None if value is None or not math.isfinite(value) else value for value in values]


def fixed(value: float | None, digits: int = 3, *, sign: bool = False) -> str:
    """Return a number for a table, – where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:{'+' if sign else ''}.{digits}f}"


def ticks(labels: Sequence[str]) -> dict[str, Any]:
    """Return the part of an axis that names the places 0, 1, 2 … by ``labels``."""
    return {"tickvals": list(range(len(labels))), "ticktext": list(map(literal, labels))}


def error_bars(spreads: Iterable[Spread]) -> Mapping[str, Any]:
    """Return bars from the lower to the upper end of the 95% intervals."""
    found = list(spreads)
    return {
        "type": "data",
        "symmetric": False,
        "array": finite(spread.interval[1] - spread.mean for spread in found),
        "arrayminus": finite(spread.mean - spread.interval[0] for spread in found),
        "thickness": 1,
        "width": 3,
    }


def axis(title: str, **others: Any) -> Mapping[str, Any]:
    """Return an axis with a title."""
    return {"title": {"text": literal(title)}, "automargin": True, **others}
