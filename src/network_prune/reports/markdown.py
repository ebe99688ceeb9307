"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def markdown_row(cells: Iterable[str]) -> str:
    """Return one row of a table; what the cells hold is escaped."""
    escaped = (" ".join(cell.splitlines()).replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def markdown_head(titles: Sequence[str], *, words: int) -> str:
    """Return the head of a table; the first ``words`` columns hold words, the others numbers."""
    rule = [":--"] * words + ["--:"] * (len(titles) - words)
    return f"{markdown_row(titles)}\n|{'|'.join(rule)}|"
