"""Keep masked tensors right for modules that read them without calling their layer.

nn.MultiheadAttention reads the weight of its ``out_proj`` that way, and so do attentions
that pass ``self.qkv.weight`` to a function. The layer's own hook never fires there.
"""

from typing import Any

import torch
from torch import nn

from network_prune.pruning.masks.mask_hook import MaskMethod


class Refresher:
    """Hooks on a module that bring all masked tensors inside up to date before its forward.

    Args:
        masked: each masked module inside, with its hook.
        outermost: whether no module further out has a refresher for them.
    """

    def __init__(self, masked: list[tuple[nn.Module, MaskMethod]], *, outermost: bool) -> None:
        self._masked = masked
        self._outermost = outermost

    def attach(self, module: nn.Module) -> None:
        """Put the hooks on ``module``."""
        module.register_forward_pre_hook(self.before)
        module.register_forward_hook(self.after, always_call=True)

    def before(self, module: nn.Module, inputs: object) -> None:
        """Compute anew what no module further out has just computed."""
        compiling = torch.compiler.is_compiling()
        for holder, method in self._masked:
            # Ctrl-C may have left the flag standing, which the outermost one doesn't trust.
            if (method.is_fresh and not self._outermost) or not method.is_on(holder):
                continue
            method.refresh(holder)
            if not compiling:
                method.is_fresh = True

    def after(self, module: nn.Module, inputs: object, output: object) -> None:
        """Let the next forward compute what this one read without calling its layer."""
        if not torch.compiler.is_compiling():
            for _, method in self._masked:
                method.is_fresh = False


def attach_refreshers(model: nn.Module, masked: list[tuple[nn.Module, MaskMethod]]) -> None:
    """Put a refresher on every module of ``model`` with others inside that are ``masked``."""
    for module in model.modules():
        inside = set(module.modules()) - {module}
        own = [(holder, method) for holder, method in masked if holder in inside]
        if own:
            Refresher(own, outermost=module is model).attach(module)


def detach_refreshers(model: nn.Module) -> None:
    """Take all refreshers off ``model`` and the modules inside."""
    for module in model.modules():
        for key in [key for key, hook in module._forward_pre_hooks.items() if _is_ours(hook)]:
            del module._forward_pre_hooks[key]
        for key in [key for key, hook in module._forward_hooks.items() if _is_ours(hook)]:
            del module._forward_hooks[key]
            module._forward_hooks_always_called.pop(key, None)


def _is_ours(hook: Any) -> bool:
    return isinstance(getattr(hook, "__self__", None), Refresher)
