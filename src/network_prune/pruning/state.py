"""Whether a network is pruned at present: masks leave traces, what a `Redrawer` writes doesn't."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

from torch import Tensor, nn
from torch.nn.utils import prune
from torch.utils.weak import WeakIdKeyDictionary

from network_prune.core.usual_settings import check_no_transform
from network_prune.errors import StateError
from network_prune.pruning.ranking.rankable import RANKABLE, TENSORS, find_places
from network_prune.pruning.recalibration.statistics import are_exchanged
from network_prune.pruning.unfinished import Turn, settle_unfinished

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")
_PRUNING = object()


@dataclass(frozen=True, slots=True)
class _Hold:
    why: str
    stands: Callable[[], bool]


_held: WeakIdKeyDictionary = WeakIdKeyDictionary()


def one_at_a_time(call: Callable[_Params, _Result]) -> Callable[_Params, _Result]:
    """Let one thread after the other look whether a network is pruned, and then prune it."""

    @wraps(call)
    def alone(*args: _Params.args, **kwargs: _Params.kwargs) -> _Result:
        with Turn(_PRUNING):
            return call(*args, **kwargs)

    return alone


def check_not_pruned(model: nn.Module) -> None:
    """Raise a StateError that names the first pruned layer, or inside a torch.func transform.

    A layer that is recalibrated counts as pruned. What interrupted calls left is put back first.
    """
    check_no_transform()
    settle_unfinished()
    for path, module in model.named_modules():
        if any(isinstance(h, prune.BasePruningMethod) for h in module._forward_pre_hooks.values()):
            raise StateError(
                f"layer {path!r} is pruned already; call "
                "network_prune.restore(model), make_permanent(model) or "
                "torch.nn.utils.prune.remove first (network_prune.Draw.from_model(model) has its "
                "masks)"
            )
        if are_exchanged(module):
            raise StateError(
                f"layer {path!r} is recalibrated; call network_prune.restore(model) first, or "
                "make_permanent(model) to keep its statistics"
            )
        for parameter in module._parameters.values():
            if (why := _why_held(parameter)) is not None:
                raise StateError(f"layer {path!r} {why}")


def pruned_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights that are pruned at present, by masks or in place, by layer name."""
    return {
        name: getattr(place.module, place.tensor)
        for name, place in find_places(model, RANKABLE, TENSORS).items()
        if f"{place.tensor}_mask" in place.module._buffers
        or is_held(place.module._parameters.get(place.tensor))
    }


def hold(weights: Iterable[Tensor], why: str, stands: Callable[[], bool] = lambda: True) -> None:
    """Refuse ``weights`` until they are released.

    Args:
        weights: Parameters; they aren't kept alive.
        why: what is said of a layer that has one, after its name.
        stands: whether it is true still.
    """
    for weight in weights:
        _held[weight] = _Hold(why, stands)


def release(weights: Iterable[Tensor]) -> None:
    """Forget ``weights``."""
    for weight in weights:
        _held.pop(weight, None)


def is_held(weight: Tensor | None) -> bool:
    """Whether ``weight`` has zeros that aren't its own."""
    return _why_held(weight) is not None


def _why_held(weight: Tensor | None) -> str | None:
    held = None if weight is None else _held.get(weight)
    return held.why if held is not None and held.stands() else None
