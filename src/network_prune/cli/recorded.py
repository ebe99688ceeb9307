"""What the commands that read recorded studies have in common."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from network_prune.cli.output import say

if TYPE_CHECKING:
    from network_prune.results.lines.notices import Notice

Where = Annotated[
    list[str] | None,
    typer.Option(
        help="Only records in which a column has a value, e.g. method=neurons or p_prune=0.2; may "
        "be repeated, and all hold.",
    ),
]


def tell(notices: "Iterable[Notice]") -> None:
    """Tell on stderr of lines that were left out."""
    for notice in notices:
        say(str(notice), to=sys.stderr)
