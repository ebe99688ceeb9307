"""``network-prune list``: the networks that ``--arch`` knows by name."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from network_prune.cli.forms import Format, form_of, show
from network_prune.cli.output import OUTPUT, Json, hand_over
from network_prune.display.table import Column, Part, Table

if TYPE_CHECKING:
    from network_prune.sources.networks.catalogue import Entry

# So many timm networks are counted unasked; each is built for it in a few tenths of a second.
FEW = 30

Pattern = Annotated[
    str | None,
    typer.Argument(
        help="Show only names with this in them, or that match it if it has wildcards, quoted: "
        "'resnet*', 'timm:vit_*', or 'timm:resnet50.*' for each of timm's weights.",
    ),
]
Parameters = Annotated[
    bool,
    typer.Option(
        "--parameters",
        help=f"Count the parameters of more than {FEW} timm networks too, which takes minutes "
        "for all.",
        rich_help_panel=OUTPUT,
    ),
]


def list_command(
    pattern: Pattern = None,
    parameters: Parameters = False,
    as_json: Json = False,
    format: Format = None,
) -> None:
    """Show the classifiers that --arch knows by name, with parameters and weights.

    The first of a network's weights is what --weights default takes; the others
    are taken by name. A network that has none takes --weights none or a file.
    --arch takes networks of your own as well: see network-prune eval --help.

    Example: network-prune list 'timm:convnext_*'
    """
    form = form_of(format, as_json=as_json)
    from network_prune.sources.networks.catalogue import counts_slowly, find_networks

    entries = find_networks(pattern)
    slow = sum(counts_slowly(entry.name) for entry in entries)
    counts = _count(entries, slowly=parameters or slow <= FEW)
    if form == "json":
        _print_json(entries, counts)
        return
    parts: list[Part] = [_table(entries, counts)]
    if any(count is None for count in counts) and not parameters:
        parts += [
            "",
            f"Parameters of more than {FEW} timm networks aren't counted unasked: pass a "
            "narrower PATTERN, or --parameters (some minutes for all)",
        ]
    show(parts, form, plain=True)


def _count(entries: "list[Entry]", *, slowly: bool) -> list[int | None]:
    from tqdm import tqdm

    from network_prune.sources.networks.catalogue import count_parameters, counts_slowly

    hide = not slowly or not sys.stderr.isatty()
    with tqdm(entries, "counting parameters", unit="net", disable=hide, leave=False) as bar:
        return [
            count_parameters(entry.name) if slowly or not counts_slowly(entry.name) else None
            for entry in bar
        ]


def _table(entries: "list[Entry]", counts: list[int | None]) -> Table:
    columns = [
        Column("network", is_words=True),
        Column("parameters"),
        Column("weights, the default first", "weights", is_words=True),
    ]
    rows = [
        [entry.name, "–" if count is None else f"{count:,}", ", ".join(entry.weights) or "none"]
        for entry, count in zip(entries, counts, strict=True)
    ]
    data = [
        {"network": entry.name, "parameters": count, "weights": ",".join(entry.weights)}
        for entry, count in zip(entries, counts, strict=True)
    ]
    return Table(columns, rows, data)


def _print_json(entries: "list[Entry]", counts: list[int | None]) -> None:
    networks = [
        {"name": entry.name, "parameters": count, "weights": list(entry.weights)}
        for entry, count in zip(entries, counts, strict=True)
    ]
    hand_over({"networks": networks}, as_json=True, path=None)
