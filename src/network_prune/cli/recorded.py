"""What the commands that read recorded studies have in common."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from network_prune.cli.output import say

if TYPE_CHECKING:
    from network_prune.results.study import Study

Where = Annotated[
    list[str] | None,
    typer.Option(
        help="Only records in which a column has a value, e.g. method=neurons or p_prune=0.2; may "
        "be repeated, and all hold.",
    ),
]


def tell_half_written(studies: "Iterable[Study]") -> None:
    """Tell on stderr of the studies that end in a half-written line."""
    from network_prune.results.records import FILE
    from network_prune.study.events import Dropped

    for study in studies:
        if study.half_written:
            say(str(Dropped(Path(study.source) / FILE, study.half_written)), to=sys.stderr)
