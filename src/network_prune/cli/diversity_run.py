"""Run ``network-prune diversity``, and show and write what it found."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from network_prune.cli import output as shown
from network_prune.cli.loaded import Loaded
from network_prune.cli.result import hand_over, printer
from network_prune.evaluation.mean import Mean, excludes_zero
from network_prune.evaluation.variant import PruneSettings
from network_prune.reports.markdown import markdown_head, markdown_row
from network_prune.study.identity import describe_settings
from network_prune.transfer.diversity import Diversity, DiversityCell, Figures, measure_diversity

_TITLES = ("method", "mode", "p_prune", "ratio", "Acc@1", "agreement", "cosine")


def run_diversity(
    loaded: Loaded,
    choices: Sequence[PruneSettings],
    indices: range,
    *,
    as_json: bool,
    output: Path | None,
) -> None:
    """Compare the draws of each choice's prunable set, and hand over the figures.

    Raises:
        NetworkPruneError: the network can't be ranked or computed, or a file written.
    """
    first = choices[0]
    say = printer(as_json)
    say(
        loaded.head(
            f"p_bern {first.p_bern:g}, seed {first.seed}, draws {indices[0]} to {indices[-1]}, "
            f"score {first.score}, scope {first.scope}"
        )
    )
    found = _measure(loaded, choices, indices)
    lines = [markdown_head(_TITLES, words=2)]
    for choice, cell in zip(choices, found.cells, strict=True):
        lines += _rows(choice, cell)
    say("\n" + "\n".join([*lines, "", *_foot(found, first.p_bern)]))
    pruning = {
        **describe_settings(first),
        "method": list(dict.fromkeys(choice.method for choice in choices)),
        "p_prune": list(dict.fromkeys(choice.p_prune for choice in choices)),
        "draws": len(indices),
    }
    results = {
        "dense": found.dense.to_dict(),
        "cells": [
            {"method": choice.method, **cell.to_dict()}
            for choice, cell in zip(choices, found.cells, strict=True)
        ],
    }
    hand_over(loaded.record(pruning, results), as_json=as_json, path=output)


def _measure(loaded: Loaded, choices: Sequence[PruneSettings], indices: range) -> Diversity:
    model = loaded.network.model
    sets = [choice.rank(model) for choice in choices]
    with contextlib.redirect_stdout(sys.stderr):
        return measure_diversity(
            model,
            sets,
            loaded.data,
            p_bern=choices[0].p_bern,
            seed=choices[0].seed,
            indices=indices,
            **loaded.inputs.reading,
        )


def _rows(choice: PruneSettings, cell: DiversityCell) -> list[str]:
    name = (choice.method, f"{choice.p_prune:g}", f"{cell.ratio:.2%}")
    comparison = cell.comparison
    return [
        _row(name, "prune", comparison.prune),
        _row(name, "dropout", comparison.dropout),
        _row(name, "difference", comparison.difference),
    ]


def _row(name: tuple[str, str, str], mode: str, figures: Figures) -> str:
    method, p_prune, ratio = name
    means = ((figures.acc1, 2), (figures.agreement, 2), (figures.cosine, 3))
    texts = [_mean_text(mean, digits, signed=mode == "difference") for mean, digits in means]
    return markdown_row([method, mode, p_prune, ratio, *texts])


def _mean_text(mean: Mean, digits: int, *, signed: bool) -> str:
    sign = "+" if signed else ""
    mark = " *" if signed and excludes_zero(mean.interval) else ""
    return f"{mean.mean:{sign}.{digits}f} ± {mean.half_width:.{digits}f}{mark}"


def _foot(found: Diversity, p_bern: float) -> list[str]:
    lines = [
        f"dense: {found.dense}",
        "mean ± half the 95% interval over images; difference: prune less dropout, paired, "
        "* where its interval excludes 0",
        "agreement: percent of pairs of draws that predict the same class; cosine: of their "
        "input gradients",
    ]
    if p_bern == 1:
        lines.append("warning: at p_bern 1 all draws of the prunable set are the same")
    left_out = max(max(cell.comparison.left_out) for cell in found.cells)
    if left_out:
        lines.append(
            f"warning: up to {left_out} images are left out of the cosine for a zero or "
            "non-finite gradient; the JSON says where"
        )
    return lines + [f"warning: {line}" for line in shown.left_out_lines(found.dense)]
