"""``--format``: the tables of a command alone on stdout, in a form for other programs."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Final, TextIO

import typer

from network_prune.cli.output import OUTPUT, say
from network_prune.display.terminal import shown_width
from network_prune.errors import ArgumentError, check_choice

if TYPE_CHECKING:
    from network_prune.display.table import Part

FORMS: Final = ("table", "markdown", "csv", "latex", "json")
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Print the table alone: table, as wide as the terminal, markdown, csv, latex (for "
        "the package booktabs) or json. Notes go to stderr.",
        metavar="FORMAT",
        show_default="table with what to know around it",
        rich_help_panel=OUTPUT,
    ),
]


def form_of(format: str | None, *, as_json: bool, markdown: bool = False) -> str | None:
    """Return the form that options ask for; None for a table with what to know around it.

    Args:
        format: what --format says.
        as_json: whether --json is given.
        markdown: whether --markdown is.

    Raises:
        ArgumentError: there is no such form, or two are asked for.
    """
    if format is not None:
        check_choice("format", format, FORMS)
    others = {"--json": as_json, "--markdown": markdown}
    said = [name for name, is_given in others.items() if is_given]
    if len(said) > 1:
        raise ArgumentError("--json and --markdown exclude each other; pass one")
    if said and format is not None:
        raise ArgumentError(f"{said[0]} and --format {format} exclude each other; pass one")
    return "json" if as_json else format


def show(
    parts: "Iterable[Part]",
    form: str | None = None,
    *,
    to: TextIO | None = None,
    plain: bool = False,
) -> None:
    """Print lines and tables for people, or the tables alone on stdout and lines on stderr.

    Args:
        parts: what to print.
        form: one of `FORMS` but json; None for people.
        to: instead of stdout.
        plain: for people tables are plain text everywhere, and not Markdown where there is no
            terminal.
    """
    from network_prune.display.table import Table
    from network_prune.reports.forms.forms import form_text, screen_lines

    stream = to or sys.stdout
    width = shown_width(stream, in_files=plain or form == "table")
    if form is None:
        say(*screen_lines(parts, width, plain=plain), to=stream)
        return
    kept = list(parts)
    tables = [part for part in kept if isinstance(part, Table)]
    if tables:
        say(*form_text(tables, form, width=width).split("\n"), to=stream)
    notes = [part for part in kept if isinstance(part, str) and part]
    if notes:
        say(*notes, to=sys.stderr)
