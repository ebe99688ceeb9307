"""``network-prune transfer``: adversarial images made on surrogates, tried on victims."""

from pathlib import Path
from typing import Annotated, Any

import typer

from network_prune.cli.output import OUTPUT, Json, Output, check_writable, say, waiting
from network_prune.cli.recorded import tell
from network_prune.cli.runs import ray_run
from network_prune.cli.takes import takes
from network_prune.errors import ArgumentError
from network_prune.options import RUNNING
from network_prune.transfer.options import TRANSFER_OPTIONS

IMAGES = "Images"
Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the records; the same command goes on after an interruption, and more "
        "rows add to it.",
        rich_help_panel=OUTPUT,
    ),
]
Markdown = Annotated[
    bool,
    typer.Option("--markdown", help="Print a document in Markdown.", rich_help_panel=OUTPUT),
]
Csv = Annotated[
    Path | None,
    typer.Option(
        help="Write all figures to this file, a line a row, network and point.",
        rich_help_panel=OUTPUT,
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(
        help="Draw success against passes to this .svg, .png or .pdf file; needs the extra "
        "[report].",
        rich_help_panel=OUTPUT,
    ),
]
SaveImages = Annotated[
    Path | None,
    typer.Option(
        help="Folder to write the images to, as PNGs with labels.csv in TransferAttack's layout, "
        "a folder in it for each of several rows.",
        rich_help_panel=IMAGES,
    ),
]
Adversarial = Annotated[
    Path | None,
    typer.Option(
        help="Try images that another attack wrote instead: PNGs called as those of --data, in "
        "the folder or in images/ in it.",
        rich_help_panel=IMAGES,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Show the rows and the passes that they take.", rich_help_panel=RUNNING
    ),
]


Show = Annotated[
    Path | None,
    typer.Option(
        help="Compute nothing, and show what is recorded in this folder.",
        rich_help_panel=OUTPUT,
    ),
]


@takes(TRANSFER_OPTIONS, options=TRANSFER_OPTIONS)
def transfer_command(
    values: dict[str, Any],
    out: Out = None,
    save_images: SaveImages = None,
    adversarial: Adversarial = None,
    engine: ray_run.Engine = None,
    ray_address: ray_run.Address = None,
    num_cpus_per_task: ray_run.Cpus = None,
    num_gpus_per_task: ray_run.Gpus = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    output: Output = None,
    csv: Csv = None,
    markdown: Markdown = False,
    plot: Plot = None,
    show: Show = None,
) -> None:
    """Make adversarial images on surrogates and try them on victims.

    Alone it takes the embedded networks and digits, and shows for each augmentation (dwp: a
    surrogate pruned afresh in every iteration) in how many settings it helps and in how many it
    doesn't. A row is a surrogate, a goal, an augmentation and a seed; success has 95% intervals,
    and comparisons are on the same images. --passes gives each augmentation the same budget.

    Example: network-prune transfer --surrogate resnet50 --victim vit_b_16 --victim densenet121
    --data imagenet-compatible/images.csv --passes 300 --augmentation none --augmentation dwp
    --augmentation rapa:p_bern=0.05 --seeds 3 --out run

    Example: network-prune transfer --surrogate resnet50 --victim vit_b_16 --data labels.csv
    --adversarial results/mifgsm --goal untargeted
    """
    if markdown and as_json:
        raise ArgumentError("--json and --markdown exclude each other; pass one")
    cluster = ray_run.cluster_of(engine, ray_address, num_cpus_per_task, num_gpus_per_task)
    if cluster is not None:
        ray_run.folder_of(out)
        if adversarial is not None:
            raise ArgumentError(
                "--engine ray attacks images, and --adversarial has attacked ones already; leave "
                "--engine out"
            )
    from network_prune.transfer.plan import make_transfer_plan

    plan = make_transfer_plan(values)
    check_writable(output, csv, plot)
    with waiting("importing PyTorch"):
        from network_prune.cli.runs.transfer_run import (
            Outlets,
            run_transfer,
            show_transfer,
            transferring,
        )
        from network_prune.display.canvas import check_plot
        from network_prune.reports.transfer.head import plan_lines
        from network_prune.transfer.transferred import read_transfer

    if plot is not None:
        check_plot(plot)
    outlets = Outlets(as_json=as_json, markdown=markdown, output=output, csv=csv, plot=plot)
    if show is not None:
        found = read_transfer(show)
        tell(found.notices)
        show_transfer(found, plan.options["against"], outlets)
        return
    if dry_run:
        from network_prune.transfer.running.ready import Ready

        say(*plan_lines(plan, len(Ready(plan).images)))
        return
    run = transferring(
        plan, out=out, save_images=save_images, adversarial=adversarial, cluster=cluster
    )
    run_transfer(plan, outlets, run, out=out)
