"""Lines and tables as text: as people read them on a screen, and in a form for other programs."""

from collections.abc import Iterable, Sequence
from typing import Final

from network_prune.display.fitted import text_lines
from network_prune.display.latex import latex_lines
from network_prune.display.table import Part, Table, joined_columns
from network_prune.display.terminal import wrapped
from network_prune.reports.exports import csv_text
from network_prune.reports.markdown import markdown_head, markdown_line, markdown_row

ALL_COLUMNS: Final = "a wider terminal or --format csv has all"
_WIDER: Final = "a wider terminal has all"


def markdown_lines(parts: Iterable[Part]) -> list[str]:
    """Return lines as they are, and tables in Markdown."""
    return [
        line for part in parts for line in ([part] if isinstance(part, str) else _markdown(part))
    ]


def screen_lines(parts: Iterable[Part], width: int | None, *, plain: bool = False) -> list[str]:
    """Return lines and tables for people.

    Args:
        parts: lines and tables.
        width: of the terminal, which nothing exceeds where that can be; None for a file, in
            which tables are in Markdown.
        plain: whether tables are plain text there, too.
    """
    if width is None and not plain:
        return markdown_lines(parts)
    return [line for part in parts for line in _on_screen(part, width)]


def form_text(tables: Sequence[Table], form: str, *, width: int | None) -> str:
    """Return tables as a command's --format asks, but in JSON; it ends without a line's end.

    Args:
        tables: one or more; in CSV their rows are one list.
        form: table, markdown, csv or latex.
        width: of a line of the form ``table``; None for as much as is needed.
    """
    data = [row for table in tables for row in table.data]
    if form == "csv":
        # Cells have no ends of lines, and other programs of a pipe take this one.
        return csv_text(lambda: data).replace("\r\n", "\n").removesuffix("\n")
    if form == "latex":
        found = [latex_lines(table) for table in tables]
    elif form == "markdown":
        found = [_markdown(table) for table in tables]
    else:
        found = [text_lines(table, width=width, more=ALL_COLUMNS) for table in tables]
    return "\n\n".join("\n".join(lines) for lines in found)


def _markdown(table: Table) -> list[str]:
    joined = joined_columns(table)
    rows = list(map(markdown_row, joined.rows))
    if table.goes_on:
        return rows
    words = sum(column.is_words for column in joined.columns)
    titles = [column.title for column in joined.columns]
    above = [markdown_line(table.title), ""] if table.title else []
    head = markdown_head(titles, words=words).splitlines()
    return [*above, *head, *rows]


def _on_screen(part: Part, width: int | None) -> list[str]:
    if isinstance(part, str):
        return wrapped([part], width) if part else [part]
    more = ALL_COLUMNS if part.data else _WIDER
    return [*[""] * part.goes_on, *text_lines(part, width=width, more=more)]
