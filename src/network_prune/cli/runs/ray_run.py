"""``--engine ray``: the options that say where tasks run, and a sweep that is run in them."""

import shlex
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from network_prune.cli.completion import completes
from network_prune.errors import ArgumentError, check_choice
from network_prune.extras import require
from network_prune.study.engines.cluster import Cluster

if TYPE_CHECKING:
    from network_prune.display.table import Part
    from network_prune.results.records import Record
    from network_prune.results.study import Study
    from network_prune.study.measure import Measure
    from network_prune.study.plan import Plan

CLUSTER: Final = "Cluster"

Engine = Annotated[
    str | None,
    typer.Option(
        help="ray: compute in tasks on a cluster of Ray's; needs the extra [ray].",
        show_default=False,
        rich_help_panel=CLUSTER,
        autocompletion=completes(["ray"]),
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="The cluster: auto for the one that this machine is in, or HOST:PORT. By default what "
        "RAY_ADDRESS says, and without that one that is started on this machine.",
        show_default=False,
        rich_help_panel=CLUSTER,
    ),
]
Cpus = Annotated[
    int | None,
    typer.Option(help="Cores of a task.", show_default="1", rich_help_panel=CLUSTER),
]
Gpus = Annotated[
    float | None,
    typer.Option(
        help="GPUs of a task, or which share of one, e.g. 0.5.",
        show_default="0",
        rich_help_panel=CLUSTER,
    ),
]


def cluster_of(
    engine: str | None, address: str | None, cpus: int | None, gpus: float | None
) -> Cluster | None:
    """Return the cluster that options say, None without an engine.

    Raises:
        ArgumentError: a value isn't allowed, or goes with an engine alone.
        SourceError: the engine isn't installed.
    """
    if engine is not None:
        check_choice("engine", engine, ["ray"])
        require("ray", extra="ray", what="--engine ray")
        return Cluster(address, 1 if cpus is None else cpus, 0.0 if gpus is None else gpus)
    said = {"--ray-address": address, "--num-cpus-per-task": cpus, "--num-gpus-per-task": gpus}
    name = next((name for name, value in said.items() if value is not None), None)
    if name is not None:
        raise ArgumentError(f"{name} goes with --engine ray; pass both, or leave {name} out")
    return None


def folder_of(out: Path | None, *, mlflow: object = None) -> Path:
    """Return the folder that a run on a cluster keeps what is finished in.

    Raises:
        ArgumentError: there is none, or a server was to be sent the study.
    """
    if out is None:
        raise ArgumentError("--engine ray needs a folder for what is finished; pass --out")
    if mlflow is not None:
        raise ArgumentError(
            "--mlflow goes with one process, not with --engine; run the study without it, then the "
            "same command with --mlflow alone, which sends the study"
        )
    return out


def run_on_ray(
    plan: "Plan",
    cluster: Cluster,
    *,
    out: Path,
    form: str | None,
    path: Path | None,
    arguments: Sequence[str],
    measure: "Measure | None" = None,
    table: "Callable[[Sequence[Record]], list[Part]] | None" = None,
) -> "Study":
    """Evaluate a plan on a cluster, and show and return it.

    Args:
        plan: the whole study.
        cluster: where tasks run.
        out: folder of the study.
        form: print the records so and no text, one of `cli.forms.FORMS`; None for text.
        path: file to write the JSON to as well.
        arguments: that the command was called with.
        measure: what is found out of each variant; None for loss and accuracy.
        table: shows one network's records, instead of a row for each.

    Raises:
        NetworkPruneError: the study can't be run, or networks failed.
    """
    from network_prune.cli.runs.shard_run import run_shared
    from network_prune.reports.head_and_foot import plan_head
    from network_prune.study.engines.sweep_on_ray import sweep_on_ray

    device = cluster.device(plan.options["device"])
    command = shlex.join(["network-prune", *arguments])
    run = partial(sweep_on_ray, plan, out=out, cluster=cluster, measure=measure, command=command)
    return run_shared(
        plan,
        lambda told: run(told=told),
        head={**plan_head(plan, device), "engine": f"Ray, {cluster}", "records": str(out)},
        who="",
        goes_on="the same command goes on",
        out=out,
        is_shown=True,
        form=form,
        path=path,
        table=table,
    )
