"""``network-prune diversity``: how different the draws are, beside dropout's."""

from pathlib import Path
from typing import Annotated, Any

import typer

from network_prune.cli.forms import Format, form_of
from network_prune.cli.output import OUTPUT, Json, Output, check_writable, waiting
from network_prune.cli.runs import ray_run
from network_prune.cli.runs.tracked import Mlflow, server_address, tracked
from network_prune.cli.takes import takes
from network_prune.errors import ArgumentError
from network_prune.options import METHODS, OPTIONS
from network_prune.sources.fractions_file import with_files
from network_prune.study.plan import make_plan

Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the records; the same command goes on after an interruption.",
        rich_help_panel=OUTPUT,
    ),
]

# What draws that are computed with their gradients can't do without, or don't take.
_LEFT_OUT = ("with_norm", "recalibrate", "dense", "compile")


@takes(
    [name for name in OPTIONS if name not in _LEFT_OUT],
    own_defaults={
        "method": tuple(METHODS),
        "p_prune": (0.1, 0.2, 0.3),
        "p_bern": (0.5,),
        "draws": 5,
    },
)
def diversity_command(
    values: dict[str, Any],
    context: typer.Context,
    out: Out = None,
    engine: ray_run.Engine = None,
    ray_address: ray_run.Address = None,
    num_cpus_per_task: ray_run.Cpus = None,
    num_gpus_per_task: ray_run.Gpus = None,
    as_json: Json = False,
    format: Format = None,
    output: Output = None,
    mlflow: Mlflow = None,
) -> None:
    """Compare draws with each other: accuracy, predictions, input gradients.

    Beside them stand draws that drop any element (dropout) at the same expected
    ratio. Each image is read once; differences are paired, with 95% intervals.

    Example: network-prune diversity --arch resnet18 --data FOLDER --limit 1000 --p-prune 0.2
    """
    form = form_of(format, as_json=as_json)
    values = with_files(values)
    for name in ("p_prune", "p_bern"):
        if 0 in values[name]:
            raise ArgumentError(f"{name}=0 prunes nothing, so no draws differ; pass one in (0, 1]")
    plan = make_plan({**values, "draws": 1})
    cluster = ray_run.cluster_of(engine, ray_address, num_cpus_per_task, num_gpus_per_task)
    check_writable(output)
    server = server_address(mlflow)

    with waiting("importing PyTorch"):
        from network_prune.cli.runs.study_run import run_study
        from network_prune.reports.diversity import diversity_parts
        from network_prune.transfer.diversity import DrawsCompared

    shown: dict[str, Any] = {
        "form": form,
        "path": output,
        "measure": DrawsCompared(values["draws"]),
        "table": diversity_parts,
    }
    if cluster is None:
        with tracked(server, out=out) as tracker:
            run_study(plan, out=out, tracker=tracker, **shown)
    else:
        folder = ray_run.folder_of(out, mlflow=server)
        ray_run.run_on_ray(plan, cluster, out=folder, arguments=context.obj, **shown)
