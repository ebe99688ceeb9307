"""Evaluate several draws of one prunable set."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Unpack

from torch import nn

from network_prune.core.prunable import PrunableSet
from network_prune.pruning.pruned import prune
from network_prune.pruning.summary import Summary
from network_prune.study.evaluate import EvaluateOptions, evaluate
from network_prune.study.metrics import Metrics
from network_prune.study.reading import Images


@dataclass(frozen=True, slots=True)
class DrawResult:
    """What one draw did to the network.

    Attributes:
        index: which draw of the seed.
        sha256: hash of the pruned elements, `Draw.sha256`.
        summary: where the masks lay.
        metrics: loss and accuracy under the masks.
    """

    index: int
    sha256: str
    summary: Summary
    metrics: Metrics

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, for JSON."""
        return {
            "index": self.index,
            "sha256": self.sha256,
            "metrics": self.metrics.to_dict(),
            "summary": self.summary.to_dict(),
        }


def evaluate_draws(
    model: nn.Module,
    prunable: PrunableSet,
    data: Images,
    *,
    p_bern: float,
    seed: int,
    indices: range,
    with_norm: bool = False,
    label: str = "evaluate",
    **options: Unpack[EvaluateOptions],
) -> Iterator[DrawResult]:
    """Prune, evaluate and restore ``model`` once for each index, and yield each result.

    Takes the options of `evaluate`. The network is restored when the iteration ends,
    also by an exception or by closing it early. A draw that prunes what an earlier one
    did, as all do at p_bern 1, has the earlier one's metrics and isn't run again.
    The bar says ``label`` and, of several draws, which it is.
    """
    known: dict[str, Metrics] = {}
    for index in indices:
        title = f"{label}, draw {index}" if len(indices) > 1 else label
        with prune(
            model, prunable, p_bern=p_bern, seed=seed, index=index, with_norm=with_norm
        ) as pruned:
            sha256 = pruned.draw.sha256
            if sha256 not in known:
                known[sha256] = evaluate(model, data, label=title, **options)
            yield DrawResult(index, sha256, pruned.summary(), known[sha256])
