"""Scores that learn from labelled images: by how much pruning an element changes the loss.

Unlike the other scores these depend on the rounding of the machine that takes the gradient.
To publish masks, publish the prunable set itself.
"""

from torch import Tensor

from network_prune.core.layers import Granularity
from network_prune.core.scores import DataScore, Norm, norm_scores, summed_products
from network_prune.pruning.ranking.find_layers import FoundLayer


def data_scores(
    item: FoundLayer, gradient: Tensor, granularity: Granularity, score: DataScore
) -> Tensor:
    """Score every element of a layer by the gradient of its weights.

    Args:
        item: the ranked layer.
        gradient: dL/dw of the layer's weight, of its shape, on the CPU.
        granularity: what an element is.
        score: ``taylor`` is |sum of w · dL/dw| over the element's weights, by which the
            loss L changes to first order when the element is pruned; ``gradient`` is
            the sum of |dL/dw|. Both are added in float32 in the canonical order.

    Returns:
        float32 CPU tensor of the elements' shape.

    Source: Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR
    2019, and "Pruning Convolutional Neural Networks for Resource Efficient Inference",
    ICLR 2017, for the Taylor expansion.
    """
    slopes = item.layer.canonical(gradient)
    if score is DataScore.GRADIENT:
        return norm_scores(slopes, granularity, Norm.L1)
    weight = item.layer.canonical(item.weight.detach().cpu())
    return summed_products(weight, slopes, granularity).abs()
