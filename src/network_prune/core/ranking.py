"""Which elements have the lowest scores: exactly k, ties by position."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]


def lowest(scores: Sequence[Scores], k: int) -> list[Flags]:
    """Mark the k lowest scores over all arrays together.

    Among equal scores those at an earlier position come first, where positions run
    through the arrays in turn.

    Args:
        scores: one-dimensional arrays without NaN.
        k: how many to mark, from 0 to the number of scores.

    Returns:
        For each array a bool array of its length, k entries of them True in all.
    """
    sizes = [len(part) for part in scores]
    flags = _lowest_of_one(np.concatenate(scores), k)
    return np.split(flags, np.cumsum(sizes)[:-1])


def _lowest_of_one(scores: Scores, k: int) -> Flags:
    if k == 0:
        return np.zeros(len(scores), np.bool_)
    threshold = np.partition(scores, k - 1)[k - 1]
    flags = scores < threshold
    ties = np.flatnonzero(scores == threshold)
    flags[ties[: k - np.count_nonzero(flags)]] = True
    return flags
