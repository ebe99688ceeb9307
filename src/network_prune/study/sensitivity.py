"""What pruning one layer at a time costs: which layers bear it and which don't."""

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from torch import Tensor, nn

from network_prune.core.layers import Granularity
from network_prune.core.prunable import PrunableSet
from network_prune.evaluation.memory import running
from network_prune.evaluation.metrics import Metrics, measure_samples
from network_prune.evaluation.paired import Paired, compare
from network_prune.evaluation.reading import Images, Reading, ReadOptions
from network_prune.pruning.forward import compute_logits, move_images
from network_prune.pruning.masks.summary import LayerSummary, summarize
from network_prune.pruning.ranking.rank import rank
from network_prune.pruning.surrogates.diversified import Diversified
from network_prune.sources.data.pictures import Batch


@dataclass(frozen=True, slots=True)
class Cell:
    """What one prunable set's draw did to the network.

    Attributes:
        p_prune: fraction of the layer's elements that is prunable.
        summary: what the draw pruned of the layer, by the layer's name.
        prunable_sha256: hash of the prunable elements.
        draw_sha256: hash of the pruned ones.
        metrics: loss and accuracy under the draw.
        paired: the differences to the dense network on the same images.
    """

    p_prune: float
    summary: LayerSummary
    prunable_sha256: str
    draw_sha256: str
    metrics: Metrics
    paired: Paired

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, for JSON."""
        counts = ("elements", "prunable", "pruned", "weights", "zero_before", "newly_zeroed")
        return {
            "layer": self.summary.name,
            "p_prune": self.p_prune,
            **{name: getattr(self.summary, name) for name in counts},
            "prunable_sha256": self.prunable_sha256,
            "draw_sha256": self.draw_sha256,
            "metrics": self.metrics.to_dict(),
            "difference": self.paired.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The dense network's figures and those of each variant, in the order asked for."""

    dense: Metrics
    cells: tuple[Cell, ...]


def rank_each_layer(
    model: nn.Module,
    granularity: Granularity | str = Granularity.WEIGHT,
    *,
    p_prunes: Sequence[float],
    score: str | Mapping[str, Tensor] = "l1",
    layers: Sequence[type[nn.Module]] = (nn.Conv2d,),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> list[PrunableSet]:
    """Return a prunable set of each layer alone for each of ``p_prunes``, layer by layer.

    Takes the options of `rank`, and raises what it does.
    """
    whole = rank(
        model,
        granularity,
        p_prune=0.0,
        score=score,
        layers=layers,
        include=include,
        exclude=exclude,
    )
    names = [layer.name for layer in whole.layers]
    return [
        rank(
            model,
            granularity,
            p_prune=p_prune,
            score={name: score[name]} if isinstance(score, Mapping) else score,
            layers=layers,
            include=[glob.escape(name)],
        )
        for name in names
        for p_prune in p_prunes
    ]


def measure_sensitivity(
    model: nn.Module,
    prunable_sets: Sequence[PrunableSet],
    data: Images,
    *,
    p_bern: float = 1.0,
    seed: int = 0,
    index: int = 0,
    **options: Unpack[ReadOptions],
) -> Sensitivity:
    """Compare ``model`` under one draw of each prunable set with the dense ``model``.

    Each batch is read once, and all variants are computed on it. No Parameter is ever
    written, so there is nothing to restore, also after an interruption. Memory holds one
    network and one bit for each element of a prunable set. The network runs as it is: the
    figures are those of `evaluate` with ``fold`` and ``channels_last`` off.

    Args:
        model: maps images ``[n, C, H, W]`` to logits ``[n, classes]``.
        prunable_sets: of one layer each, as `rank_each_layer` gives them.
        data: see `Reading`, which takes ``options`` too.
        p_bern: probability in [0, 1] that a prunable element is pruned.
        seed: names the draws.
        index: which draw of the seed.

    Raises:
        NetworkPruneError: what `Diversified`, `Reading` and `compute_logits` raise.
    """
    draws = [prunable.draw(p_bern=p_bern, seed=seed, index=index) for prunable in prunable_sets]
    variants = [Diversified(model, each, p_bern=p_bern, seed=seed) for each in prunable_sets]
    dense, figures = Metrics(), [(Metrics(), Paired())] * len(variants)
    with (
        running(model),
        Reading(data, label="sensitivity", passes=1 + len(variants), **options) as reading,
    ):
        for batch in reading:
            found, compared = _measure_batch(model, variants, batch, index=index, reading=reading)
            dense += found
            figures = [
                (metrics + more, paired + further)
                for (metrics, paired), (more, further) in zip(figures, compared, strict=True)
            ]
    left_out = Metrics(unreadable=reading.unreadable)
    cells = [
        Cell(
            p_prune=prunable.p_prune,
            summary=summarize(model, prunable, draw).layers[0],
            prunable_sha256=prunable.sha256,
            draw_sha256=draw.sha256,
            metrics=metrics + left_out,
            paired=paired,
        )
        for prunable, draw, (metrics, paired) in zip(prunable_sets, draws, figures, strict=True)
    ]
    return Sensitivity(dense + left_out, tuple(cells))


def _measure_batch(
    model: nn.Module,
    variants: Sequence[Diversified],
    batch: Batch,
    *,
    index: int,
    reading: Reading,
) -> tuple[Metrics, list[tuple[Metrics, Paired]]]:
    images = move_images(batch.images, model)
    dense = measure_samples(compute_logits(model, images, batch.labels), batch.labels)
    reading.advance(len(batch))
    figures: list[tuple[Metrics, Paired]] = []
    for variant in variants:
        with variant.frozen(index):
            logits = compute_logits(variant, images, batch.labels)
        samples = measure_samples(logits, batch.labels)
        figures.append((samples.total(), compare(samples, dense)))
        reading.advance(len(batch))
    return dense.total(), figures
