"""The LAMP score: an element's share of what is left of its layer when it comes to be pruned."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def lamp_scores(squares: Values) -> Values:
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
    Pruning", ICLR 2021, equation 3, for single weights.
    """
    order = np.argsort(squares, kind="stable")
    ascending = squares[order]
    left = np.cumsum(ascending[::-1])[::-1]
    scores = np.empty_like(squares)
    with np.errstate(invalid="ignore"):  # what is beyond float64 is told where it is ranked
        scores[order] = np.divide(ascending, left, out=np.zeros_like(left), where=left != 0)
    return scores
