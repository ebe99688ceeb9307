"""Where a command's result goes: text or JSON on stdout, and JSON to a file.

Nothing else in the package prints, so that no name reaches a terminal as it is. Lines that start
with ``warning`` or ``note:`` are remarks, which ``--quiet`` leaves out.
"""

import json
import os
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from network_prune.errors import RunError
from network_prune.plain_text import plain
from network_prune.whole_file import write_whole

OUTPUT = "Output"
_REMARKS = ("warning:", "warning  ", "note:")
_only_results: ContextVar[bool] = ContextVar("only_results", default=False)

Json = Annotated[
    bool, typer.Option("--json", help="Print JSON instead of text.", rich_help_panel=OUTPUT)
]
Output = Annotated[
    Path | None,
    typer.Option(help="Write the JSON to this file as well.", rich_help_panel=OUTPUT),
]


@contextmanager
def only_results() -> Generator[None]:
    """Let nothing but results and errors be printed meanwhile."""
    token = _only_results.set(True)
    try:
        yield
    finally:
        _only_results.reset(token)


def say(*lines: str, to: TextIO | None = None) -> None:
    """Print lines, each as one whatever it holds, on stdout unless ``to`` is another stream.

    Remarks aren't printed where only results are.
    """
    if _only_results.get():
        left = list(_without_remarks(lines))
        if lines and not left:
            return
        lines = tuple(left)
    print("\n".join(map(plain, lines)), file=to or sys.stdout, flush=True)


def _without_remarks(lines: Iterable[str]) -> Generator[str]:
    is_remark = False
    for line in lines:
        goes_on = is_remark and line.startswith("  ")  # below a line that was too long
        is_remark = goes_on or line.startswith(_REMARKS)
        if not is_remark:
            yield line


def mention(*lines: str, to: TextIO | None = None) -> None:
    """Print lines as `say` does, unless only results are to be printed.

    They say how far a run is, or what can be done next.
    """
    if not _only_results.get():
        say(*lines, to=to)


def say_on(text: str) -> None:
    """Print text on stdout, whose line goes on unless it ends with its end."""
    end = "\n" if text.endswith("\n") else ""
    print(plain(text.removesuffix("\n")), end=end, flush=True)


@contextmanager
def waiting(text: str) -> Generator[None]:
    """Show a line on the terminal meanwhile."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    print(f"{plain(text)} …", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


@contextmanager
def saying_where_it_goes_on(out: Path | None) -> Generator[None]:
    """Say how a run goes on that is ended meanwhile, if it has a folder."""
    try:
        yield
    except KeyboardInterrupt:
        if out is not None:
            where = f"what is finished is in {out}; the same command goes on from there"
            say(where, to=sys.stderr)
        raise


def check_writable(*paths: Path | None) -> None:
    """Find out before a long run that its result could not be written.

    Raises:
        RunError: a file can't be made there.
    """
    for path in paths:
        if path is None:
            continue
        folder = path.parent
        if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            raise RunError(f"cannot write {path}: pass a file in a folder that exists and is yours")


def hand_over(result: Any, *, as_json: bool, path: Path | None) -> None:
    """Print ``result`` as JSON if asked, and write it to ``path`` if there is one.

    Raises:
        RunError: ``path`` can't be written.
    """
    text = _json_text(result)
    if as_json:
        print(text)
    if path is not None:
        write_whole(path, f"{text}\n".encode())


def print_each(items: Iterable[Any]) -> None:
    """Print items as a list in JSON, as `hand_over` does, each as it comes by."""
    before = "[\n  "
    for item in items:
        print(before + _json_text(item).replace("\n", "\n  "), end="")
        before = ",\n  "
    print("[]" if before.startswith("[") else "\n]")


def _json_text(value: Any) -> str:
    # In ASCII, of which DEL alone isn't escaped though a terminal would obey it.
    return json.dumps(value, indent=2).replace("\x7f", "\\u007f")
