"""Rows of records as files for other programs."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from network_prune.display.text import plain
from network_prune.errors import RunError
from network_prune.extras import require
from network_prune.results.rows import Row
from network_prune.whole_file import write_whole

# A spreadsheet takes text that starts so for a formula; an apostrophe before it is taken for text.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write rows with a line of column names; an empty cell is a missing value.

    What isn't printable in text, such as controls that a terminal would obey, is written as
    visible escapes. Text that a spreadsheet would compute has an apostrophe before it, as has
    text that starts with one. Numbers are as they are.

    Source: OWASP, "CSV Injection".

    Raises:
        RunError: ``path`` can't be written.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _harmless(value) for name, value in row.items()})
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
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(map(_encodable, rows))), path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return f"'{plain(value)}" if value.startswith(_FORMULA) else plain(value)


def _encodable(row: Row) -> Row:
    """Return a row with bytes of file names that are no text as escapes."""
    return {
        name: value.encode("utf-8", "backslashreplace").decode()
        if isinstance(value, str)
        else value
        for name, value in row.items()
    }
