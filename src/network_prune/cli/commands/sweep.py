"""``network-prune sweep``: many variants, each image read once, resumable."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from network_prune.cli.forms import Format, form_of
from network_prune.cli.output import Json, Output, check_writable, waiting
from network_prune.cli.runs import ray_run
from network_prune.cli.runs.plan_option import STUDY, PlanFile, Preset, plan_of
from network_prune.cli.runs.tracked import Mlflow, server_address, tracked
from network_prune.cli.takes import takes
from network_prune.errors import ArgumentError
from network_prune.options import OPTIONS
from network_prune.study.sharding.shard import Shard

Out = Annotated[
    Path,
    typer.Option(help="Folder for the records; one that is there goes on.", rich_help_panel=STUDY),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Show the variants, the images and about how long it would take.",
        rich_help_panel=STUDY,
    ),
]

ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        help="I/N: evaluate the I-th of N shares, which N processes do together, on any machines "
        "that have the folder --out. By default what SLURM_ARRAY_TASK_ID and _COUNT say; torchrun "
        "divides each share among its processes.",
        show_default=False,
        rich_help_panel=STUDY,
    ),
]


@takes(OPTIONS)
def sweep_command(
    values: dict[str, Any],
    context: typer.Context,
    plan: PlanFile = None,
    out: Out = Path("study"),
    preset: Preset = None,
    shard: ShardOption = None,
    engine: ray_run.Engine = None,
    ray_address: ray_run.Address = None,
    num_cpus_per_task: ray_run.Cpus = None,
    num_gpus_per_task: ray_run.Gpus = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    format: Format = None,
    output: Output = None,
    mlflow: Mlflow = None,
) -> None:
    """Evaluate a grid of variants; each image is read once for all of a network's.

    Every combination of the repeated options is a variant. Each finished one
    is a line of records.jsonl in the folder --out; the same command goes on
    after an interruption, and a larger grid adds to the same folder.
    network-prune records shows them.

    With --shard I/N, or under torchrun or in a Slurm array, processes share
    the work, with --engine ray tasks on a cluster; the figures are those of
    one process to the last bit.

    Example: network-prune sweep --method weights --p-prune 0.2 --p-prune 0.4
    --p-bern 0.5 --draws 3 --out study
    """
    form = form_of(format, as_json=as_json)
    part = Shard.here(shard, os.environ)
    cluster = ray_run.cluster_of(engine, ray_address, num_cpus_per_task, num_gpus_per_task)
    if cluster is not None and part.count > 1:
        raise ArgumentError(f"--engine ray and shard {part} exclude each other; leave out one")
    made = plan_of(plan, preset, values)
    check_writable(output)
    server = server_address(mlflow)
    if server is not None and (part.count > 1 or cluster is not None):
        raise ArgumentError(
            "--mlflow goes with one process, not with --shard or --engine; run the study without "
            "it, then the same command with --mlflow alone, which sends the study"
        )

    if dry_run:
        from network_prune.cli.runs.dry_run import show_plan

        show_plan(made, out)
    else:
        with waiting("importing PyTorch"):
            from network_prune.cli.runs.shard_run import run_shard
            from network_prune.cli.runs.study_run import run_study

        if cluster is not None:
            shown: dict[str, Any] = {"out": out, "form": form, "path": output}
            ray_run.run_on_ray(made, cluster, arguments=context.obj, **shown)
        elif part.count > 1:
            command = _without_shard(context.obj)
            run_shard(made, part, out=out, form=form, path=output, command=command)
        else:
            with tracked(server, out=out) as tracker:
                run_study(made, out=out, form=form, path=output, tracker=tracker)


def _without_shard(arguments: Sequence[str]) -> str:
    """Return the command that was called, for any shard to run."""
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--shard":
            next(rest, None)
        elif not argument.startswith("--shard="):
            kept.append(argument)
    return shlex.join(["network-prune", *kept])
