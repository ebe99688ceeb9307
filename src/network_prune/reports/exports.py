"""Rows of records as files for other programs."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from network_prune.errors import RunError
from network_prune.extras import require
from network_prune.results.rows import Row
from network_prune.whole_file import write_whole


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write rows with a line of column names; an empty cell is a missing value.

    Raises:
        RunError: ``path`` can't be written.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue().encode())


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
