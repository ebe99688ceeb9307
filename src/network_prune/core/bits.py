"""Packed bits: words, octets, and a flag for each bit."""

import numpy as np
from numpy.typing import NDArray

from network_prune.core.streams import Words

Octets = NDArray[np.uint8]


def octets_of(words: Words) -> Octets:
    """Return the words' octets, that of the lowest positions first, without copying."""
    return words.astype("<u8", copy=False).view(np.uint8)


def flags_of(octets: Octets, count: int) -> NDArray[np.bool_]:
    """Unpack the first ``count`` bits."""
    return np.unpackbits(octets, count=count, bitorder="little").view(np.bool_)
