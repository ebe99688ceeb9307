"""``network-prune sensitivity``: what pruning each layer alone costs."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from network_prune.cli.output import OUTPUT, Json, Output, check_writable, waiting
from network_prune.cli.takes import takes
from network_prune.options import OPTIONS
from network_prune.study.plan import make_plan

Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the records, as sweep writes them; the same command goes on after an "
        "interruption.",
        rich_help_panel=OUTPUT,
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(
        help="Draw a heat map to this .svg, .png or .pdf file; needs the extra \\[report].",
        rich_help_panel=OUTPUT,
    ),
]


@takes(
    [name for name in OPTIONS if name not in ("scope", "dense")],
    own_defaults={"p_prune": (0.1, 0.3, 0.5, 0.7, 0.9)},
)
def sensitivity_command(
    values: dict[str, Any],
    out: Out = None,
    as_json: Json = False,
    output: Output = None,
    plot: Plot = None,
) -> None:
    """Prune one layer at a time and show what that costs.

    It is a sweep of scope alone. Each image is read once, and the dense network and
    all variants run on it; the differences are paired, image by image, with 95%
    intervals.

    Example: network-prune sensitivity --arch resnet18 --data FOLDER --limit 1000 --p-prune 0.5
    """
    plan = make_plan({**values, "scope": "alone"})
    check_writable(output, plot)

    with waiting("importing PyTorch"):
        from network_prune.cli.study_run import run_study
        from network_prune.display.canvas import check_plot
        from network_prune.reports.layers import layer_lines
        from network_prune.reports.plots import draw_plot

    if plot is not None:
        check_plot(plot)
    draw = None if plot is None else partial(draw_plot, path=plot)
    run_study(plan, out=out, as_json=as_json, path=output, table=layer_lines, draw=draw)
