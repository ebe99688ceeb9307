"""``network-prune list``: the networks that ``--arch`` knows by name."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from network_prune.cli.output import OUTPUT, Json, hand_over, say

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
) -> None:
    """Show the classifiers that --arch knows by name, with parameters and weights.

    The first of a network's weights is what --weights default takes; the others
    are taken by name. A network that has none takes --weights none or a file.
    --arch takes networks of your own as well: see network-prune eval --help.

    Example: network-prune list 'timm:convnext_*'
    """
    from network_prune.sources.networks.catalogue import counts_slowly, find_networks

    entries = find_networks(pattern)
    slow = sum(counts_slowly(entry.name) for entry in entries)
    counts = _count(entries, slowly=parameters or slow <= FEW)
    if as_json:
        _print_json(entries, counts)
        return
    _print_table(entries, counts)
    if any(count is None for count in counts) and not parameters:
        say(
            "",
            f"Parameters of more than {FEW} timm networks aren't counted unasked: pass a "
            "narrower PATTERN, or --parameters (some minutes for all)",
        )


def _count(entries: "list[Entry]", *, slowly: bool) -> list[int | None]:
    from tqdm import tqdm

    from network_prune.sources.networks.catalogue import count_parameters, counts_slowly

    hide = not slowly or not sys.stderr.isatty()
    with tqdm(entries, "counting parameters", unit="net", disable=hide, leave=False) as bar:
        return [
            count_parameters(entry.name) if slowly or not counts_slowly(entry.name) else None
            for entry in bar
        ]


def _print_table(entries: "list[Entry]", counts: list[int | None]) -> None:
    width = max(len("network"), *(len(entry.name) for entry in entries))
    say(f"{'network':<{width}}  {'parameters':>14}  weights, the default first")
    for entry, count in zip(entries, counts, strict=True):
        shown = "–" if count is None else f"{count:,}"
        say(f"{entry.name:<{width}}  {shown:>14}  {', '.join(entry.weights) or 'none'}")


def _print_json(entries: "list[Entry]", counts: list[int | None]) -> None:
    networks = [
        {"name": entry.name, "parameters": count, "weights": list(entry.weights)}
        for entry, count in zip(entries, counts, strict=True)
    ]
    hand_over({"networks": networks}, as_json=True, path=None)
