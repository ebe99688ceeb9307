"""All tables of a transfer run, in lines: aligned for a terminal, or a document in Markdown."""

from collections.abc import Iterable, Iterator, Sequence

from network_prune.reports.markdown import markdown_head, markdown_line, markdown_row, markdown_text
from network_prune.reports.transfer import comparisons, success
from network_prune.reports.transfer.aligned import WIDTH, aligned_table
from network_prune.reports.transfer.texts import attack_text
from network_prune.transfer.figures.compared import TransferCompared
from network_prune.transfer.figures.sets import AttackSet, grouped


def transfer_lines(
    sets: Sequence[AttackSet],
    compared: TransferCompared,
    *,
    markdown: bool = False,
    width: int = WIDTH,
) -> list[str]:
    """Return the tables of success, the comparisons, and where an augmentation helps.

    Args:
        sets: what was computed.
        compared: the comparisons of these.
        markdown: as a document in Markdown, not for a terminal.
        width: of the terminal.
    """
    layout = _Layout(markdown=markdown, width=width)
    groups = grouped(sets)
    parts = [line for group in groups for line in _success(group, layout)]
    if groups:
        parts += layout.notes(success.success_key())
    if compared.comparisons:
        parts += _compared(compared, layout)
    else:
        parts += layout.notes(comparisons.comparison_notes(compared))
    return parts


def _success(group: Sequence[AttackSet], layout: "_Layout") -> Iterator[str]:
    yield from layout.heading(success.title(group))
    yield from layout.table(success.titles(group), list(success.rows(group)), words=1)
    yield from layout.notes(
        [f"attack: {attack_text(group[0].first['attack'])}", *success.notes(group)]
    )


def _compared(compared: TransferCompared, layout: "_Layout") -> Iterator[str]:
    for title, rows in comparisons.comparison_tables(compared).items():
        yield from layout.heading(title)
        yield from layout.table(comparisons.TITLES, rows, words=2)
    yield from layout.notes(comparisons.comparison_notes(compared))
    yield from layout.heading(
        f"Where an augmentation helps and where it doesn't, against {compared.against}"
    )
    rows = list(comparisons.summary_rows(compared))
    yield from layout.table(comparisons.SUMMARY_TITLES, rows, words=1)
    yield from layout.notes(comparisons.summary_notes(compared))


class _Layout:
    """How headings, tables and notes are set."""

    def __init__(self, *, markdown: bool, width: int) -> None:
        self._markdown = markdown
        self._width = width

    def heading(self, text: str) -> list[str]:
        return ["", f"### {markdown_text(text)}" if self._markdown else text, ""]

    def table(
        self, titles: Sequence[str], rows: Sequence[Sequence[str]], *, words: int
    ) -> list[str]:
        if not self._markdown:
            return aligned_table(titles, rows, words=words, width=self._width)
        return [*markdown_head(titles, words=words).splitlines(), *map(markdown_row, rows)]

    def notes(self, lines: Iterable[str]) -> list[str]:
        if not self._markdown:
            return list(lines)
        return ["", *(f"- {markdown_line(line)}" for line in lines)]
