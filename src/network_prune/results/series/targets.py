"""From what each layer alone costs: how much of each to prune, for a share of all weights."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import fsum, isfinite

from network_prune.errors import ArgumentError
from network_prune.results.series.alone import LayerTable


@dataclass(frozen=True, slots=True)
class Target:
    """How much of one layer to prune.

    Attributes:
        fraction: its p_prune.
        weights: number of its weights.
        loss: what pruning it alone so far costs, interpolated, in nats.
    """

    fraction: float
    weights: int
    loss: float


@dataclass(frozen=True, slots=True)
class _Curve:
    """What pruning a layer alone costs at least: fractions and losses, both rising from 0."""

    fractions: Sequence[float]
    losses: Sequence[float]

    def most(self, loss: float, *, below: bool) -> float:
        """Return the largest fraction that costs ``loss``, or the largest that costs less."""
        steps = list(zip(self.fractions, self.losses, strict=True))
        reached = [f for f, cost in steps if (cost < loss if below else cost <= loss)]
        if not reached:
            return 0.0
        place = len(reached) - 1
        if place + 1 == len(steps):
            return reached[-1]
        (start, low), (end, high) = steps[place : place + 2]
        return start + (end - start) * (loss - low) / (high - low)

    def cost(self, fraction: float) -> float:
        """Return what pruning ``fraction`` costs."""
        for (start, low), (end, high) in pairwise(zip(self.fractions, self.losses, strict=True)):
            if fraction <= end:
                return low + (high - low) * (fraction - start) / (end - start)
        return self.losses[-1]


def targets_of(table: LayerTable, target: float) -> dict[str, Target]:
    """Return by layer how much to prune, so that it is ``target`` of all weights.

    Every layer is pruned as far as costs one and the same loss, by itself. What a layer
    costs is the paired difference of the mean loss to the dense network, 0 where nothing is
    pruned and straight from each measured p_prune to the next, made never to fall by taking
    the greatest so far. The loss that all layers cost is the one at which their fractions,
    weighted by the layers' weights, have the mean ``target``. Where a layer costs the same over
    a range, all layers that do so at this loss are pruned the same part of their ranges.

    Args:
        table: layers that were pruned alone, at one or more p_prune.
        target: fraction in [0, 1] of all weights of the ranked layers.

    Raises:
        ArgumentError: pruning all layers as far as was measured isn't enough.
    """
    curves = {layer: _curve(table, layer) for layer in table.layers}
    weights = {layer: _weights(table, layer) for layer in table.layers}
    fractions = _fractions(curves, weights, target)
    return {
        layer: Target(fraction, weights[layer], curves[layer].cost(fraction))
        for layer, fraction in fractions.items()
    }


def _fractions(
    curves: Mapping[str, _Curve], weights: Mapping[str, int], target: float
) -> Mapping[str, float]:
    total = sum(weights.values())

    def mean(fractions: Mapping[str, float]) -> float:
        return fsum(fractions[layer] * n for layer, n in weights.items()) / total

    states = list(_states(curves))
    for before, after in pairwise(states):
        low, high = mean(before), mean(after)
        if low <= target <= high:
            part = (target - low) / (high - low) if high > low else 0.0
            return {layer: f + part * (after[layer] - f) for layer, f in before.items()}
    raise ArgumentError(
        f"targets={target:g} is out of reach: with every layer pruned as far as was measured it is "
        f"{mean(states[-1]):.4g} of the weights; pass a larger --p-prune as well, or a lower target"
    )


def _states(curves: Mapping[str, _Curve]) -> Iterator[Mapping[str, float]]:
    """Yield all layers' fractions at each loss where a curve bends; in between they are straight.

    At each such loss that of what costs less comes first, then that of what costs as much.
    """
    yield dict.fromkeys(curves, 0.0)
    for loss in sorted({loss for curve in curves.values() for loss in curve.losses}):
        for below in (True, False):
            yield {layer: curve.most(loss, below=below) for layer, curve in curves.items()}


def _curve(table: LayerTable, layer: str) -> _Curve:
    """Return a layer's curve, up to where the loss isn't a number any more."""
    fractions, losses = [0.0], [0.0]
    for p_prune in sorted(table.p_prunes):
        record = table.cells.get((layer, p_prune))
        difference = record and record["difference"]
        loss = difference["loss_difference"] if difference else None
        if loss is None or not isfinite(loss):
            break
        if p_prune > 0:
            fractions.append(p_prune)
            losses.append(max(losses[-1], loss))
    return _Curve(fractions, losses)


def _weights(table: LayerTable, layer: str) -> int:
    record = next(record for (name, _), record in table.cells.items() if name == layer)
    return record["realised"]["weights"]
