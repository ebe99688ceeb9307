"""``--quiet`` and ``--verbose``: how much a command says beside its results and errors."""

import logging
import sys
import warnings
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, redirect_stderr
from typing import Annotated, Any, TextIO, cast

import typer

from network_prune.cli.output import OUTPUT, only_results, say
from network_prune.errors import ArgumentError

Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        help="Print results and errors alone: no progress, no remarks, no warnings.",
        rich_help_panel=OUTPUT,
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        help="Say on stderr what is decided: device and threads, how the network is made faster, "
        "what variants share, which cached files are used.",
        rich_help_panel=OUTPUT,
    ),
]


@contextmanager
def loudness(*, quiet: bool, verbose: bool) -> Generator[None]:
    """Have commands say as much as these options ask for meanwhile.

    Raises:
        ArgumentError: both are asked for.
    """
    if quiet and verbose:
        raise ArgumentError("--quiet and --verbose exclude each other; pass one")
    with ExitStack() as stack:
        if quiet:
            stack.enter_context(_quietly())
        if verbose:
            stack.enter_context(_decisions_told())
        yield


@contextmanager
def _quietly() -> Generator[None]:
    disabled = logging.root.manager.disable
    stderr = cast(TextIO, _NoTerminal(sys.stderr))
    with only_results(), warnings.catch_warnings(), redirect_stderr(stderr):
        warnings.simplefilter("ignore")
        logging.disable(max(disabled, logging.WARNING))
        try:
            yield
        finally:
            logging.disable(disabled)


class _NoTerminal:
    """A stream that is as another, but no terminal, so that nobody draws on it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _decisions_told() -> Generator[None]:
    logger, handler = logging.getLogger("network_prune"), _EachOnce()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


class _EachOnce(logging.Handler):
    """Prints what is logged, and what is logged again only once."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self._said:
            self._said.add(text)
            say(text, to=sys.stderr)
