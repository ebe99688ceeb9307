"""Keep masked tensors right for modules that read them without calling their layer.

nn.MultiheadAttention reads the weight of its ``out_proj`` that way, and so do attentions
that pass ``self.qkv.weight`` to a function. The layer's own hook never fires there.
"""

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from network_prune.pruning.hooks import drop_hooks
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
        self._handles: list[RemovableHandle] = []

    def attach(self, module: nn.Module) -> None:
        """Put the hooks on ``module``; they go with the last of the masks."""
        for _, method in self._masked:
            method.when_removed.append(self.forget)
        self._handles.append(module.register_forward_pre_hook(self.before))
        self._handles.append(module.register_forward_hook(self.after, always_call=True))

    def forget(self, gone: MaskMethod) -> None:
        """Leave a mask alone that was removed."""
        self._masked = [(holder, method) for holder, method in self._masked if method is not gone]
        if not self._masked:
            for handle in self._handles:
                handle.remove()

    def is_idle(self) -> bool:
        """Whether no mask is left."""
        return not any(method.is_on(holder) for holder, method in self._masked)

    def before(self, module: nn.Module, inputs: object) -> None:
        """Compute anew what no module further out has just computed."""
        compiling = torch.compiler.is_compiling()
        for holder, method in self._masked:
            # Ctrl-C may have left the flag standing, which the outermost one doesn't trust.
            if method.is_fresh and not self._outermost:
                continue
            method.refresh(holder, module)
            if not compiling:
                method.is_fresh = True

    def after(self, module: nn.Module, inputs: object, output: object) -> None:
        """Let the next forward compute what this one read without calling its layer."""
        if not torch.compiler.is_compiling():
            for holder, method in self._masked:
                method.is_fresh = False
                method.put_back(holder, module)


def attach_refreshers(model: nn.Module, masked: list[tuple[nn.Module, MaskMethod]]) -> None:
    """Put a refresher on ``model`` and every module with others inside that are ``masked``."""
    for module in model.modules():
        inside = set(module.modules()) - ({module} if module is not model else set())
        own = [(holder, method) for holder, method in masked if holder in inside]
        if own:
            Refresher(own, outermost=module is model).attach(module)


def drop_refreshers(model: nn.Module) -> None:
    """Take refreshers off ``model`` and its modules that have no mask left; harmless twice."""
    for module in model.modules():
        hooks = (*module._forward_pre_hooks.values(), *module._forward_hooks.values())
        owners = [getattr(hook, "__self__", None) for hook in hooks]
        for owner in owners:
            if isinstance(owner, Refresher) and owner.is_idle():
                drop_hooks(module, owner)
