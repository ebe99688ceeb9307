"""Run ``network-prune sensitivity``, and show and write what it found."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from network_prune.cli import output as shown
from network_prune.cli.loaded import Loaded
from network_prune.cli.result import hand_over, printer
from network_prune.evaluation.mean import excludes_zero
from network_prune.evaluation.variant import METHODS, PruneSettings
from network_prune.reports.heatmap import draw_heatmap
from network_prune.reports.markdown import markdown_head, markdown_row
from network_prune.study.identity import describe_settings
from network_prune.study.sensitivity import (
    Cell,
    Sensitivity,
    measure_sensitivity,
    rank_each_layer,
)


def run_sensitivity(
    loaded: Loaded,
    settings: PruneSettings,
    p_prunes: Sequence[float],
    *,
    as_json: bool,
    output: Path | None,
    plot: Path | None,
) -> None:
    """Compare each layer's pruning with the dense network, and hand over the figures.

    Raises:
        NetworkPruneError: the network can't be ranked or computed, or a file written.
    """
    say = printer(as_json)
    say(loaded.head(_asked(settings)))
    found = _measure(loaded, settings, p_prunes)
    say("\n" + "\n".join([*_table(found.cells, p_prunes), "", *_foot(found)]))
    if plot is not None:
        title = f"{loaded.network.name}: {settings.method}, p_bern {settings.p_bern:g}"
        draw_heatmap(found.cells, plot, title=title)
    pruning = {
        **describe_settings(settings),
        "p_prune": list(p_prunes),
    }
    results = {
        "dense": found.dense.to_dict(),
        "cells": [cell.to_dict() for cell in found.cells],
    }
    hand_over(loaded.record(pruning, results), as_json=as_json, path=output)


def _measure(loaded: Loaded, settings: PruneSettings, p_prunes: Sequence[float]) -> Sensitivity:
    model = loaded.network.model
    granularity = METHODS[settings.method]
    sets = rank_each_layer(model, granularity, p_prunes=p_prunes, **settings.choice_of_layers())
    with contextlib.redirect_stdout(sys.stderr):
        return measure_sensitivity(
            model,
            sets,
            loaded.data,
            p_bern=settings.p_bern,
            seed=settings.seed,
            index=settings.index,
            **loaded.inputs.reading,
        )


def _asked(settings: PruneSettings) -> str:
    return (
        f"{settings.method}, one layer at a time, p_bern {settings.p_bern:g}, "
        f"seed {settings.seed}, draw {settings.index}, score {settings.score}"
    )


def _table(cells: Sequence[Cell], p_prunes: Sequence[float]) -> list[str]:
    titles = ["layer", *(f"p_prune {p_prune:g}" for p_prune in p_prunes)]
    rows = [markdown_head(titles, words=1)]
    for start in range(0, len(cells), len(p_prunes)):
        of_layer = cells[start : start + len(p_prunes)]
        rows.append(markdown_row([of_layer[0].summary.name, *map(_cell_text, of_layer)]))
    return rows


def _cell_text(cell: Cell) -> str:
    mark = " *" if excludes_zero(cell.paired.acc1_interval) else ""
    return f"{cell.paired.acc1_difference:+.2f}{mark}"


def _foot(found: Sensitivity) -> list[str]:
    lines = [
        f"dense: {found.dense}",
        "cells: Acc@1 less the dense network's, in percentage points; * where the paired 95% "
        "interval excludes 0",
    ]
    changed = sum(bool(cell.summary.newly_zeroed) for cell in found.cells)
    if changed < len(found.cells):
        lines.append(
            f"{len(found.cells) - changed} of {len(found.cells)} cells change no weight: there "
            "is nothing to prune, or all of it was zero before"
        )
    sick = sum(bool(cell.metrics.non_finite) for cell in found.cells)
    if sick:
        lines.append(
            f"warning: in {sick} cells images gave NaN or infinite outputs: counted as misses"
        )
    return lines + [f"warning: {line}" for line in shown.left_out_lines(found.dense)]
