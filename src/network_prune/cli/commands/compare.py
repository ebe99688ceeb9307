"""``network-prune compare``: variants, draws, networks or studies image by image."""

import math
from typing import TYPE_CHECKING, Annotated

import typer

from network_prune.cli.forms import Format, form_of, show
from network_prune.cli.output import OUTPUT, Json, Output, check_writable, hand_over, say
from network_prune.cli.recorded import Where, tell
from network_prune.errors import ArgumentError, RunError

if TYPE_CHECKING:
    from network_prune.reports.comparing.compared import Compared

# So many pairs are named that lose too much.
_FEW = 3

Studies = Annotated[
    list[str] | None,
    typer.Argument(
        help="Folders that sweep wrote, or files of eval --output. Behind one may stand which of "
        "its records: STUDY#KEY with the start of a key, or STUDY#column=value,column=value.",
        show_default="study",
        metavar="STUDY",
    ),
]
To = Annotated[
    str | None,
    typer.Option(
        help="Compare one study's variants with this one of it instead of the dense network: KEY "
        "or column=value,column=value.",
        metavar="KEY",
    ),
]
MaxDrop = Annotated[
    float | None,
    typer.Option(
        help="Exit with 1 if a difference's 95% interval reaches below a loss of so many points "
        "of Acc@1.",
        metavar="POINTS",
    ),
]
Images = Annotated[
    bool,
    typer.Option(
        "--images",
        help="Name the images that are lost and won; the first of each pair, with --json all.",
        rich_help_panel=OUTPUT,
    ),
]
Markdown = Annotated[
    bool,
    typer.Option("--markdown", help="Print a document in Markdown.", rich_help_panel=OUTPUT),
]


def compare_command(
    studies: Studies = None,
    where: Where = None,
    to: To = None,
    max_drop: MaxDrop = None,
    images: Images = False,
    markdown: Markdown = False,
    as_json: Json = False,
    format: Format = None,
    output: Output = None,
) -> None:
    """Compare variants, draws, networks or studies on the same images.

    One STUDY: each variant with its dense network, and which can't be told from the best.
    Several: the first is the baseline, as in git diff: a difference is the others' Acc@1 less
    the first's; where both have many variants, those of equal settings are compared. All draws
    of a variant are one set.

    Example: network-prune compare study#method=weights study#method=neurons --max-drop 1
    """
    form = form_of(format, as_json=as_json, markdown=markdown)
    _check(max_drop)
    check_writable(output)
    from network_prune.reports.comparing.compare import compare_loaded
    from network_prune.results.lines.uncollected import uncollected
    from network_prune.results.study import read_study

    with uncollected():
        found = compare_loaded(studies or ["study"], read_study, where=where or (), to=to)
        tell(notice for study in found.studies for notice in study.notices)
        is_json = form == "json"
        if is_json or output is not None:
            hand_over(found.to_dict(images=images), as_json=is_json, path=output)
        if markdown:
            say(*found.lines(images=images, markdown=True))
        elif not is_json:
            show(found.parts(images=images), form)
    if max_drop is not None:
        _check_drop(found, max_drop)


def _check(max_drop: float | None) -> None:
    if max_drop is not None and not 0 <= max_drop < math.inf:
        raise ArgumentError(
            f"max_drop={max_drop} is no loss; pass percentage points, 0 or more, e.g. 1"
        )


def _check_drop(found: "Compared", max_drop: float) -> None:
    """Raise a RunError that names the comparisons that may lose more than ``max_drop``."""
    if not found.comparisons:
        raise ArgumentError(
            f"max_drop={max_drop:g} holds for nothing, as dense networks alone are chosen; pass "
            "two studies, or what to compare with as --to KEY"
        )
    worse = found.worse_than(max_drop)
    if not worse:
        return
    named = [
        f"{each.variant.label} less {each.baseline.label}: {each.difference:+.3f} "
        f"[{each.interval[0]:+.3f}, {each.interval[1]:+.3f}]"
        for each in worse[:_FEW]
    ]
    more = [f"and {len(worse) - _FEW} more"] if len(worse) > _FEW else []
    raise RunError(
        f"{len(worse)} of {len(found.comparisons)} may lose more than {max_drop:g} points: "
        + "; ".join([*named, *more])
    )
