"""``network-prune records``: what a study recorded, as a table or a file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from network_prune.cli.forms import Format, form_of, show
from network_prune.cli.output import OUTPUT, Json, check_writable, print_each, say
from network_prune.cli.recorded import Where, tell
from network_prune.errors import ArgumentError, SourceError
from network_prune.results.parts.folder import is_cut

if TYPE_CHECKING:
    from network_prune.results.streamed import Streamed

Folder = Annotated[
    Path,
    typer.Argument(
        help="The study's folder, as sweep wrote it; or merge, and then the folder, to record what "
        "its shards have finished so far."
    ),
]
Merged = Annotated[Path | None, typer.Argument(hidden=True)]
Each = Annotated[
    bool,
    typer.Option("--each", help="A row for each draw, not for all of a variant."),
]
Csv = Annotated[
    Path | None, typer.Option(help="Write the rows to a CSV file.", rich_help_panel=OUTPUT)
]
Parquet = Annotated[
    Path | None,
    typer.Option(
        help="Write the rows to a Parquet file; needs the extra [parquet].",
        rich_help_panel=OUTPUT,
    ),
]

Plot = Annotated[
    Path | None,
    typer.Option(
        help="Draw the curve, Acc@1 against the realised ratio, to this .svg, .png or .pdf file; "
        "of sensitivity, the heat map. Needs the extra [report].",
        rich_help_panel=OUTPUT,
    ),
]


def records_command(
    folder: Folder = Path("study"),
    merged: Merged = None,
    where: Where = None,
    each: Each = False,
    csv: Csv = None,
    parquet: Parquet = None,
    plot: Plot = None,
    as_json: Json = False,
    format: Format = None,
) -> None:
    """List, filter, export and draw what sweep recorded.

    A row is a variant: where it has several draws mean ± standard deviation,
    and --each shows them one by one. Files and JSON hold each draw; --format
    csv has columns of means and deviations, unless --each is given.

    Of a study that shards are at work on, what is missing is told, and which
    command brings it; network-prune records merge FOLDER records what they
    have finished so far. The last shard to be done does that by itself.

    Example: network-prune records study --where method=weights --format latex
    """
    form = form_of(format, as_json=as_json)
    if merged is not None:
        folder = _merge(folder, merged)
    check_writable(csv, parquet, plot)
    from network_prune.display.canvas import check_plot
    from network_prune.results.lines.uncollected import uncollected
    from network_prune.results.records import FILE
    from network_prune.results.streamed import stream

    if plot is not None:
        check_plot(plot)
    missing = _missing(folder)
    is_shown = not (form or csv or parquet or plot)
    if missing and is_shown and not (folder / FILE).exists():
        say(*missing)
        return
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
        if form == "json":
            print_each(chosen)
        else:
            _show(chosen, len(found), form, each=each)
        if missing:
            say(*missing, to=sys.stderr if form else None)


def _missing(folder: Path) -> list[str]:
    """Return what is missing of a study that shards are at work on."""
    if not is_cut(folder):
        return []
    from network_prune.cli.runs.missing import shard_lines  # which takes the seconds of PyTorch

    return shard_lines(folder)


def _merge(word: Path, folder: Path) -> Path:
    """Put the shards in a folder together, and return it."""
    from network_prune.results.parts.merge import merge

    if str(word) != "merge":
        raise ArgumentError(f"{word} and {folder} are two folders; pass one, or merge {folder}")
    if not folder.is_dir():
        raise SourceError(f"no folder {folder}; pass the one that sweep wrote with --out")
    count, _ = merge(folder, lambda notice: tell([notice]))
    say(f"{count} records are new", to=sys.stderr)
    return folder


def _show(chosen: "Streamed", count: int, form: str | None, *, each: bool) -> None:
    """Print records as a table, with how many there are of so many."""
    from network_prune.reports.tables import Warnings, draws_table, record_cells, record_table
    from network_prune.results.axes import differing
    from network_prune.results.groups import grouped_draws

    names, warnings, rows = differing(chosen.heads), Warnings(), list[list[str]]()
    grouped = grouped_draws(warnings.through(chosen)) if not each else ()
    for record in warnings.through(chosen) if each else ():
        rows.append(record_cells(record, differing=names))
    table = (
        record_table(rows, list(chosen.rows()) if form == "csv" else ())
        if each
        else draws_table(grouped, differing=names)
    )
    draws = sum(len(group) > 1 for group in grouped)
    over = ["rows with ±: mean ± standard deviation over draws; --each shows these"]
    found = f"{len(chosen)} of {count} records"
    show([table, "", *(over if draws else []), found, *warnings.lines()], form)
