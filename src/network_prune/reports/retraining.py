"""What a retraining comes to, epoch by epoch and in the end, in Markdown and as a curve."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from network_prune.deploy.retraining.history import Epoch
from network_prune.deploy.retraining.retrained import Retrained
from network_prune.display.canvas import looks, save_plot
from network_prune.display.charts import Line, draw_lines
from network_prune.reports.markdown import markdown_head, markdown_row
from network_prune.reports.tables import difference_text, figures_text

_TITLES = ("round", "epoch", "p_prune", "pruning ratio", "lr", "training loss", "validation")
EPOCH_HEAD = markdown_head(_TITLES, words=0)
_HEAD = markdown_head(("network", "images", "eval performance", "Acc@1 to dense"), words=1)
_NAMES = {"dense": "dense", "pruned": "pruned, not retrained", "retrained": "retrained"}


def epoch_row(epoch: Epoch) -> str:
    """Return an epoch as a row below `EPOCH_HEAD`."""
    metrics = epoch.metrics
    return markdown_row(
        (),
        [
            str(epoch.round),
            str(epoch.epoch),
            f"{epoch.p_prune:.4g}",
            f"{epoch.pruning_ratio:.2%}",
            f"{epoch.lr:.3g}",
            f"{epoch.loss:.4f}",
            "–" if metrics is None else figures_text(metrics.to_dict()),
        ],
    )


def retrained_lines(result: Retrained) -> list[str]:
    """Return the networks before and after as rows, and what to know of them."""
    return ["", *_HEAD.splitlines(), *_rows(result), "", *_foot(result)]


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


def _rows(result: Retrained) -> Iterator[str]:
    for name, each in result.figures.items():
        paired = each.paired
        yield markdown_row(
            [_NAMES[name]],
            [
                str(each.metrics.n),
                figures_text(each.metrics.to_dict()),
                difference_text(paired.to_dict(), "acc1") if paired.n else "–",
            ],
        )


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
