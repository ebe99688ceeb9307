"""``network-prune reproduce``: the published figures, and what the same grid gives here."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from network_prune.cli.forms import Format, form_of
from network_prune.cli.output import OUTPUT, Json, Output, check_writable, waiting
from network_prune.cli.takes import takes
from network_prune.errors import ArgumentError
from network_prune.options import OPTIONS, PRUNING
from network_prune.results.published.figures import PublishedRow, published_plan, published_rows
from network_prune.sources.digits.names import NAMES
from network_prune.study.plan import Plan, make_plan, overruled

if TYPE_CHECKING:
    from network_prune.results.records import Record

_NETWORKS: Final = tuple(dict.fromkeys(row.network for row in published_rows()))
_NO_DATA: Final = (
    "the published figures are of the 50,000 ImageNet validation images, which aren't part of this "
    "package: get ILSVRC2012_img_val.tar and the development kit ILSVRC2012_devkit_t12.tar.gz from "
    "https://image-net.org/download-images (free, after registration) and pass --data FOLDER, a "
    "folder with val/ and its 1000 class folders, or the unpacked images with the kit beside them "
    "(--data in --help); or run the grid on something else: --arch digits "
    "--data digits"
)
_TAKEN: Final = (
    *(name for name, option in OPTIONS.items() if option.panel != PRUNING and name != "dense"),
    *("draws", "seed"),
)
Out = Annotated[
    Path,
    typer.Option(
        help="Folder for the records; the same command goes on after an interruption.",
        rich_help_panel=OUTPUT,
    ),
]
Page = Annotated[
    Path | None,
    typer.Option(
        help="Write the page to this file; it needs the extra [report].",
        rich_help_panel=OUTPUT,
        show_default="page.html in the folder --out, where the extra is installed",
    ),
]


@takes(_TAKEN, own_defaults={"arch": _NETWORKS, "draws": 5})
def reproduce_command(
    values: dict[str, Any],
    out: Out = Path("reproduce"),
    page: Page = None,
    as_json: Json = False,
    format: Format = None,
    output: Output = None,
) -> None:
    """Measure what was published, and show both side by side.

    The grid is that of the published figures: ResNets on ImageNet, in one pass for each
    network. What was published at p_bern below 1 is one draw of a seed that wasn't
    named; --draws are measured there, and their spread is shown. With --arch,
    --weights and --data the same grid runs on anything, and published figures stand
    only beside the networks they are of.

    Example: network-prune reproduce --data FOLDER
    """
    if values.get("data") is None and not set(values["arch"]) <= set(NAMES):
        raise ArgumentError(_NO_DATA)
    form = form_of(format, as_json=as_json)
    plan = _plan(values)
    check_writable(page, output)

    with waiting("importing PyTorch"):
        from network_prune.cli.runs.study_run import run_study
        from network_prune.reports.reproduction import reproduction_parts

    rows = published_rows()
    page = _page(page, out)
    run_study(
        plan,
        out=out,
        form=form,
        path=output,
        table=partial(reproduction_parts, rows=rows),
        data=partial(_data, rows=rows),
        draw=None if page is None else partial(_write_page, rows=rows, path=page),
    )


def _plan(values: Mapping[str, Any]) -> Plan:
    """Return the published grid, with a network's own rows unless networks were named."""
    others = {name: value for name, value in values.items() if name != "draws"}
    if others["arch"] == _NETWORKS:
        del others["arch"]
    return make_plan(overruled(published_plan(draws=values["draws"]), others))


def _data(records: "Sequence[Record]", *, rows: Sequence[PublishedRow]) -> dict[str, Any]:
    from network_prune.results.naming import network_of
    from network_prune.results.published.beside import beside

    measured = [record for record in records if "error" not in record]
    networks = {network_of(record): None for record in measured}
    found = [
        each.to_dict()
        for network in networks
        for each in beside([r for r in measured if network_of(r) == network], rows)
    ]
    return {"published": found, "records": list(records)}


def _page(page: Path | None, out: Path) -> Path | None:
    """Return where the page goes; None where it isn't asked for and can't be made.

    Raises:
        SourceError: it is asked for and can't be made.
    """
    from network_prune.errors import SourceError
    from network_prune.reports.page.assets import check_page

    try:
        check_page()
    except SourceError:
        if page is not None:
            raise
        return None
    return page or out / "page.html"


def _write_page(records: "Sequence[Record]", *, rows: Sequence[PublishedRow], path: Path) -> None:
    from network_prune.reports.report import report

    names = {record["network"]["name"] for record in records}
    shown = [row for row in rows if row.network in names]
    report(records, out=path, title="Published and measured", published=shown)
