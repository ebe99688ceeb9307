"""Tell whether a tensor has changed, at the cost of a glance.

Writes that autograd knows of raise a tensor's version. Those through ``.data`` or ``.numpy()``
don't, and new memory may lie where the old one lay; they are told by a sample of the values.
"""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

State = tuple[Any, ...]

# Values a tensor: 12 µs with cold caches, where every output and input channel would take 37.
_SAMPLE = 64


def state_of(*tensors: Tensor) -> State | None:
    """Return where the tensors lie and how often they were written, and whether grads are on.

    None where that can't be said: inside torch.func transforms values have no memory.
    """
    try:
        places = [(t.detach().data_ptr(), _version(t), t.dtype, t.device) for t in tensors]
    except RuntimeError:
        return None
    return (*places, tensors[0].requires_grad, torch.is_grad_enabled() and tensors[0].requires_grad)


def sample_of(tensor: Tensor) -> Tensor:
    """Return 64 values from all over a tensor on a CPU, all values of a smaller one."""
    return tensor.detach().take(_places(tensor.numel()))


@lru_cache(maxsize=256)
def _places(count: int) -> Tensor:
    """Return the numbers of the values that are looked at."""
    values = min(count, _SAMPLE)
    return torch.arange(values, device="cpu") * (count - 1) // max(values - 1, 1)


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version
