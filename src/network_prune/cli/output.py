"""What the commands print: the user's tables as text, and everything as plain data."""

import math
import statistics
from collections.abc import Mapping, Sequence

from network_prune.evaluation.metrics import Metrics
from network_prune.evaluation.variant import PruneSettings
from network_prune.pruning.masks.summary import Summary
from network_prune.reports.markdown import markdown_row
from network_prune.sources.data.load import LoadedData
from network_prune.sources.networks.load import LoadedNetwork

_FIGURES = ("loss", "acc1", "acc5")


def inputs_head(network: LoadedNetwork, data: LoadedData) -> dict[str, str]:
    """Return title and text of what is known before the first result."""
    sha256 = network.weights_sha256[:12]
    return {
        "network": f"{network.name}, weights {network.weights} (sha256 {sha256})",
        "preprocessing": str(network.preprocessing),
        "data": f"{data.name}, {data.n} images",
    }


def head_lines(lines: Mapping[str, str]) -> str:
    """Return titles and texts in two columns."""
    return "\n".join(f"{title:<14} {text}" for title, text in lines.items())


def table_row(name: str, settings: PruneSettings, ratio: str, performance: str) -> str:
    """Return one row of the user's table, in Markdown; what the cells hold is escaped."""
    return markdown_row((name, f"{settings.p_prune:g}", f"{settings.p_bern:g}", ratio, performance))


def table_head() -> str:
    """Return the head of the user's table, in Markdown."""
    return (
        "| network | p_prune | p_bern | pruning ratio | eval performance |\n"
        "|:-------:|:-------:|:------:|:-------------:|:----------------:|"
    )


def left_out_lines(metrics: Metrics) -> list[str]:
    """Return a warning for each kind of image that a figure doesn't rest on."""
    lines: list[str] = []
    if metrics.non_finite:
        lines.append(f"{metrics.non_finite} images gave NaN or infinite outputs: counted as misses")
    if metrics.unreadable:
        lines.append(f"{metrics.unreadable} unreadable images were left out")
    return lines


def ratios_line(summary: Summary) -> str:
    """Return the realised ratios in one line."""
    total = summary.total
    return (
        f"realised: {total.pruned} of {total.elements} {summary.granularity.plural} pruned "
        f"({total.pruning_ratio:.2%}); {total.zeroed_ratio:.2%} of the ranked layers' weights "
        f"zeroed ({summary.network_zeroed_ratio:.2%} of the network's), "
        f"{total.newly_zeroed / total.weights:.2%} newly; "
        f"{total.zero_before_ratio:.2%} were zero before"
    )


def intervals_line(metrics: Metrics) -> str:
    """Return the 95 % intervals in one line."""
    low_loss, high_loss = metrics.loss_interval
    low1, high1 = metrics.acc1_interval
    low5, high5 = metrics.acc5_interval
    return (
        f"95% intervals over {metrics.n} images: Loss [{low_loss:.3f}, {high_loss:.3f}]  "
        f"Acc@1 [{low1:.3f}, {high1:.3f}]  Acc@5 [{low5:.3f}, {high5:.3f}]"
    )


def mean_and_deviation(results: Sequence[Metrics]) -> dict[str, tuple[float, float]]:
    """Return mean and sample standard deviation over draws of loss, acc1 and acc5."""
    figures: dict[str, tuple[float, float]] = {}
    for name in _FIGURES:
        values = [getattr(metrics, name) for metrics in results]
        finite = all(math.isfinite(value) for value in values)
        spread = statistics.stdev(values) if finite and len(values) > 1 else math.nan
        figures[name] = (statistics.fmean(values), spread)
    return figures


def deviation_text(results: Sequence[Metrics]) -> str:
    """Return mean ± standard deviation in the form of the user's tables."""
    figures = mean_and_deviation(results)
    titles = {"Loss": "loss", "Acc@1": "acc1", "Acc@5": "acc5"}
    return "  ".join(
        f"{title} {mean:.3f} ± {deviation:.3f}"
        for title, (mean, deviation) in ((t, figures[name]) for t, name in titles.items())
    )
