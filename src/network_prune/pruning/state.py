"""Which weights a `Redrawer` has written to at present: masks leave traces, writing doesn't."""

import weakref
from collections.abc import Iterable

from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

# The values are weak references to what can put the weights back.
_held: WeakIdKeyDictionary = WeakIdKeyDictionary()


def hold(owner: object, weights: Iterable[Tensor]) -> None:
    """Remember that ``weights`` are pruned in place as long as ``owner`` can put them back."""
    for weight in weights:
        _held[weight] = weakref.ref(owner)


def release(weights: Iterable[Tensor]) -> None:
    """Forget ``weights``."""
    for weight in weights:
        _held.pop(weight, None)


def is_held(weight: Tensor) -> bool:
    """Whether ``weight`` is pruned in place and can be put back."""
    owner = _held.get(weight)
    return owner is not None and owner() is not None
