"""What libraries, and errors that nobody expected, say on stderr: printable, whatever it holds."""

import logging
import sys
import traceback
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from network_prune.cli.output import say
from network_prune.plain_text import plain


class _PlainRecord(logging.LogRecord):
    def getMessage(self) -> str:  # noqa: N802 (logging's own name)
        return plain(super().getMessage())


@contextmanager
def printable_messages() -> Generator[None]:
    """Have warnings and logs shown in printable characters meanwhile, each in a line."""
    form, make = warnings.formatwarning, logging.getLogRecordFactory()
    warnings.formatwarning = _warning_line
    logging.setLogRecordFactory(_PlainRecord)
    try:
        yield
    finally:
        warnings.formatwarning = form
        logging.setLogRecordFactory(make)


def show_traceback(error: BaseException) -> None:
    """Print on stderr what Python prints of an error that nothing catches."""
    say(*"".join(traceback.format_exception(error)).splitlines(), to=sys.stderr)


def _warning_line(
    message: Any, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    return plain(f"{filename}:{lineno}: {category.__name__}: {message}") + "\n"
