"""``network-prune records``: what a study recorded, as a table or a file."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from network_prune.cli.output import OUTPUT, Json, check_writable, hand_over
from network_prune.errors import ArgumentError, unknown_name

if TYPE_CHECKING:
    from network_prune.results.rows import Row

Folder = Annotated[Path, typer.Argument(help="The study's folder, as sweep wrote it.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        help="Only rows in which a column has a value, e.g. method=neurons or p_prune=0.2; may be "
        "repeated, and all hold.",
    ),
]
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


def records_command(
    folder: Folder = Path("study"),
    where: Where = None,
    csv: Csv = None,
    parquet: Parquet = None,
    as_json: Json = False,
) -> None:
    """List, filter and export what sweep recorded.

    Example: network-prune records study --where method=weights --csv weights.csv
    """
    check_writable(csv, parquet)
    from network_prune.reports.tables import HEAD, record_row, warning_lines
    from network_prune.results.axes import differing
    from network_prune.results.records import FILE, read_records
    from network_prune.results.rows import flat_row
    from network_prune.study.events import Dropped

    records, half_written = read_records(folder)
    if half_written:
        print(Dropped(folder / FILE, half_written), file=sys.stderr)
    rows = {record["key"]: flat_row(record) for record in records}
    for condition in where or ():
        rows = _filter(rows, condition)
    chosen = [record for record in records if record["key"] in rows]
    if csv is not None:
        from network_prune.reports.exports import write_csv

        write_csv(list(rows.values()), csv)
    if parquet is not None:
        from network_prune.reports.exports import write_parquet

        write_parquet(list(rows.values()), parquet)
    if as_json:
        hand_over(chosen, as_json=True, path=None)
        return
    row = partial(record_row, differing=differing(chosen))
    print("\n".join([HEAD, *map(row, chosen)]))
    print("\n".join(["", f"{len(chosen)} of {len(records)} records", *warning_lines(chosen)]))


def _filter(rows: "dict[str, Row]", condition: str) -> "dict[str, Row]":
    name, sign, value = condition.partition("=")
    if not sign:
        raise ArgumentError(
            f"where={condition!r} has no '='; pass COLUMN=VALUE, e.g. method=weights"
        )
    columns = next(iter(rows.values()), {name: None})
    if name not in columns:
        raise ArgumentError(unknown_name("column", name, columns))
    return {key: row for key, row in rows.items() if _is(name, row[name], value)}


def _is(name: str, found: Any, value: str) -> bool:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return str(found).lower() == value.lower()
    try:
        return found == float(value)
    except ValueError:
        raise ArgumentError(f"where={name}={value!r}: {name} has numbers; pass one") from None
