"""``network-prune diversity``: how different the draws are, beside dropout's."""

from typing import Annotated

import typer

from network_prune.cli import options
from network_prune.cli.inputs import takes_inputs
from network_prune.cli.result import check_writable
from network_prune.evaluation.variant import METHODS, PruneSettings
from network_prune.sources.inputs import Inputs

P_PRUNES = (0.1, 0.2, 0.3)

Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        help="connections (kernels), neurons (filters) or weights (single ones); may be repeated.",
        show_default=", ".join(METHODS),
        rich_help_panel=options.PRUNING,
    ),
]
PPrunes = Annotated[
    list[float] | None,
    typer.Option(
        help="Fraction in [0, 1] of all elements that is prunable; may be repeated.",
        show_default=", ".join(map(str, P_PRUNES)),
        rich_help_panel=options.PRUNING,
    ),
]
PBern = Annotated[
    float,
    typer.Option(
        help="Probability in (0, 1] that a prunable element is pruned.",
        rich_help_panel=options.PRUNING,
    ),
]
Draws = Annotated[
    int, typer.Option(help="Compare this many draws, 2 or more.", rich_help_panel=options.PRUNING)
]


@takes_inputs
def diversity_command(
    inputs: Inputs,
    arch: options.Arch = "digits",
    method: Methods = None,
    p_prune: PPrunes = None,
    p_bern: PBern = 0.5,
    draws: Draws = 5,
    score: options.Score = "l1",
    scope: options.Scope = "global",
    layers: options.Layers = "conv2d",
    include: options.Include = None,
    exclude: options.Exclude = None,
    seed: options.Seed = 0,
    index: options.Index = 0,
    as_json: options.Json = False,
    output: options.Output = None,
) -> None:
    """Compare draws with each other: accuracy, predictions, input gradients.

    Beside them stand draws that drop any element (dropout) at the same expected
    ratio. Each image is read once; differences are paired, with 95% intervals.

    Example: network-prune diversity --arch resnet18 --data FOLDER --limit 1000 --p-prune 0.2
    """
    choices = [
        PruneSettings(
            method=kind,
            p_prune=fraction,
            p_bern=p_bern,
            score=score,
            scope=scope,
            layers=layers,
            include=tuple(include or ()),
            exclude=tuple(exclude or ()),
            seed=seed,
            index=index,
        )
        for kind in dict.fromkeys(method or METHODS)
        for fraction in dict.fromkeys(p_prune or P_PRUNES)
    ]
    data = inputs.data_for([arch])
    check_writable(output)

    from network_prune.cli.diversity_run import run_diversity
    from network_prune.cli.loaded import load
    from network_prune.transfer.diversity import check_draws

    check_draws(p_bern=p_bern, draws=draws)
    indices = range(index, index + draws)
    loaded = load(inputs, arch, data=data, score=score)
    run_diversity(loaded, choices, indices, as_json=as_json, output=output)
