"""What pruning each layer alone costs: layers down, p_prune across; and what it says of targets."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from network_prune.display.table import Column, Part, Table
from network_prune.evaluation.mean import excludes_zero
from network_prune.reports.forms.forms import markdown_lines
from network_prune.reports.tables import figures_text
from network_prune.results.records import Record
from network_prune.results.rows import flat_row
from network_prune.results.series.alone import LayerTable, layer_tables
from network_prune.results.series.targets import Target, targets_of
from network_prune.sources.fractions_file import fractions_text
from network_prune.whole_file import write_whole


def layer_lines(records: Sequence[Record]) -> list[str]:
    """Return the tables of one network's records in Markdown, with what to know below each."""
    return markdown_lines(layer_parts(records))


def layer_parts(records: Sequence[Record]) -> list[Part]:
    """Return the tables of one network's records, with what to know below each."""
    return [part for table in layer_tables(records) for part in ["", *_parts(table)]]


def _parts(table: LayerTable) -> Iterator[Part]:
    titles = [Column(f"p_prune {p:g}", f"{p:g}") for p in table.p_prunes]
    rows = [
        [layer, *(_cell(table.cells.get((layer, p_prune))) for p_prune in table.p_prunes)]
        for layer in table.layers
    ]
    data = [flat_row(record) for record in table.cells.values()]
    yield Table([Column("layer", is_words=True), *titles], rows, data, table.title)
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


def write_targets(records: Sequence[Record], *, target: float, path: Path) -> list[Part]:
    """Write each layer's fraction to a file, and return a table of them.

    Args:
        records: of one network's layers pruned alone, in one way.
        target: fraction in [0, 1] of all weights of the ranked layers.
        path: the file.

    Raises:
        ArgumentError: ``target`` is out of reach.
        RunError: the file can't be written.
    """
    (table,) = layer_tables(records)
    targets = targets_of(table, target)
    fractions = {layer: each.fraction for layer, each in targets.items()}
    about = f"{target:.4g} of the weights of {table.title}"
    write_whole(path, fractions_text(fractions, [about]).encode())
    return [
        "",
        _target_table(targets),
        "",
        f"p_prune by layer for {about} is in {path}; --p-prune-file takes it",
    ]


def _target_table(targets: Mapping[str, Target]) -> Table:
    columns = [Column("layer", is_words=True), *map(Column, ("p_prune", "weights", "loss alone"))]
    rows = [
        [layer, f"{each.fraction:.4f}", str(each.weights), f"{each.loss:+.4f}"]
        for layer, each in targets.items()
    ]
    return Table(columns, rows)
