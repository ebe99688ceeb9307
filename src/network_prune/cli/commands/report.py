"""``network-prune report``: a study as a page, or as tables and plots for a paper."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from network_prune.cli.completion import completes
from network_prune.cli.output import OUTPUT, check_writable, say
from network_prune.cli.recorded import tell
from network_prune.errors import ArgumentError


def _formats(incomplete: str) -> list[str]:
    from network_prune.reports.report import FORMATS

    return completes(FORMATS)(incomplete)


Studies = Annotated[
    list[Path],
    typer.Argument(
        help="The studies' folders, as sweep wrote them, or files of eval --output.",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option(help="The file to write.", rich_help_panel=OUTPUT)]
Format = Annotated[
    str | None,
    typer.Option(
        help="html, a page; md or csv, the table; svg, png or pdf, the curves. By default what "
        "--out ends in. All but md and csv need the extra [report].",
        rich_help_panel=OUTPUT,
        show_default=False,
        autocompletion=_formats,
    ),
]
Title = Annotated[
    str | None,
    typer.Option(help="The page's title.", rich_help_panel=OUTPUT, show_default=False),
]
Watch = Annotated[
    bool,
    typer.Option(
        "--watch",
        help="Write the page again whenever records were added, until Ctrl-C.",
        rich_help_panel=OUTPUT,
    ),
]


def report_command(
    studies: Studies,
    out: Out = Path("report.html"),
    format: Format = None,
    title: Title = None,
    watch: Watch = False,
) -> None:
    """Make a page of what studies recorded, or tables and plots for a paper.

    The page is one file, which opens from disk and asks for nothing from elsewhere: plots, a
    table that sorts, filters and copies, and any two rows compared image by image.

    Example: network-prune report study --out page.html
    """
    check_writable(out)
    from network_prune.reports.page.assets import check_page
    from network_prune.reports.report import format_of, report, studies_of
    from network_prune.results.study import read_study

    kind = format_of(out, format)
    if watch:
        if kind != "html":
            raise ArgumentError(f"--watch makes pages, not {kind}; leave it out, or pass html")
        check_page()
        from network_prune.reports.watching import watch as watch_studies

        watch_studies(studies, out, title=title, told=partial(say, to=sys.stderr))
        return
    found = studies_of(map(read_study, studies))
    tell(notice for study in found for notice in study.notices)
    report(found, out=out, format=kind, title=title)
    say(f"{out}: {sum(map(len, found))} records")
