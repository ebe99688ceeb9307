"""Charts on axes of matplotlib's: lines with bands and intervals, bars, heat maps.

Lines are told apart by colours that colour-blind eyes tell apart too (Okabe and Ito, "Color
universal design", 2008), and by markers and dashes. Names are text, never formulas.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from network_prune.display.room import Room, characters_in, fits, text_width
from network_prune.display.text import shortened
from network_prune.plain_text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "<")
_DASHES: Final = ("-", "--", ":", "-.")
_LIGHT: Final = "#B8D8EA"
_INK: Final = "#1a1a1a"
_FEW: Final = 8  # entries of a legend that has room inside
Values = Sequence[float]


@dataclass(frozen=True, slots=True)
class Line:
    """Points that belong together; NaN where a point has no number.

    Attributes:
        hue: lines of the same one share their colour and marker.
        rest: what tells lines of a hue apart, by their dashes.
        x: along the horizontal axis.
        y: along the vertical axis.
        interval: ends of error bars of ``y``, none by default.
        band: ends of a shaded band around ``y``, none by default.
        x_interval: ends of error bars of ``x``, none by default.
    """

    hue: str
    rest: str
    x: Values
    y: Values
    interval: tuple[Values, Values] | None = None
    band: tuple[Values, Values] | None = None
    x_interval: tuple[Values, Values] | None = None

    @property
    def label(self) -> str:
        """What the legend says."""
        return f"{self.hue} {self.rest}".strip()


def as_text(name: str) -> str:
    """Return a name so that matplotlib shows it as it is."""
    return plain(name).replace("$", r"\$")


def draw_lines(ax: "Axes", lines: Sequence[Line], *, title: str, x: str, y: str) -> None:
    """Draw lines with a legend; ``x`` and ``y`` name the axes."""
    most = characters_in(0.7 * Room.of(ax).width, _relative(ax, 0.8))
    hues = list(dict.fromkeys(line.hue for line in lines))
    rests = list(dict.fromkeys(line.rest for line in lines))
    for line in lines:
        hue, rest = hues.index(line.hue), rests.index(line.rest)
        colour = COLOURS[hue % len(COLOURS)]
        if line.band is not None:
            ax.fill_between(line.x, *line.band, color=colour, alpha=0.18, linewidth=0)
        ax.errorbar(
            line.x,
            line.y,
            yerr=_lengths(line.y, line.interval),
            xerr=_lengths(line.x, line.x_interval),
            color=colour,
            marker=_MARKERS[hue % len(_MARKERS)],
            markerfacecolor="white" if rest % 2 else colour,
            linestyle=_DASHES[rest % len(_DASHES)],
            elinewidth=0.7,
            capsize=1.5,
            label=as_text(shortened(line.label, most)),
        )
    ax.grid(alpha=0.25, linewidth=0.5)
    _name(ax, title=title, x=x, y=y)
    if len(lines) > 1 or lines[0].label:
        _legend(ax, len(lines))


def draw_bars(
    ax: "Axes", names: Sequence[str], bars: Mapping[str, Values], *, title: str, x: str
) -> None:
    """Draw bars, one below the other, the later of ``bars`` over the earlier."""
    colours = (_LIGHT, *COLOURS)
    for number, (label, values) in enumerate(bars.items()):
        height = 0.8 - 0.3 * number
        ax.barh(range(len(names)), values, height, color=colours[number], label=as_text(label))
    ax.set_yticks(range(len(names)), map(as_text, names), usetex=False)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(axis="x", alpha=0.25, linewidth=0.5)
    _name(ax, title=title, x=x, y="")
    _legend(ax, len(bars))


def draw_heat(
    ax: "Axes",
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Values],
    *,
    title: str,
    x: str,
    label: str,
    text: Callable[[float], str],
    limits: tuple[float, float],
    colours: str,
    is_bold: Callable[[int, int], bool] = lambda row, column: False,
) -> None:
    """Draw a heat map with a number in each cell; a cell of NaN or without room stays empty.

    Args:
        ax: where.
        rows: their names.
        columns: their names.
        values: ``[rows][columns]``.
        title: stands above it.
        x: names the columns.
        label: names the values.
        text: writes a value.
        limits: values of the first and the last colour.
        colours: matplotlib's name of a colour map.
        is_bold: whether the number in a row and column is bold.
    """
    low, high = limits
    image: Any = ax.imshow(values, cmap=colours, vmin=low, vmax=high, aspect="auto")
    small = _relative(ax, 0.8)
    room = Room.of(ax, len(rows), len(columns))
    names = [as_text(shortened(row, room.characters(small))) for row in rows]
    cell = room.cell(max(map(len, names)), small)
    step = max(1, math.ceil(max(map(len, columns)) * text_width(small) / cell[0]))
    ax.set_yticks(range(len(rows)), names, fontsize=small, usetex=False)
    ax.set_xticks(range(0, len(columns), step), columns[::step], fontsize=small)
    _name(ax, title=title, x=x, y="", across=room.above_cells(cell, small))
    assert ax.figure is not None
    label = "\n".join(wrap(label, characters_in(room.height, _relative(ax, 1.0))))
    ax.figure.colorbar(image, ax=ax, label=label)
    size = _relative(ax, 0.7)
    for row, across in enumerate(values):
        for column, value in enumerate(across):
            if math.isfinite(value) and fits(text(value), size, cell):
                ax.text(
                    column,
                    row,
                    text(value),
                    ha="center",
                    va="center",
                    fontsize=size,
                    fontweight="bold" if is_bold(row, column) else "normal",
                    color="white" if _is_dark(image.to_rgba(value)) else _INK,
                )


def _name(ax: "Axes", *, title: str, x: str, y: str, across: float | None = None) -> None:
    inches = across or Room.of(ax).width
    lines = wrap(plain(title), characters_in(inches, _relative(ax, 1.0)))
    ax.set_title("\n".join(map(as_text, lines)), fontsize="medium", usetex=False)
    ax.set_xlabel(x, usetex=False)
    ax.set_ylabel(y, usetex=False)


def _legend(ax: "Axes", entries: int) -> None:
    outside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
    place: dict[str, Any] = {"loc": "best"} if entries <= _FEW else outside
    legend = ax.legend(fontsize="small", edgecolor="none", handlelength=3, **place)
    for text in legend.get_texts():
        text.set_usetex(False)


def _lengths(values: Values, ends: tuple[Values, Values] | None) -> list[list[float]] | None:
    """Return how far the ends of intervals are from ``values``."""
    if ends is None:
        return None
    low, high = ends
    below = [max(0.0, value - end) for value, end in zip(values, low, strict=True)]
    return [below, [max(0.0, end - value) for value, end in zip(values, high, strict=True)]]


def _relative(ax: "Axes", size: float) -> float:
    return size * float(ax.xaxis.label.get_fontsize())


def _is_dark(colour: Any) -> bool:
    red, green, blue, _ = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
