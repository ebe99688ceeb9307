"""A weight's memory as integers of its elements' size, for work on its bits."""

from typing import Final

import torch
from torch import Tensor

INTEGERS: Final = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def as_integers(weight: Tensor) -> Tensor:
    """Return the same memory as integers.

    Args:
        weight: strided, of elements of 2, 4 or 8 bytes, of any device.
    """
    return weight.detach().view(INTEGERS[weight.element_size()])
