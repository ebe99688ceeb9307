"""``network-prune records``: what a study recorded, as a table or a file."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from network_prune.cli.output import OUTPUT, Json, check_writable, hand_over, say
from network_prune.cli.recorded import Where, tell

Folder = Annotated[Path, typer.Argument(help="The study's folder, as sweep wrote it.")]
Csv = Annotated[
    Path | None, typer.Option(help="Write the rows to a CSV file.", rich_help_panel=OUTPUT)
]
Parquet = Annotated[
    Path | None,
    typer.Option(
        help="Write the rows to a Parquet file; needs the extra \\[parquet].",
        rich_help_panel=OUTPUT,
    ),
]

Plot = Annotated[
    Path | None,
    typer.Option(
        help="Draw the curve, Acc@1 against the realised ratio, to this .svg, .png or .pdf file; "
        "of sensitivity, the heat map. Needs the extra \\[report].",
        rich_help_panel=OUTPUT,
    ),
]


def records_command(
    folder: Folder = Path("study"),
    where: Where = None,
    csv: Csv = None,
    parquet: Parquet = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """List, filter, export and draw what sweep recorded.

    Example: network-prune records study --where method=weights --csv weights.csv
    """
    check_writable(csv, parquet, plot)
    from network_prune.display.canvas import check_plot
    from network_prune.reports.tables import HEAD, record_row, warning_lines
    from network_prune.results.axes import differing
    from network_prune.results.study import read_study

    if plot is not None:
        check_plot(plot)
    study = read_study(folder)
    tell(study.notices)
    chosen = study.where(*(where or ()))
    if csv is not None:
        from network_prune.reports.exports import write_csv

        write_csv(chosen.rows(), csv)
    if parquet is not None:
        from network_prune.reports.exports import write_parquet

        write_parquet(chosen.rows(), parquet)
    if plot is not None:
        from network_prune.reports.plots import draw_plot

        draw_plot(chosen, plot)
    if as_json:
        hand_over(chosen, as_json=True, path=None)
        return
    row = partial(record_row, differing=differing(chosen))
    say(*HEAD.splitlines(), *map(row, chosen))
    say("", f"{len(chosen)} of {len(study)} records", *warning_lines(chosen))
