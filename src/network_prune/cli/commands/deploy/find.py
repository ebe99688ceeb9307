"""``network-prune find``: how far a network can be cut."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from network_prune.cli.forms import Format, form_of, show
from network_prune.cli.output import (
    OUTPUT,
    Json,
    Output,
    check_writable,
    hand_over,
    mention,
    say,
    saying_where_it_goes_on,
    waiting,
)
from network_prune.cli.takes import takes
from network_prune.display.terminal import shown_width
from network_prune.options import OPTIONS

if TYPE_CHECKING:
    from network_prune.study.events import Event, Started

GOAL = "Goal"

MaxDrop = Annotated[
    float | None,
    typer.Option(
        help="The largest p_prune that surely loses at most so many points of Acc@1: the paired "
        "95% interval doesn't reach below.",
        rich_help_panel=GOAL,
        metavar="POINTS",
        show_default="1, if no share is asked for",
    ),
]
Params = Annotated[
    str | None,
    typer.Option(
        help="The smallest p_prune that leaves at most this share of the parameters, e.g. 60%.",
        rich_help_panel=GOAL,
        metavar="SHARE",
    ),
]
Macs = Annotated[
    str | None,
    typer.Option(
        help="The smallest p_prune that leaves at most this share of the multiply-adds, e.g. 60%.",
        rich_help_panel=GOAL,
        metavar="SHARE",
    ),
]
Latency = Annotated[
    str | None,
    typer.Option(
        help="The smallest p_prune at which one picture takes at most this share of the time, "
        "e.g. 60%, once silenced neurons are removed; goes with --method neurons.",
        rich_help_panel=GOAL,
        metavar="SHARE",
    ),
]
Step = Annotated[
    float, typer.Option(help="p_prune is a multiple of it, in (0, 0.5].", rich_help_panel=GOAL)
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the records, as sweep writes them; what is recorded there isn't evaluated "
        "again.",
        rich_help_panel=OUTPUT,
    ),
]
Save = Annotated[
    Path | None,
    typer.Option(
        help="Write what is found of the one network and way into this new folder: its weights "
        "with masks as zeros, a packed file of the network, and the draw.",
        rich_help_panel=OUTPUT,
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(
        help="Draw what was measured to this .svg, .png or .pdf file; needs the extra [report].",
        rich_help_panel=OUTPUT,
    ),
]
_LEFT_OUT = ("p_prune", "dense", "outcomes")


@takes([name for name in OPTIONS if name not in _LEFT_OUT])
def find_command(
    values: dict[str, Any],
    max_drop: MaxDrop = None,
    params: Params = None,
    macs: Macs = None,
    latency: Latency = None,
    step: Step = 0.01,
    out: Out = None,
    save: Save = None,
    as_json: Json = False,
    format: Format = None,
    output: Output = None,
    plot: Plot = None,
) -> None:
    """Find how far a network can be cut, by halving: at most 8 evaluations a method and draw.

    Several --method, --score or --scope are searched one by one, and the best is
    named. Fractions of --p-prune-file keep their proportions; p_prune is the largest.

    Example: network-prune find --arch resnet18 --data FOLDER --method weights --max-drop 1
    """
    form = form_of(format, as_json=as_json)
    check_writable(output, plot)
    with waiting("importing PyTorch"):
        from network_prune.deploy.find.find import find
        from network_prune.display.canvas import check_plot
        from network_prune.reports.limits import limit_parts
        from network_prune.reports.plots import draw_plot

    if plot is not None:
        check_plot(plot)
    to = sys.stdout if form is None else sys.stderr
    tell = partial(mention, to=to)
    told = _Told(tell, shown_width(to))
    goal: dict[str, Any] = {
        "max_drop": max_drop,
        "params": params,
        "macs": macs,
        "latency": latency,
    }
    with saying_where_it_goes_on(out):
        limits = find(values, **goal, step=step, out=out, save=save, told=told)
    if form != "json":
        show(limit_parts(limits), form)
    hand_over([limit.to_dict() for limit in limits], as_json=form == "json", path=output)
    if plot is not None:
        draw_plot([record for limit in limits for record in limit.records], path=plot)
    if save is not None:
        tell("", f"the weights with zeros, and the draw, are in {save}")


class _Told:
    """Prints a row for each record that is measured, and what else is to be known.

    Args:
        tell: prints lines.
        width: of the terminal that they are for.
    """

    def __init__(self, tell: Any, width: int | None) -> None:
        from network_prune.reports.forms.rows import Rows

        self._tell = tell
        self._rows = Rows(width)
        self._has_head = False

    def __call__(self, event: "Event") -> None:
        from network_prune.results.lines.notices import Damaged, Dropped
        from network_prune.study.events import Failed, Recorded, Started

        match event:
            case Started():
                self._begin(event)
            case Recorded():
                self._begin()
                self._tell(self._rows.row(event.record))
            case Failed():
                self._begin()
                self._tell(*self._rows.failure(event.network, event.error))
            case Dropped() | Damaged():
                say(str(event), to=sys.stderr)
            case _:
                pass

    def _begin(self, started: "Started | None" = None) -> None:
        if not self._has_head:
            self._tell(*self._rows.head(started))
        self._has_head = True
