"""Tell whether a tensor has changed, at the cost of a glance.

Writes that autograd knows of raise a tensor's version. Those through ``.data`` or ``.numpy()``
don't; they are told by a sample of the values. Another tensor is another one even where it lies
at the address of one that is gone, at the same version.
"""

import weakref
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

State = tuple[Any, ...]

# Values a tensor: 12 µs with cold caches, where every output and input channel would take 37.
_SAMPLE = 64


def state_of(*tensors: Tensor) -> State | None:
    """Return which tensors these are, how often they were written, and whether grads are on.

    None where that can't be said: inside torch.func transforms values have no memory.
    """
    try:
        places = [
            (id(t), t.detach().data_ptr(), _storage(t), _version(t), t.dtype) for t in tensors
        ]
    except RuntimeError:
        return None
    return (*places, tensors[0].requires_grad, torch.is_grad_enabled() and tensors[0].requires_grad)


class Seen:
    """What `state_of` said of tensors; no other tensor or memory is taken for theirs.

    It keeps neither alive, and can't be copied.
    """

    def __init__(self, state: State, *tensors: Tensor) -> None:
        self._state = state
        self._tensors = [weakref.ref(t) for t in tensors]
        # As long as these are here, a new storage isn't called what an old one was.
        self._storages = [StorageWeakRef(t.untyped_storage()) for t in tensors]

    def is_still(self, state: State | None) -> bool:
        """Whether ``state`` is that of the same tensors, with nothing written meanwhile."""
        return state == self._state and all(tensor() is not None for tensor in self._tensors)


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


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
