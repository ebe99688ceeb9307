"""Pictures of records in files."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from network_prune.display.canvas import looks, save_plot
from network_prune.results.records import Record
from network_prune.results.series.pictures import Picture, check_any, pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEAST_SCALE: Final = 0.5  # of heights: rows of a heat map stay as high as their names


def draw_plot(records: Sequence[Record], path: Path) -> None:
    """Draw records to a file: curves, heat maps of layers, or how different draws are.

    Those of several networks or settings stand side by side, kind below kind.

    Args:
        records: of any study.
        path: ends in one of `FORMATS`.

    Raises:
        ArgumentError: there is nothing to draw.
        RunError: ``path`` can't be written.
    """
    found = pictures(records)
    check_any(found)
    draw_pictures(found, path)


def draw_pictures(rows: Iterable[Sequence[Picture]], path: Path) -> None:
    """Draw pictures to a file, side by side in each row; raises a RunError as `draw_plot` does."""
    with looks():
        save_plot(arranged(rows), path)


def arranged(rows: Iterable[Sequence[Picture]], *, width: float | None = None) -> "Figure":
    """Return a figure with pictures side by side in each row.

    Args:
        rows: of pictures, from the top.
        width: of the figure in inches, to which each row is scaled, though its height not
            below half; by default what the widest row needs.
    """
    from matplotlib.figure import Figure

    rows = list(rows)
    widths = [[picture.width for picture in row] for row in rows]
    whole = width or max(map(sum, widths))
    scales = [whole / sum(across) if width else 1.0 for across in widths]
    heights = [
        max(scale, _LEAST_SCALE) * max(picture.height for picture in row)
        for scale, row in zip(scales, rows, strict=True)
    ]
    figure = Figure(figsize=(whole, sum(heights)), layout="constrained")
    grid = figure.add_gridspec(len(rows), 1, height_ratios=heights)
    for number, (row, across) in enumerate(zip(rows, widths, strict=True)):
        panels = grid[number].subgridspec(1, len(row), width_ratios=across)
        for column, picture in enumerate(row):
            picture.draw(figure.add_subplot(panels[column]))
    return figure
