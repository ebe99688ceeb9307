"""Rows of records as files for other programs."""

import csv
from collections.abc import Sequence
from pathlib import Path

from network_prune.errors import RunError
from network_prune.extras import require
from network_prune.results.rows import Row


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write rows with a line of column names; an empty cell is a missing value.

    Raises:
        RunError: ``path`` can't be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else [])
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None


def write_parquet(rows: Sequence[Row], path: Path) -> None:
    """Write rows as a Parquet table.

    Raises:
        RunError: ``path`` can't be written.
        SourceError: the extra ``parquet`` isn't installed.
    """
    require("pyarrow", extra="parquet", what=f"writing {path}")
    import pyarrow
    import pyarrow.parquet

    try:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None
