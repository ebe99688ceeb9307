"""Copy a network so that nothing done to the copy reaches the original."""

import contextlib
import copy
import gc
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import nn

from network_prune.errors import StateError, UnsupportedNetworkError, one_line
from network_prune.pruning.forward import switch_to_eval
from network_prune.pruning.masks.prune import make_permanent
from network_prune.pruning.ranking.rankable import weights_at
from network_prune.pruning.state import pruned_weights


def independent_copy(
    model: nn.Module,
    *,
    aim: str = "to make it faster",
    remedy: str = "leave out dtype and compile (--dtype, --compile)",
) -> nn.Module:
    """Return a copy in eval mode, with our masks baked in, that shares nothing that matters.

    Args:
        model: the network.
        aim: what the copy is for, as a refusal says it.
        remedy: what to do instead.

    Raises:
        UnsupportedNetworkError: the network can't be copied, functions or tensors in its
            copy lead back to it, or it carries hooks, which may watch or change anything.
        StateError: weights that are pruned are others in eval mode.
    """

    def refused(reason: str) -> UnsupportedNetworkError:
        return UnsupportedNetworkError(f"the network can't be copied {aim}: {reason}; {remedy}")

    if isinstance(model, torch.jit.ScriptModule):
        raise refused("it is compiled by TorchScript")
    if _has_overlaps(model):
        raise refused("some of its Parameters share memory")
    try:
        twin = copy.deepcopy(model)
    except Exception as error:
        raise refused(one_line(error)) from None
    if _leads_back(twin, model):
        raise refused("its functions would use the original")
    layers = list(pruned_weights(model))
    switch_to_eval(twin, lambda: dict(weights_at(twin, layers)))
    with contextlib.suppress(StateError):  # raised without masks; what isn't baked in is a hook
        make_permanent(twin)
    if any(has_hooks(module) for module in twin.modules()):
        raise refused("it carries hooks")
    return twin


def has_hooks(module: nn.Module) -> bool:
    """Whether a module carries hooks."""
    return bool(
        module._forward_pre_hooks
        or module._forward_hooks
        or module._backward_pre_hooks
        or module._backward_hooks
    )


def _has_overlaps(model: nn.Module) -> bool:
    """Whether different Parameters lie in one piece of memory, which a copy would part."""
    parameters = [p for p in model.parameters() if p.layout == torch.strided]
    try:
        places = [(p.device, p.untyped_storage().data_ptr()) for p in parameters if p.numel()]
    except (RuntimeError, ValueError):
        return True  # there is no memory to look at yet
    return len(set(places)) < len(places)


def _leads_back(twin: nn.Module, model: nn.Module) -> bool:
    """Whether anything that the copy refers to is a module or tensor of the original.

    copy.deepcopy copies no functions, so what a closure holds stays what it was.
    """
    originals = {id(x) for x in (*model.modules(), *model.parameters(), *model.buffers())}
    found: list[Any] = [twin]
    seen: set[int] = set()
    while found:
        value = found.pop()
        if id(value) in originals:
            return True
        if id(value) in seen or isinstance(value, type | ModuleType | str | int):
            continue
        seen.add(id(value))
        if isinstance(value, FunctionType):
            found += [value.__closure__, value.__defaults__, value.__kwdefaults__]
        else:
            found += gc.get_referents(value)
    return False
