"""A table as data, before it is text of one form or another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Column:
    """What a column is called, and what may become of it.

    Attributes:
        title: stands above it.
        short: stands there where room is short; the title by default.
        is_words: whether it holds words, which may be shortened, and not numbers.
        goes: where room is short columns go in this order, 1 before 2; those of 0 stay.
        within: title of the column in documents that it shares with its neighbours.
        lead: what stands before its cell there.
        blank: its cell in rows that have none of it.
    """

    title: str
    short: str = ""
    is_words: bool = False
    goes: int = 0
    within: str = ""
    lead: str = ""
    blank: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as people read them, and the same as plain numbers.

    Attributes:
        columns: those that hold words first.
        rows: a text for each column.
        data: flat rows for other programs, which needn't be one for each of ``rows``.
        title: stands above it, if anything.
        goes_on: whether in documents its rows go on with those of the table before.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    data: Sequence[Mapping[str, Any]] = ()
    title: str = ""
    goes_on: bool = False


Part = str | Table  # of what a command prints: a line, or a table


def filled(table: Table) -> Table:
    """Return a table without the columns in which no row has anything."""
    places = range(len(table.columns))
    kept = [place for place in places if any(row[place] for row in table.rows) or not table.rows]
    columns = [table.columns[place] for place in kept]
    rows = [[row[place] for place in kept] for row in table.rows]
    return Table(columns, rows, table.data, table.title, table.goes_on)


def joined_columns(table: Table) -> Table:
    """Return a table in which neighbours that are within one column are that column."""
    groups: list[list[int]] = []
    for place, column in enumerate(table.columns):
        last = groups[-1][-1] if groups else None
        if column.within and last is not None and table.columns[last].within == column.within:
            groups[-1].append(place)
        else:
            groups.append([place])
    columns = [_joined(table.columns[group[0]]) for group in groups]
    rows = [[_cell(table.columns, row, group) for group in groups] for row in table.rows]
    return Table(columns, rows, table.data, table.title, table.goes_on)


def _joined(first: Column) -> Column:
    if not first.within:
        return first
    return Column(first.within, is_words=first.is_words, goes=first.goes)


def _cell(columns: Sequence[Column], row: Sequence[str], group: Sequence[int]) -> str:
    said = [place for place in group if row[place]]
    between = "  " if any(columns[place].lead for place in group) else " "
    return between.join(
        row[place] if row[place] == "–" else f"{columns[place].lead}{row[place]}" for place in said
    )
