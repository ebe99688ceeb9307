"""``network-prune inspect``: where pruning would land, layer by layer, without data."""

import sys
from typing import TYPE_CHECKING, Any

from network_prune.cli.one_variant import GRID, ONE, PREPROCESSING, load_one, one_variant
from network_prune.cli.output import Json, hand_over, say
from network_prune.cli.takes import takes
from network_prune.plain_text import plain

if TYPE_CHECKING:
    from network_prune.pruning.masks.summary import LayerSummary, Summary

_BAR = 20


@takes([*GRID, "cache_dir", *PREPROCESSING], one=ONE)
def inspect_command(given: dict[str, Any], as_json: Json = False) -> None:
    """Show where pruning would land, layer by layer; needs no data.

    Example: network-prune inspect --arch resnet18 --weights none --method weights --p-prune 0.5
    """
    values, variant = one_variant(given, "inspect")
    network = load_one(values)

    from network_prune.pruning.masks.summary import summarize

    (variant,) = variant.spelt_out(network.model)
    prunable = variant.rank(network.model)
    draw = prunable.draw(p_bern=variant.p_bern, seed=variant.seed, index=variant.index)
    summary = summarize(network.model, prunable, draw)
    if as_json:
        from network_prune.study.identity import describe_network

        record = {
            "network": describe_network(network),
            "variant": variant.to_dict(),
            "prunable_sha256": prunable.sha256,
            "draw_sha256": draw.sha256,
            "realised": summary.to_dict(),
            "notes": list(network.notes),
        }
        hand_over(record, as_json=True, path=None)
        return
    asked = f"{variant.method}, p_prune {variant.p_prune_text}, p_bern {variant.p_bern:g}"
    say(f"{network.name}, weights {network.weights}: {asked}")
    _print_table(summary)
    for note in network.notes:
        say(f"warning: {note}")


def _print_table(summary: "Summary") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from network_prune.reports.head_and_foot import ratios_line

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer", no_wrap=True)
    for title in (summary.granularity.plural, "prunable", "pruned", "ratio"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("")
    for title in ("weights", "zeroed", "zero before", "newly zero"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in (*summary.layers, summary.total):
        table.add_row(*(Text(plain(cell)) for cell in _cells(row)))
    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False).print(table)
    say(ratios_line(summary.to_dict()), *(f"warning: {text}" for text in summary.warnings))


def _cells(row: "LayerSummary") -> list[str]:
    bar = "█" * round(_BAR * row.pruning_ratio)
    counts = [row.weights, row.zeroed, row.zero_before, row.newly_zeroed]
    return [
        row.name or "(network)",
        *(str(value) for value in (row.elements, row.prunable, row.pruned)),
        f"{row.pruning_ratio:.1%}",
        bar.ljust(_BAR, "·"),
        *(str(value) for value in counts),
    ]
