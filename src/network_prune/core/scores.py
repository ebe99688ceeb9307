"""Importance scores of elements.

The L1 norm is added in float32 in one canonical order, so that every device, memory
format and thread count gives the same bits: the absolute values of an element's n
weights, in the order ``[in, *kernel]``, are folded in half until one is left. With
``h = ceil(n / 2)``, the fold adds value ``h + i`` to value ``i`` for every
``i < n - h`` and goes on with the first ``h`` values. Every step is an elementwise
addition, which has one right result; the error grows with log2(n), as it does for
pairwise summation.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from network_prune.core.layers import Granularity
from network_prune.core.streams import check_stream_number
from network_prune.errors import ArgumentError, unknown_name

Rows = NDArray[np.float32]
Values = TypeVar("Values", Tensor, Rows)

_SHORT = 64
_IN_CACHE = 1 << 17


class Norm(StrEnum):
    """The ways to score an element by the size of its weights."""

    L1 = "l1"
    L2 = "l2"
    MEAN_L1 = "mean-l1"


class LayerScore(StrEnum):
    """The ways to score an element by its place among its layer's elements."""

    LAMP = "lamp"


class DataScore(StrEnum):
    """The ways to score an element by the gradient of the loss on labelled images."""

    TAYLOR = "taylor"
    GRADIENT = "gradient"


@dataclass(frozen=True, slots=True)
class RandomScore:
    """A score drawn at random, in a stream of its own."""

    seed: int = 0

    def __str__(self) -> str:
        return f"random:{self.seed}"


Score = Norm | LayerScore | DataScore | RandomScore
SCORE_NAMES = (*Norm, *LayerScore, *DataScore, "random", "random:SEED")


def parse_score(text: str) -> Score:
    """Read a score's name, one of `SCORE_NAMES`.

    Raises:
        ArgumentError: the text is none of these.
    """
    for kind in (Norm, LayerScore, DataScore):
        if text in list(kind):
            return kind(text)
    match = re.fullmatch(r"random(?::(\d+))?", text)
    if match is None:
        raise ArgumentError(unknown_name("score", text, SCORE_NAMES))
    return RandomScore(check_stream_number("random score's seed", int(match[1] or 0)))


def norm_scores(weight: Tensor, granularity: Granularity, norm: Norm) -> Tensor:
    """Score every element by the size of its weights.

    Args:
        weight: floating ``[out, in/groups, *kernel]``, any device and memory format.
        granularity: what an element is.
        norm: ``l1`` adds |w|; ``l2`` is the root of the sum of squares, added in
            float64 in the same order and rounded once; ``mean-l1`` divides the L1
            norm by the element's number of weights.

    Returns:
        float32 tensor of the elements' shape, on the weight's device.
    """
    rows, shape = _element_rows(weight, granularity)
    if rows.shape[1] == 1:
        return rows.abs().reshape(shape)
    if norm is Norm.L2:
        return squared_norms(weight, granularity).sqrt().to(torch.float32)
    total = (
        torch.from_numpy(sum_magnitudes(rows.numpy())) if rows.is_cpu else fold_sum(rows.abs().T)
    )
    if norm is Norm.MEAN_L1:
        # A tensor on the device: CUDA turns a plain number into a product with its reciprocal.
        total = total / torch.full_like(total, rows.shape[1])
    return total.reshape(shape)


def squared_norms(weight: Tensor, granularity: Granularity) -> Tensor:
    """Return every element's squared L2 norm, added in float64 in the canonical order.

    Args:
        weight: floating ``[out, in/groups, *kernel]``, read in float32.
        granularity: what an element is.

    Returns:
        float64 tensor of the elements' shape, on the weight's device.
    """
    rows, shape = _element_rows(weight, granularity)
    return fold_sum(rows.to(torch.float64).square().T).reshape(shape)


def summed_products(weight: Tensor, other: Tensor, granularity: Granularity) -> Tensor:
    """Multiply weight by weight and add up over every element, in the canonical order.

    Args:
        weight: floating ``[out, in/groups, *kernel]``, read in float32.
        other: the same shape and device, read in float32.
        granularity: what an element is.

    Returns:
        float32 tensor of the elements' shape.
    """
    rows, shape = _element_rows(weight, granularity)
    factors, _ = _element_rows(other, granularity)
    return fold_sum((rows * factors).T).reshape(shape)


def _element_rows(weight: Tensor, granularity: Granularity) -> tuple[Tensor, torch.Size]:
    """Return the elements' weights, float32 ``[elements, n]``, and the elements' shape."""
    depth = {Granularity.WEIGHT: weight.dim(), Granularity.CONNECTION: 2, Granularity.NEURON: 1}
    shape = weight.shape[: depth[granularity]]
    return weight.detach().to(torch.float32).reshape(shape.numel(), -1), shape


def fold_sum(values: Values) -> Values:
    """Add up each column in the canonical order; ``values`` is used as scratch space.

    Args:
        values: floating ``[n, elements]`` with n ≥ 1, a tensor or an array.

    Returns:
        ``[elements]``, same kind, dtype and device, a view of ``values``.
    """
    sums: Any = values
    n = len(values)
    while n > 1:
        half = (n + 1) // 2
        sums[: n - half] += sums[half:n]
        n = half
    return sums[0]


def sum_magnitudes(rows: Rows) -> Rows:
    """Add up the absolute values in each row, as `fold_sum` does but within a core's cache.

    Args:
        rows: float32 ``[elements, n]`` with n ≥ 1.

    Returns:
        float32 array ``[elements]``.
    """
    elements, n = rows.shape
    sums = np.empty(elements, np.float32)
    # Short rows lie across, so that each addition runs over many elements at once.
    across = n <= _SHORT
    count = max(1, _IN_CACHE // n)
    room = np.empty((n, count) if across else (count, n), np.float32)
    for start in range(0, elements, count):
        block = rows[start : start + count]
        if across:
            values = np.abs(block.T, out=room[:, : len(block)])
        else:
            values = np.abs(block, out=room[: len(block)]).T
        sums[start : start + count] = fold_sum(values)
    return sums


def lamp_scores(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score each element by its square over the sum of its own and all greater squares.

    The order is ascending, ties by position; the sum is added up from the greatest
    down, one after the other, so that every machine gives the same bits. Scores ascend
    in that order, and the last one is 1, whatever the layer's scale.

    Args:
        squares: float64 ``[n]``, the elements of one layer: each one's squared weight
            or, for elements of several weights, its squared L2 norm. None is negative.

    Returns:
        float64 ``[n]`` in [0, 1]; zeros for a layer that is all zeros.

    Source: Lee, Park, Mo and Shin, "Layer-adaptive Sparsity for the Magnitude-based
    Pruning", ICLR 2021, for single weights.
    """
    order = np.argsort(squares, kind="stable")
    ascending = squares[order]
    left = np.cumsum(ascending[::-1])[::-1]
    scores = np.empty_like(squares)
    with np.errstate(invalid="ignore"):  # what is beyond float64 is told where it is ranked
        scores[order] = np.divide(ascending, left, out=np.zeros_like(left), where=left != 0)
    return scores
