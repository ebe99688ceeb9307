"""A study that is sent to an MLflow server as well."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from network_prune.cli.output import OUTPUT, mention
from network_prune.reports.tracking.server_address import ServerAddress

if TYPE_CHECKING:
    from network_prune.study.events import Told

Mlflow = Annotated[
    str | None,
    typer.Option(
        metavar="URI",
        help="Send parameters, figures and page to this MLflow server as well, one nested run a "
        "variant, e.g. http://localhost:5000; needs the extra [mlflow].",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]


def server_address(mlflow: str | None) -> ServerAddress | None:
    """Return the address that ``--mlflow`` says, if it does.

    Raises:
        ArgumentError: it is no address of a server.
        SourceError: MLflow isn't installed.
    """
    return None if mlflow is None else ServerAddress.parse(mlflow)


@contextmanager
def tracked(address: ServerAddress | None, *, out: Path | None) -> "Generator[Told | None]":
    """Send a study's records to a server, if there is one; yields what takes its events."""
    if address is None:
        yield None
        return
    from network_prune.reports.tracking.tracking import tracked as tracked_at

    # On the stderr of the moment: a live table prints above itself.
    with tracked_at(address, out=out, told=lambda line: mention(line, to=sys.stderr)) as take:
        yield take
