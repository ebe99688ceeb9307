"""Tables in plain text, as wide as the terminal: columns go, words shrink, numbers stay whole."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from network_prune.display.table import Column, Table, filled
from network_prune.display.terminal import wrapped
from network_prune.display.text import shortened
from network_prune.plain_text import plain

_BETWEEN: Final = 2  # characters between two columns
_WORDS: Final = 24  # so many characters of words are kept before a column goes
_LEAST: Final = 8  # so many always


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns are shown, and how wide.

    Attributes:
        columns: all that there are.
        titles: of all of them.
        widths: of all of them, in characters.
        blocks: which are side by side; the later blocks go below the first.
        left_out: which aren't shown.
    """

    columns: Sequence[Column]
    titles: Sequence[str]
    widths: Sequence[int]
    blocks: Sequence[Sequence[int]]
    left_out: Sequence[int]

    def head(self, block: int = 0) -> str:
        """Return the titles of a block of columns in one line."""
        return self.row(self.titles, block)

    def row(self, cells: Sequence[str], block: int = 0) -> str:
        """Return a row's cells of a block of columns in one line."""
        pieces: list[str] = []
        over = 0  # characters that a number before was too long, which padding makes up for
        for place in self.blocks[block]:
            width = max(0, self.widths[place] - over)
            pieces.append(self._cell(place, plain(cells[place]), width))
            over = len(pieces[-1]) - width
        return (" " * _BETWEEN).join(pieces).rstrip()

    def _cell(self, place: int, text: str, width: int) -> str:
        if not self.columns[place].is_words:
            return text.rjust(width)
        return shortened(text, max(width, _LEAST)).ljust(width)


def fit(
    columns: Sequence[Column],
    needs: Sequence[int],
    *,
    width: int | None,
    constant: Collection[int] = (),
) -> Layout:
    """Choose columns and widths so that rows are at most ``width`` characters, where that can be.

    Args:
        columns: all that there are.
        needs: the characters that each one's cells take.
        width: of a line; None for as much as is needed.
        constant: columns that say the same in all rows, which go first.
    """
    titles = [column.title for column in columns]
    whole = [max(need, len(title)) for need, title in zip(needs, titles, strict=True)]
    everything = list(range(len(columns)))
    if width is None or _total(whole, everything) <= width:
        return Layout(columns, titles, whole, [everything], [])
    titles = [column.short or column.title for column in columns]
    whole = [max(need, len(title)) for need, title in zip(needs, titles, strict=True)]
    least = [min(w, _WORDS) if c.is_words else w for w, c in zip(whole, columns, strict=True)]
    kept = _kept(columns, least, width, constant)
    if _total(least, kept) > width:
        least = [min(w, _LEAST) if c.is_words else w for w, c in zip(least, columns, strict=True)]
    blocks = list(_blocks(columns, least, kept, width))
    left_out = [place for place in everything if place not in kept]
    return Layout(columns, titles, _widened(whole, least, blocks, width), blocks, left_out)


def text_lines(table: Table, *, width: int | None, more: str) -> list[str]:
    """Return a table in plain text, with what its narrow form leaves out below it.

    Args:
        table: what to show.
        width: of a line; None for as much as is needed.
        more: what shows the columns that are left out.
    """
    table = filled(table)
    cells = [[plain(cell) for cell in row] for row in table.rows]
    by_column = [[row[place] for row in cells] for place in range(len(table.columns))]
    needs = [max(map(len, column), default=0) for column in by_column]
    said = dict(_same(table.columns, by_column))
    layout = fit(table.columns, needs, width=width, constant=said)
    lines = wrapped([table.title, ""], width) if table.title else []
    for block in range(len(layout.blocks)):
        lines += [""] * bool(block)
        lines += [layout.head(block), *(layout.row(row, block) for row in cells)]
    below = left_out_lines(layout, layout.left_out, said=said, more=more)
    return [*lines, *wrapped(below, width)]


def left_out_lines(
    layout: Layout, left_out: Sequence[int], *, said: Mapping[int, str] | None = None, more: str
) -> Iterator[str]:
    """Yield what stands below rows of a layout: which columns aren't there.

    Args:
        layout: of the rows.
        left_out: the columns to tell of.
        said: what is in all rows of some columns, or in all that have one.
        more: what shows the others.
    """
    titles = [column.title for column in layout.columns]
    known = {place: said[place] for place in left_out if place in said} if said else {}
    for words, has_blank in (("in all rows", False), ("in all rows that have one", True)):
        texts = [
            f"{titles[place]} {text}"
            for place, text in known.items()
            if (layout.columns[place].blank is not None) == has_blank
        ]
        if texts:
            yield f"{words}: {', '.join(texts)}"
    others = [titles[place] for place in left_out if titles[place] and place not in known]
    if others:
        yield f"no room for: {', '.join(others)}; {more}"


def _same(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> Iterator[tuple[int, str]]:
    """Yield the columns of several rows that have one text in all of them, and that."""
    for place, (column, own) in enumerate(zip(columns, cells, strict=True)):
        texts = {text for text in own if text != column.blank} or {*own}
        if len(own) > 1 and len(texts) == 1:
            yield place, texts.pop()


def _total(widths: Sequence[int], places: Iterable[int]) -> int:
    taken = [widths[place] + _BETWEEN for place in places]
    return sum(taken) - _BETWEEN


def _kept(
    columns: Sequence[Column], widths: Sequence[int], width: int, constant: Collection[int]
) -> list[int]:
    """Return the columns that stay, as many as there is room for."""
    kept = list(range(len(columns)))
    going = [place for place in kept if columns[place].goes]
    going.sort(key=lambda place: (place not in constant, columns[place].goes))
    gone: list[int] = []
    for place in going:
        if _total(widths, kept) <= width:
            break
        kept.remove(place)
        gone.append(place)
    for place in reversed(gone):  # narrow ones that went before a wide one
        if _total(widths, [*kept, place]) <= width:
            kept = sorted([*kept, place])
    return kept


def _blocks(
    columns: Sequence[Column], widths: Sequence[int], kept: Sequence[int], width: int
) -> Iterator[list[int]]:
    """Yield the columns of each block: as many as fit, each time beside those of words."""
    words = [place for place in kept if columns[place].is_words]
    block = [*words]
    for place in kept:
        if place in words:
            continue
        if len(block) > len(words) and _total(widths, [*block, place]) > width:
            yield sorted(block)
            block = [*words]
        block.append(place)
    yield sorted(block)


def _widened(
    whole: Sequence[int], least: Sequence[int], blocks: Sequence[Sequence[int]], width: int
) -> list[int]:
    """Return widths in which columns of words have what room is left."""
    widths = list(least)
    room = width - max(_total(widths, block) for block in blocks)
    for place, (most, own) in enumerate(zip(whole, least, strict=True)):
        more = max(0, min(most - own, room))
        if place in blocks[0]:
            widths[place] += more
            room -= more
    return widths
