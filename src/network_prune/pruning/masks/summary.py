"""Where the masks of a draw lie, layer by layer."""

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from typing import TYPE_CHECKING, Any, Final

from torch import Tensor, nn

from network_prune.core.layers import Granularity
from network_prune.display.canvas import new_axes
from network_prune.display.charts import draw_bars
from network_prune.display.html import html_table
from network_prune.display.text import text_table
from network_prune.plain_text import plain
from network_prune.pruning.prunable import Draw, PrunableSet
from network_prune.pruning.ranking.rankable import locate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TITLES: Final = (
    "layer",
    "elements",
    "prunable",
    "pruned",
    "weights",
    "zeroed",
    "zero before",
    "new",
)


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """Counts for one layer, or for all ranked layers together.

    Attributes:
        name: the layer's path.
        elements: number of elements.
        prunable: how many of them are prunable.
        pruned: how many the draw prunes.
        weights: number of single weights.
        zeroed: weights under the mask.
        zero_before: weights that are zero without any mask.
        newly_zeroed: weights under the mask that weren't zero before.
    """

    name: str
    elements: int
    prunable: int
    pruned: int
    weights: int
    zeroed: int
    zero_before: int
    newly_zeroed: int

    @property
    def pruning_ratio(self) -> float:
        """Share of the elements that is pruned, in [0, 1]."""
        return self.pruned / self.elements

    @property
    def zeroed_ratio(self) -> float:
        """Share of the weights under the mask, in [0, 1]."""
        return self.zeroed / self.weights

    @property
    def zero_before_ratio(self) -> float:
        """Share of the weights that is zero without any mask, in [0, 1]."""
        return self.zero_before / self.weights


@dataclass(frozen=True, slots=True, repr=False)
class Summary:
    """What a draw prunes, per ranked layer and in total.

    Attributes:
        granularity: what an element is.
        layers: one entry for each ranked layer, in the network's order.
        total: the sum of the entries.
        network_weights: number of all weights and biases of the network.
        silenced: biases and norms' entries under masks, which ``with_norm`` puts there.
        newly_silenced: those of them that weren't zero before.
    """

    granularity: Granularity
    layers: tuple[LayerSummary, ...]
    total: LayerSummary
    network_weights: int
    silenced: int = 0
    newly_silenced: int = 0

    @property
    def network_zeroed_ratio(self) -> float:
        """Share of all weights and biases of the network under the mask, in [0, 1]."""
        return (self.total.zeroed + self.silenced) / self.network_weights

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each thing that makes the figures easy to misread."""
        kind = self.granularity.plural
        lines = [
            f"layer {row.name} vanishes: all its {row.elements} {kind} are pruned"
            for row in self.layers
            if row.pruned == row.elements
        ]
        if self.total.pruned and not self.total.newly_zeroed + self.newly_silenced:
            lines.append(
                "every pruned weight was zero before: the network computes what it did unpruned"
            )
        return tuple(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, for JSON."""
        return {
            "granularity": self.granularity.value,
            **{key: value for key, value in asdict(self.total).items() if key != "name"},
            "pruning_ratio": self.total.pruning_ratio,
            "zeroed_ratio": self.total.zeroed_ratio,
            "zero_before_ratio": self.total.zero_before_ratio,
            "network_weights": self.network_weights,
            "silenced": self.silenced,
            "newly_silenced": self.newly_silenced,
            "network_zeroed_ratio": self.network_zeroed_ratio,
            "layers": [asdict(row) for row in self.layers],
            "warnings": list(self.warnings),
        }

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw what share of each layer is prunable and pruned; return matplotlib's axes.

        Args:
            ax: where to draw; new axes by default.

        Raises:
            SourceError: matplotlib isn't installed; the extra ``[notebook]`` brings it.
        """
        ax = new_axes(ax, width=6.4, height=1.4 + 0.24 * len(self.layers))
        shares = {
            name: [100 * getattr(row, name) / row.elements for row in self.layers]
            for name in ("prunable", "pruned")
        }
        kind = self.granularity.plural
        names = [row.name for row in self.layers]
        draw_bars(ax, names, shares, title=self._line, x=f"share of the layer's {kind} (%)")
        return ax

    @property
    def _line(self) -> str:
        total = self.total
        pruned = f"{total.pruned} of {total.elements} {self.granularity.plural} pruned"
        return f"{pruned} ({total.pruning_ratio:.2%}), {total.newly_zeroed} weights newly zeroed"

    def __repr__(self) -> str:
        return f"Summary({self._line})"

    def _repr_html_(self) -> str:
        rows = (astuple(row) for row in (*self.layers, self.total))
        warnings = (f"warning: {line}" for line in self.warnings)
        return html_table(_TITLES, rows, caption=self._line, foot=warnings)

    def __str__(self) -> str:
        """Return a table in plain text with the warnings below."""
        table = text_table(_TITLES, (map(str, astuple(row)) for row in (*self.layers, self.total)))
        return "\n".join([table, *(f"warning: {plain(line)}" for line in self.warnings)])


def summarize(
    model: nn.Module,
    prunable: PrunableSet | Draw,
    draw: Draw,
    *,
    silenced: Sequence[tuple[Tensor, Tensor]] = (),
) -> Summary:
    """Count what ``draw`` prunes in ``model``, which may be pruned at present or not.

    Args:
        model: the network of the prunable set.
        prunable: what `rank` returned, or the draw itself where nothing else is known.
        draw: a draw of ``prunable``.
        silenced: original and mask (True = keep) of each bias and norm under a mask.
    """
    modules = dict(model.named_modules())
    rows: list[LayerSummary] = []
    for layer in prunable.layers:
        place = locate(modules, layer.name)
        assert place is not None, "the prunable set is of this network"
        zero = (place.original().detach() == 0).cpu()
        keep = draw.mask(layer.name)
        rows.append(
            LayerSummary(
                name=layer.name,
                elements=layer.element_count(prunable.granularity),
                prunable=prunable.elements.counts[layer.name],
                pruned=draw.elements.counts[layer.name],
                weights=layer.weights,
                zeroed=int((~keep).sum()),
                zero_before=int(zero.sum()),
                newly_zeroed=int((~(keep | zero)).sum()),
            )
        )
    weights = sum(parameter.numel() for parameter in model.parameters())
    return Summary(
        prunable.granularity,
        tuple(rows),
        _total(rows),
        weights,
        silenced=sum(int((~mask).sum()) for _, mask in silenced),
        newly_silenced=sum(int((~mask & (value != 0)).sum()) for value, mask in silenced),
    )


def prunes_only_zeros(model: nn.Module, draw: Draw) -> bool:
    """Return whether every weight that ``draw`` prunes is zero in ``model``, which isn't pruned."""
    modules = dict(model.named_modules())
    for layer in draw.layers:
        place = locate(modules, layer.name)
        assert place is not None, "the draw is of this network"
        if bool(place.original().detach().cpu()[~draw.mask(layer.name)].any()):
            return False
    return True


def _total(rows: list[LayerSummary]) -> LayerSummary:
    counts = zip(*(astuple(row)[1:] for row in rows), strict=True)
    return LayerSummary("total", *map(sum, counts))
