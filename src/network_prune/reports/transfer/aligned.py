"""Tables in Markdown whose columns are aligned, as narrow as a terminal."""

from collections.abc import Iterator, Sequence
from typing import Final

from network_prune.reports.markdown import markdown_text

WIDTH: Final = 100
_BETWEEN: Final = 3  # characters between two cells
_AROUND: Final = 4  # before the first and behind the last


def aligned_table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], *, words: int, width: int = WIDTH
) -> list[str]:
    """Return a table in lines of at most ``width`` characters where that can be.

    Where it is wider its columns go below one another, each time beside the first ones.

    Args:
        titles: of the columns.
        rows: what the cells hold, which is escaped.
        words: how many columns, the first ones, hold words and not numbers.
        width: in characters.
    """
    cells = [[markdown_text(cell) for cell in row] for row in (titles, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    blocks = _blocks(widths, words, width)
    return [line for block in blocks for line in _block(cells, widths, block, words)][:-1]


def _blocks(widths: Sequence[int], words: int, width: int) -> list[list[int]]:
    """Return the columns of each table, so that as many as fit are side by side."""
    first = list(range(words))
    blocks, block = [], [*first]
    for column in range(words, len(widths)):
        taken = sum(widths[c] + _BETWEEN for c in [*block, column]) - _BETWEEN + _AROUND
        if taken > width and len(block) > words:
            blocks.append(block)
            block = [*first]
        block.append(column)
    return [*blocks, block]


def _block(
    cells: Sequence[Sequence[str]], widths: Sequence[int], block: Sequence[int], words: int
) -> Iterator[str]:
    for number, row in enumerate(cells):
        aligned = (
            row[column].ljust(widths[column])
            if column < words
            else row[column].rjust(widths[column])
            for column in block
        )
        yield f"| {' | '.join(aligned)} |"
        if number == 0:
            rules = (
                f":{'-' * (widths[c] + 1)}" if c < words else f"{'-' * (widths[c] + 1)}:"
                for c in block
            )
            yield f"|{'|'.join(rules)}|"
    yield ""
