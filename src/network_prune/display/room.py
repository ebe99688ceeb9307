"""How much fits into a chart, estimated before it is laid out."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OF_PANEL: Final = 0.77  # share of its panel that axes have before they are laid out
_WIDTH: Final = 0.6  # of a character, in font sizes
_COLOUR_BAR: Final = 10.0  # width with its label, in font sizes
_TITLES: Final = 6.0  # height of a title, names of columns and their label, in font sizes
_LEAST: Final = 0.25  # share of a panel's width that cells keep


@dataclass(frozen=True, slots=True)
class Room:
    """A panel of a figure and the cells in it.

    Attributes:
        width: in inches.
        height: in inches.
        rows: of cells.
        columns: of cells.
    """

    width: float
    height: float
    rows: int
    columns: int

    @classmethod
    def of(cls, ax: "Axes", rows: int = 1, columns: int = 1) -> "Room":
        """Return the room of axes that are not yet laid out."""
        assert ax.figure is not None
        box = ax.get_window_extent()
        width, height = (side / ax.figure.dpi / _OF_PANEL for side in (box.width, box.height))
        return cls(width, height, rows, columns)

    def characters(self, size: float) -> int:
        """Return how many characters of a row's name fit beside cells and colour bar."""
        return characters_in(self.width * (1 - _LEAST) - _COLOUR_BAR * size / 72, size)

    def cell(self, characters: int, size: float) -> tuple[float, float]:
        """Return width and height of a cell in inches, beside names of so many characters."""
        bar = _COLOUR_BAR * size / 72
        width = max(self.width - bar - characters * text_width(size), _LEAST * self.width)
        height = max(self.height - _TITLES * size / 72, 0.5 * self.height)
        return width / self.columns, height / self.rows

    def above_cells(self, cell: tuple[float, float], size: float) -> float:
        """Return the inches that a title centred over the cells may take."""
        beside = 2 * 0.7 * _COLOUR_BAR * size / 72
        return min(self.width, cell[0] * self.columns + beside)


def fits(text: str, size: float, cell: tuple[float, float]) -> bool:
    """Return whether a text of a font's size fits into a cell of so many inches."""
    width, height = cell
    return len(text) * text_width(size) <= width and size / 72 <= height


def characters_in(inches: float, size: float) -> int:
    """Return how many characters of a font's size fit into so many inches; 8 at least."""
    return max(8, int(inches / text_width(size)))


def text_width(size: float) -> float:
    """Return a character's width in inches."""
    return _WIDTH * size / 72
