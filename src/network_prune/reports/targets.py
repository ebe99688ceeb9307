"""How much of each layer to prune, as a table and as a file that ``--p-prune-file`` takes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from network_prune.reports.markdown import markdown_head, markdown_row
from network_prune.results.records import Record
from network_prune.results.series.alone import layer_tables
from network_prune.results.series.targets import Target, targets_of
from network_prune.study.fractions_file import fractions_text
from network_prune.whole_file import write_whole


def write_targets(records: Sequence[Record], *, target: float, path: Path) -> list[str]:
    """Write each layer's fraction to a file, and return a table of them in Markdown.

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
    write_whole(path, fractions_text(fractions, [" ".join(about.split())]).encode())
    return [*_lines(targets), f"p_prune by layer for {about} is in {path}; --p-prune-file takes it"]


def _lines(targets: Mapping[str, Target]) -> list[str]:
    head = ["layer", "p_prune", "weights", "loss alone"]
    rows = [
        markdown_row([layer, f"{each.fraction:.4f}", str(each.weights), f"{each.loss:+.4f}"])
        for layer, each in targets.items()
    ]
    return ["", *markdown_head(head, words=1).splitlines(), *rows, ""]
