"""Rows of records as files for other programs."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from network_prune.extras import require
from network_prune.plain_text import plain
from network_prune.results.rows import Row, encodable
from network_prune.whole_file import write_whole

# A spreadsheet takes text that starts so for a formula, as it does behind a semicolon where that
# stands between cells. With an apostrophe before it, it is taken for text.
_FORMULA: Final = re.compile(r"(?:^|(?<=;))(?=\s*[=+\-@\t\r\n＝＋－＠'])")


def csv_text(rows: Callable[[], Iterable[Mapping[str, Any]]]) -> str:
    """Return rows, asked for twice, with a line of column names; an empty cell is a missing value.

    What isn't printable in text, such as controls that a terminal would obey, is written as
    visible escapes. Text that a spreadsheet would compute, at its start or behind a semicolon,
    has an apostrophe before it, as has text that has one there: who reads the file takes one
    away. Numbers are as they are.

    Source: OWASP, "CSV Injection".
    """
    text = io.StringIO(newline="")
    names = list(dict.fromkeys(name for row in rows() for name in row))
    writer = csv.writer(text)
    writer.writerow(map(_harmless, names))
    writer.writerows([_harmless(row.get(name)) for name in names] for row in rows())
    return text.getvalue()


def write_csv(rows: Callable[[], Iterable[Mapping[str, Any]]], path: Path) -> None:
    """Write rows, asked for twice, to a file as `csv_text` has them.

    Raises:
        RunError: ``path`` can't be written.
    """
    write_whole(path, csv_text(rows).encode())


def write_parquet(rows: Iterable[Row], path: Path) -> None:
    """Write rows as a Parquet table.

    Raises:
        RunError: ``path`` can't be written.
        SourceError: the extra ``parquet`` isn't installed.
    """
    require("pyarrow", extra="parquet", what=f"writing {path}")
    import pyarrow
    import pyarrow.parquet

    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(map(encodable, rows))), content)
    write_whole(path, content.getvalue())


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return plain(_FORMULA.sub("'", value))
