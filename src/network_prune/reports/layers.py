"""What pruning each layer alone costs: layers down, p_prune across."""

from collections.abc import Iterator, Sequence

from network_prune.evaluation.mean import excludes_zero
from network_prune.reports.markdown import markdown_head, markdown_row, markdown_text
from network_prune.reports.tables import figures_text
from network_prune.results.records import Record
from network_prune.results.series.alone import LayerTable, layer_tables


def layer_lines(records: Sequence[Record]) -> list[str]:
    """Return the tables of one network's records in Markdown, with what to know below each."""
    return [line for table in layer_tables(records) for line in ["", *_lines(table)]]


def _lines(table: LayerTable) -> Iterator[str]:
    yield markdown_text(table.title)
    yield ""
    head = ["layer", *(f"p_prune {p:g}" for p in table.p_prunes)]
    yield from markdown_head(head, words=1).splitlines()
    for layer in table.layers:
        cells = (_cell(table.cells.get((layer, p_prune))) for p_prune in table.p_prunes)
        yield markdown_row([layer, *cells])
    yield ""
    if table.dense is not None:
        yield f"dense: {figures_text(table.dense['metrics'])}"
    yield (
        "cells: Acc@1 less the dense network's, in percentage points; * where the paired 95% "
        "interval excludes 0"
    )
    unchanged = sum(not cell["realised"]["newly_zeroed"] for cell in table.cells.values())
    if unchanged:
        yield (
            f"{unchanged} of {len(table.cells)} cells change no weight: there is nothing to "
            "prune, or all of it was zero before"
        )


def _cell(record: Record | None) -> str:
    difference = record and record["difference"]
    if not difference or difference["acc1_difference"] is None:
        return "–"
    mark = " *" if excludes_zero(difference["acc1_interval"]) else ""
    return f"{difference['acc1_difference']:+.2f}{mark}"
