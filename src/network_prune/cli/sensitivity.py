"""``network-prune sensitivity``: what pruning each layer alone costs."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from network_prune.cli import options
from network_prune.cli.inputs import takes_inputs
from network_prune.cli.result import check_writable
from network_prune.evaluation.variant import PruneSettings
from network_prune.sources.inputs import Inputs

P_PRUNES = (0.1, 0.3, 0.5, 0.7, 0.9)

PPrunes = Annotated[
    list[float] | None,
    typer.Option(
        help="Fraction in [0, 1] of the layer's elements that is prunable; may be repeated.",
        show_default=", ".join(map(str, P_PRUNES)),
        rich_help_panel=options.PRUNING,
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(
        help="Draw a heat map to this .svg, .png or .pdf file; needs the extra [report].",
        rich_help_panel=options.OUTPUT,
    ),
]


@takes_inputs
def sensitivity_command(
    inputs: Inputs,
    arch: options.Arch = "digits",
    method: options.Method = "connections",
    p_prune: PPrunes = None,
    p_bern: options.PBern = 1.0,
    score: options.Score = "l1",
    layers: options.Layers = "conv2d",
    include: options.Include = None,
    exclude: options.Exclude = None,
    seed: options.Seed = 0,
    index: options.OneIndex = 0,
    as_json: options.Json = False,
    output: options.Output = None,
    plot: Plot = None,
) -> None:
    """Prune one layer at a time and show what that costs.

    Each image is read once, and the dense network and all variants run on it;
    the differences are paired, image by image, with 95% intervals.

    Example: network-prune sensitivity --arch resnet18 --data FOLDER --limit 1000 --p-prune 0.5
    """
    p_prunes = tuple(dict.fromkeys(p_prune or P_PRUNES))
    settings = PruneSettings(
        method=method,
        p_prune=p_prunes[0],
        p_bern=p_bern,
        score=score,
        scope="layer",
        layers=layers,
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        seed=seed,
        index=index,
    )
    for value in p_prunes:
        replace(settings, p_prune=value)
    data = inputs.data_for([arch])
    check_writable(output, plot)

    from network_prune.cli.loaded import load
    from network_prune.cli.sensitivity_run import run_sensitivity
    from network_prune.reports.heatmap import check_plot

    if plot is not None:
        check_plot(plot)
    loaded = load(inputs, arch, data=data, score=score)
    run_sensitivity(loaded, settings, p_prunes, as_json=as_json, output=output, plot=plot)
