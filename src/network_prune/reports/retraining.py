"""What a retraining comes to, epoch by epoch and in the end, as tables and as a curve."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from network_prune.deploy.retraining.history import Epoch
from network_prune.deploy.retraining.retrained import Retrained
from network_prune.display.canvas import looks, save_plot
from network_prune.display.charts import Line, draw_lines
from network_prune.display.fitted import fit
from network_prune.display.table import Column, Part, Table
from network_prune.reports.forms.forms import markdown_lines
from network_prune.reports.tables import difference_texts, figure_texts

_COLUMNS = (
    *map(Column, ("round", "epoch", "p_prune")),
    Column("pruning ratio", "ratio", goes=3),
    Column("lr", goes=4),
    Column("training loss", "training"),
    *(
        Column(title, goes=goes, within="validation", lead=f"{title} ")
        for title, goes in {"Loss": 2, "Acc@1": 0, "Acc@5": 1}.items()
    ),
)
_NEEDS = (5, 5, 7, 7, 8, 7, 6, 7, 7)  # characters that their cells take
_TO_DENSE = "Acc@1 to dense"
_FIGURES = (
    Column("network", is_words=True),
    Column("images", goes=1),
    *(
        Column(title, goes=goes, within="eval performance", lead=f"{title} ")
        for title, goes in {"Loss": 3, "Acc@1": 0, "Acc@5": 2}.items()
    ),
    Column(_TO_DENSE, "to dense", within=_TO_DENSE),
    Column("95% interval", "95%", goes=4, within=_TO_DENSE),
)
_NAMES = {"dense": "dense", "pruned": "pruned, not retrained", "retrained": "retrained"}


class EpochRows:
    """Makes a line of each epoch: as narrow as the terminal, or in Markdown.

    Args:
        width: of the terminal; None for a file.
    """

    def __init__(self, width: int | None) -> None:
        self._layout = None if width is None else fit(_COLUMNS, _NEEDS, width=width)

    def head(self) -> list[str]:
        """Return the lines above the rows."""
        return (
            markdown_lines([Table(_COLUMNS, ())]) if self._layout is None else [self._layout.head()]
        )

    def row(self, epoch: Epoch) -> str:
        """Return an epoch's line."""
        cells = _epoch_cells(epoch)
        if self._layout is not None:
            return self._layout.row(cells)
        (row,) = markdown_lines([Table(_COLUMNS, [cells], goes_on=True)])
        return row


def _epoch_cells(epoch: Epoch) -> list[str]:
    metrics = epoch.metrics
    return [
        str(epoch.round),
        str(epoch.epoch),
        f"{epoch.p_prune:.4g}",
        f"{epoch.pruning_ratio:.2%}",
        f"{epoch.lr:.3g}",
        f"{epoch.loss:.4f}",
        *(["–", "", ""] if metrics is None else figure_texts(metrics.to_dict())),
    ]


def retrained_parts(result: Retrained) -> list[Part]:
    """Return the networks before and after as a table, and what to know of them."""
    return ["", Table(_FIGURES, list(_rows(result))), "", *_foot(result)]


def draw_history(history: Sequence[Epoch], path: Path) -> None:
    """Draw the validation's Acc@1 after each epoch to a file, with 95% intervals.

    Raises:
        RunError: ``path`` can't be written.
    """
    from matplotlib.figure import Figure

    measured = [(epoch, epoch.metrics) for epoch in history if epoch.metrics is not None]
    lines = [
        Line(
            f"round {number}, p_prune {own[0][0].p_prune:.3g}",
            "",
            [epoch.epoch for epoch, _ in own],
            [metrics.acc1 for _, metrics in own],
            interval=(
                [metrics.acc1_interval[0] for _, metrics in own],
                [metrics.acc1_interval[1] for _, metrics in own],
            ),
        )
        for number in sorted({epoch.round for epoch, _ in measured})
        for own in [[each for each in measured if each[0].round == number]]
    ]
    with looks():
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        title = "Acc@1 of the validation images while it is retrained"
        draw_lines(figure.add_subplot(), lines, title=title, x="epoch", y="Acc@1 (%)")
        save_plot(figure, path)


def _rows(result: Retrained) -> Iterator[list[str]]:
    for name, each in result.figures.items():
        paired = each.paired
        to_dense = difference_texts(paired.to_dict(), "acc1") if paired.n else ("–", "")
        figures = figure_texts(each.metrics.to_dict())
        yield [_NAMES[name], str(each.metrics.n), *figures, *to_dense]


def _foot(result: Retrained) -> Iterator[str]:
    best = result.best
    chosen = "the best of the last round's by the validation images" if best.metrics else "the last"
    yield f"retrained: epoch {best.epoch}, {chosen}"
    retrained = result.figures.get("retrained")
    if retrained is not None and retrained.metrics == best.metrics:
        yield (
            "warning: the epoch was chosen by the images that these figures are of, which makes "
            "them a little too good; pass --test for others"
        )
    summary = result.summary()
    total, kind = summary.total, summary.granularity.plural
    yield (
        f"pruned: {total.pruned} of {total.elements} {kind} ({total.pruning_ratio:.2%}), and "
        f"{summary.network_zeroed_ratio:.2%} of the network's weights and biases"
    )
    # That what is pruned is zero says nothing where it was trained so.
    yield from (f"warning: {text}" for text in summary.warnings if text.startswith("layer "))
