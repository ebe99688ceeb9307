"""``network-prune inspect``: where pruning would land, layer by layer, without data."""

import json
import sys
from typing import TYPE_CHECKING

from network_prune.cli import options
from network_prune.cli.numbers import read_numbers
from network_prune.errors import ArgumentError
from network_prune.evaluation.variant import PruneSettings

if TYPE_CHECKING:
    from network_prune.pruning.masks.summary import LayerSummary, Summary

_BAR = 20


def inspect_command(
    arch: options.Arch = "digits",
    weights: options.Weights = "default",
    cache_dir: options.CacheDir = None,
    method: options.Method = "connections",
    p_prune: options.PPrune = 0.2,
    p_bern: options.PBern = 1.0,
    score: options.Score = "l1",
    scope: options.Scope = "global",
    layers: options.Layers = "conv2d",
    include: options.Include = None,
    exclude: options.Exclude = None,
    seed: options.Seed = 0,
    index: options.Index = 0,
    resize: options.Resize = None,
    crop: options.Crop = None,
    interpolation: options.Interpolation = None,
    mean: options.Mean = None,
    std: options.Std = None,
    as_json: options.Json = False,
) -> None:
    """Show where pruning would land, layer by layer; needs no data.

    Example: network-prune inspect --arch resnet18 --weights none --method weights --p-prune 0.5
    """
    settings = PruneSettings(
        method=method,
        p_prune=p_prune,
        p_bern=p_bern,
        score=score,
        scope=scope,
        layers=layers,
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        seed=seed,
        index=index,
    )
    if settings.learns:
        raise ArgumentError(
            f"--score {score} is computed on images, which inspect doesn't read; use "
            f"network-prune eval --score {score}, or in Python "
            f"network_prune.rank(model, score={score!r}, p_prune={p_prune:g}, data=batches)"
        )
    preprocessing = {
        "resize": resize,
        "crop": crop,
        "interpolation": interpolation,
        "mean": read_numbers("mean", mean),
        "std": read_numbers("std", std),
    }
    from network_prune.pruning.masks.summary import summarize
    from network_prune.sources.networks.load import load_network

    network = load_network(arch, weights=weights, preprocessing=preprocessing, cache_dir=cache_dir)
    prunable = settings.rank(network.model)
    draw = prunable.draw(p_bern=p_bern, seed=seed, index=index)
    summary = summarize(network.model, prunable, draw)
    if as_json:
        from network_prune.study.identity import describe_network, describe_settings

        record = {
            "network": describe_network(network),
            "pruning": describe_settings(settings),
            "prunable_sha256": prunable.sha256,
            "draw_sha256": draw.sha256,
            "summary": summary.to_dict(),
        }
        print(json.dumps(record, indent=2))
        return
    asked = f"{method}, p_prune {p_prune:g}, p_bern {p_bern:g}"
    print(f"{network.name}, weights {network.weights}: {asked}")
    _print_table(summary)


def _print_table(summary: "Summary") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from network_prune.cli.output import ratios_line

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer", no_wrap=True)
    for title in (summary.granularity.plural, "prunable", "pruned", "ratio"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("")
    for title in ("weights", "zeroed", "zero before", "newly zero"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in (*summary.layers, summary.total):
        table.add_row(*(Text(cell) for cell in _cells(row)))
    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False).print(table)
    print(ratios_line(summary))
    for warning in summary.warnings:
        print(f"warning: {warning}")


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
