"""``network-prune inspect``: where pruning would land, layer by layer, without data."""

from typing import TYPE_CHECKING, Any

from network_prune.cli.forms import Format, form_of, show
from network_prune.cli.one_variant import GRID, ONE, PREPROCESSING, load_one, one_variant
from network_prune.cli.output import Json, hand_over
from network_prune.cli.takes import takes
from network_prune.display.table import Column, Table

if TYPE_CHECKING:
    from network_prune.pruning.masks.summary import LayerSummary, Summary

_BAR = 10


@takes([*GRID, "cache_dir", *PREPROCESSING], one=ONE)
def inspect_command(given: dict[str, Any], as_json: Json = False, format: Format = None) -> None:
    """Show where pruning would land, layer by layer; needs no data.

    Example: network-prune inspect --arch resnet18 --weights none --method weights --p-prune 0.5
    """
    form = form_of(format, as_json=as_json)
    values, variant = one_variant(given, "inspect")
    network = load_one(values)

    from network_prune.pruning.masks.summary import summarize
    from network_prune.reports.head_and_foot import ratios_line

    (variant,) = variant.spelt_out(network.model)
    prunable = variant.rank(network.model)
    draw = prunable.draw(p_bern=variant.p_bern, seed=variant.seed, index=variant.index)
    summary = summarize(network.model, prunable, draw)
    if form == "json":
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
    warnings = [f"warning: {text}" for text in (*summary.warnings, *network.notes)]
    ratios = ratios_line(summary.to_dict())
    title = f"{network.name}, weights {network.weights}: {asked}"
    table = _table(summary, form)
    show([*([title] if form is None else []), table, ratios, *warnings], form, plain=True)


def _table(summary: "Summary", form: str | None) -> Table:
    """Return a row for each layer, with a bar where people read it."""
    has_bar = form in (None, "table")
    columns = [
        Column("layer", is_words=True),
        Column(summary.granularity.plural),
        Column("prunable", goes=6),
        Column("pruned"),
        Column("ratio"),
        *([Column("", goes=5)] if has_bar else []),
        Column("weights", goes=4),
        Column("zeroed", goes=3),
        Column("zero before", goes=1),
        Column("newly zero", goes=2),
    ]
    layers = (*summary.layers, summary.total)
    return Table(columns, [_cells(row, has_bar) for row in layers], [_data(row) for row in layers])


def _cells(row: "LayerSummary", has_bar: bool) -> list[str]:
    bar = "█" * round(_BAR * row.pruning_ratio)
    counts = [row.weights, row.zeroed, row.zero_before, row.newly_zeroed]
    return [
        row.name or "(network)",
        *(str(value) for value in (row.elements, row.prunable, row.pruned)),
        f"{row.pruning_ratio:.1%}",
        *([bar.ljust(_BAR, "·")] if has_bar else []),
        *(str(value) for value in counts),
    ]


def _data(row: "LayerSummary") -> dict[str, Any]:
    return {
        "layer": row.name,
        "elements": row.elements,
        "prunable": row.prunable,
        "pruned": row.pruned,
        "pruning_ratio": row.pruning_ratio,
        "weights": row.weights,
        "zeroed": row.zeroed,
        "zero_before": row.zero_before,
        "newly_zeroed": row.newly_zeroed,
    }
