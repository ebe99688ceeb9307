"""``network-prune records``: what a study recorded, as a table or a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from network_prune.cli.output import OUTPUT, Json, check_writable, print_each, say
from network_prune.cli.recorded import Where, tell

if TYPE_CHECKING:
    from network_prune.results.streamed import Streamed

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
    from network_prune.results.lines.uncollected import uncollected
    from network_prune.results.streamed import stream

    if plot is not None:
        check_plot(plot)
    with uncollected():
        found = stream(folder)
        tell(found.notices)
        chosen = found.where(*(where or ()))
        if csv is not None:
            from network_prune.reports.exports import write_csv

            write_csv(chosen.rows, csv)
        if parquet is not None:
            from network_prune.reports.exports import write_parquet

            write_parquet(chosen.rows(), parquet)
        if plot is not None:
            from network_prune.reports.plots import draw_plot
            from network_prune.results.study import Study

            draw_plot(Study(chosen, chosen.store), plot)
        if as_json:
            print_each(chosen)
        else:
            _say_table(chosen, len(found))


def _say_table(chosen: "Streamed", count: int) -> None:
    """Print records as a table, with how many there are of so many."""
    from network_prune.reports.tables import HEAD, Warnings, record_row
    from network_prune.results.axes import differing

    names, warnings, rows = differing(chosen.heads), Warnings(), list[str]()
    for record in chosen:
        rows.append(record_row(record, differing=names))
        warnings.add(record)
    say(*HEAD.splitlines(), *rows)
    say("", f"{len(chosen)} of {count} records", *warnings.lines())
