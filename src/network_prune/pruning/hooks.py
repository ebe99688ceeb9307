"""Take hooks off a module by what they are, wherever an interruption left them."""

from torch import nn


def drop_hooks(module: nn.Module, owner: object) -> None:
    """Remove the forward hooks and pre-hooks that are ``owner`` or methods of it, if any."""
    for table in (module._forward_pre_hooks, module._forward_hooks):
        for key, hook in list(table.items()):
            if hook is owner or getattr(hook, "__self__", None) is owner:
                module._forward_hooks_always_called.pop(key, None)
                del table[key]
