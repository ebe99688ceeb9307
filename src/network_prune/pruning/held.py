"""Which weights a `Redrawer` has written to at present: masks leave traces, writing doesn't."""

from collections.abc import Iterable

from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

_held: WeakIdKeyDictionary = WeakIdKeyDictionary()


def hold(weights: Iterable[Tensor]) -> None:
    """Remember that ``weights`` are pruned in place."""
    for weight in weights:
        _held[weight] = True


def release(weights: Iterable[Tensor]) -> None:
    """Forget ``weights``."""
    for weight in weights:
        _held.pop(weight, None)


def is_held(weight: Tensor) -> bool:
    """Whether ``weight`` is pruned in place."""
    return weight in _held
