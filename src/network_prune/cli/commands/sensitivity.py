"""``network-prune sensitivity``: what pruning each layer alone costs."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from network_prune.cli.forms import Format, form_of, show
from network_prune.cli.output import OUTPUT, Json, Output, check_writable, waiting
from network_prune.cli.runs import ray_run
from network_prune.cli.runs.tracked import Mlflow, server_address, tracked
from network_prune.cli.takes import takes
from network_prune.errors import ArgumentError, check_fraction
from network_prune.options import OPTIONS
from network_prune.study.plan import Plan, make_plan

TARGETS = "Targets"

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
        help="Draw a heat map to this .svg, .png or .pdf file; needs the extra [report].",
        rich_help_panel=OUTPUT,
    ),
]


Targets = Annotated[
    float | None,
    typer.Option(
        help="Find p_prune by layer with which this share of all ranked weights is prunable, and "
        "every layer is pruned as far as costs one and the same loss by itself.",
        show_default=False,
        rich_help_panel=TARGETS,
    ),
]
TargetsOut = Annotated[
    Path,
    typer.Option(
        help="The YAML file that --targets writes, and --p-prune-file takes.",
        rich_help_panel=TARGETS,
    ),
]
_LEFT_OUT = ("scope", "dense", "p_prune_file", "floor")


@takes(
    [name for name in OPTIONS if name not in _LEFT_OUT],
    own_defaults={"p_prune": (0.1, 0.3, 0.5, 0.7, 0.9)},
)
def sensitivity_command(
    values: dict[str, Any],
    context: typer.Context,
    out: Out = None,
    targets: Targets = None,
    targets_out: TargetsOut = Path("targets.yaml"),
    engine: ray_run.Engine = None,
    ray_address: ray_run.Address = None,
    num_cpus_per_task: ray_run.Cpus = None,
    num_gpus_per_task: ray_run.Gpus = None,
    as_json: Json = False,
    format: Format = None,
    output: Output = None,
    plot: Plot = None,
    mlflow: Mlflow = None,
) -> None:
    """Prune one layer at a time and show what that costs.

    It is a sweep of scope alone. Each image is read once, and the dense network and
    all variants run on it; the differences are paired, image by image, with 95%
    intervals.

    --targets 0.3 writes which p_prune by layer makes 30 % of all weights: more of
    a layer that bears more.

    Example: network-prune sensitivity --arch resnet18 --data FOLDER --limit 1000 --p-prune 0.5
    """
    form = form_of(format, as_json=as_json)
    plan = make_plan({**values, "scope": "alone"})
    cluster = ray_run.cluster_of(engine, ray_address, num_cpus_per_task, num_gpus_per_task)
    check_writable(output, plot)
    server = server_address(mlflow)
    if targets is not None:
        check_fraction("targets", targets)
        _check_one_way(plan)
        check_writable(targets_out)

    with waiting("importing PyTorch"):
        from network_prune.cli.runs.study_run import run_study
        from network_prune.display.canvas import check_plot
        from network_prune.reports.layers import layer_parts, write_targets
        from network_prune.reports.plots import draw_plot

    if plot is not None:
        check_plot(plot)
    draw = None if plot is None else partial(draw_plot, path=plot)
    shown: dict[str, Any] = {"form": form, "path": output, "table": layer_parts}
    if cluster is None:
        with tracked(server, out=out) as tracker:
            records = run_study(plan, out=out, draw=draw, tracker=tracker, **shown)
    else:
        folder = ray_run.folder_of(out, mlflow=server)
        records = ray_run.run_on_ray(plan, cluster, out=folder, arguments=context.obj, **shown)
        if draw is not None:
            draw(records)
    if targets is not None:
        parts = write_targets(records, target=targets, path=targets_out)
        show(parts, to=sys.stdout if form is None else sys.stderr)


def _check_one_way(plan: Plan) -> None:
    ways = {variant.at(p_prune=0.0) for each in plan.variants.values() for variant in each}
    if len(plan.variants) != 1 or len(ways) != 1:
        raise ArgumentError(
            f"--targets goes with one network pruned in one way, not with {len(plan.variants)} "
            f"networks and {len(ways)} ways; pass one --arch, --method, --score, --p-bern and draw"
        )
