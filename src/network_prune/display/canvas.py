"""What charts are drawn on: axes, and files of them."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from network_prune.errors import ArgumentError
from network_prune.extras import require
from network_prune.whole_file import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS: Final = ("pdf", "png", "svg")
_MOST_PIXELS: Final = 60_000  # a side; matplotlib refuses 2**16
# Text stays text in SVG, and the same figures give the same file.
_LOOKS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "network-prune",
    "pdf.fonttype": 42,
    "text.parse_math": True,
    "text.usetex": False,
    "savefig.dpi": 150,
}
# For a printed column: every font comes along, in PDF as TrueType and in SVG as shapes.
PAPER: Final[dict[Any, Any]] = {
    "svg.fonttype": "path",
    "font.size": 7,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.5,
    "savefig.dpi": 300,
}


def new_axes(given: "Axes | None", *, width: float, height: float) -> "Axes":
    """Return ``given``, or the axes of a new figure of pyplot's, sizes in inches.

    Raises:
        SourceError: matplotlib isn't installed.
    """
    if given is not None:
        return given
    require("matplotlib", extra="notebook", what="plot()")
    from matplotlib import pyplot

    # Of pyplot, so that notebooks show it and pyplot.show finds it, as with other libraries.
    return pyplot.subplots(figsize=(width, height), layout="constrained")[1]


def check_plot(path: Path) -> None:
    """Find out before a long run that its plot could not be drawn.

    Raises:
        ArgumentError: the file's name doesn't end in a format.
        SourceError: matplotlib isn't installed.
    """
    if path.suffix.lower().lstrip(".") not in FORMATS:
        raise ArgumentError(
            f"plot={str(path)!r} isn't of a known format; pass a name that ends in "
            f"{', '.join(f'.{name}' for name in FORMATS)}"
        )
    require("matplotlib", extra="report", what="--plot")


@contextmanager
def looks(more: dict[Any, Any] | None = None) -> "Generator[None]":
    """Draw for files meanwhile; ``more`` are further settings of matplotlib."""
    from matplotlib import rc_context

    with rc_context({**_LOOKS, **(more or {})}):
        yield


def save_plot(figure: "Figure", path: Path, *, kind: str | None = None) -> None:
    """Write a figure to a file, whole or not at all; `looks` has to hold still.

    Args:
        figure: made without pyplot, which would keep it.
        path: where to.
        kind: one of `FORMATS`; by default the one that ``path`` ends in.

    Raises:
        RunError: ``path`` can't be written.
    """
    from matplotlib import rcParams

    kind = kind or path.suffix.lower().lstrip(".")
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    _lay_out(figure)
    dpi = min(rcParams["savefig.dpi"], _MOST_PIXELS / max(figure.get_size_inches()))
    content = BytesIO()
    figure.savefig(content, format=kind, dpi=dpi, metadata=dates.get(kind))
    write_whole(path, content.getvalue())


def _lay_out(figure: "Figure") -> None:
    """Place the axes once and for all; the layout's solver is off by other last bits each time."""
    with warnings.catch_warnings():
        # Where there is no room the axes stay where they are, which isn't for users to mend.
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        x, y, width, height = (round(value, 6) for value in axes.get_position(True).bounds)
        axes.set_position((x, y, width, height))
