"""Text as people are shown it, and warnings of it."""

import warnings
from collections.abc import Iterable, Sequence

from network_prune.plain_text import plain


def shortened(text: str, most: int) -> str:
    """Return printable ``text`` in at most so many characters, an ellipsis for its middle."""
    text = plain(text)
    if len(text) <= most:
        return text
    tail = max(0, (most - 1) // 2)
    return f"{text[: max(0, most - 1 - tail)]}…{text[len(text) - tail :]}"


def text_table(titles: Sequence[str], rows: Iterable[Iterable[str]], *, words: int = 1) -> str:
    """Return a table in plain text; the first ``words`` columns hold words, the others numbers."""
    cells = [[plain(cell) for cell in row] for row in (titles, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < words else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )


def warn(texts: Iterable[str], *, stacklevel: int) -> None:
    """Warn of each text, in printable characters; ``stacklevel`` is as for warnings.warn."""
    for text in texts:
        warnings.warn(plain(text), stacklevel=stacklevel + 1)
