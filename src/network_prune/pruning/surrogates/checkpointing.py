"""Refuse activation checkpointing, which computes a forward again in the backward.

The masks of the first time are gone by then, so gradients would silently be wrong.
"""

import sys
from contextlib import nullcontext
from types import FrameType

import torch
import torch.utils.checkpoint
from torch import nn

from network_prune.errors import StateError
from network_prune.pruning.hooks import drop_hooks
from network_prune.pruning.unfinished import Change

_CHECKPOINT = torch.utils.checkpoint.__file__


def check_no_checkpoint_around() -> None:
    """Raise a StateError if the caller runs inside torch.utils.checkpoint."""
    _look_outward(sys._getframe(1), None)


def checkpoints_refused(model: nn.Module) -> Change | nullcontext[None]:
    """Refuse a checkpoint around any module of ``model`` as long as the context lasts.

    Its modules have a forward pre-hook meanwhile. Without gradients nothing is ever
    computed again, so nothing is refused.

    Raises:
        StateError: in the forward of a module inside a checkpoint.
    """
    if not torch.is_grad_enabled():
        return nullcontext()
    outside, modules = sys._getframe(1), list(model.modules())

    def look(module: nn.Module, inputs: object) -> None:
        _look_outward(sys._getframe(1), outside)

    def put() -> None:
        for module in modules:
            module.register_forward_pre_hook(look)

    def drop() -> None:
        for module in modules:
            drop_hooks(module, look)

    return Change(put, drop)


def _look_outward(frame: FrameType | None, end: FrameType | None) -> None:
    while frame is not None and frame is not end:
        if frame.f_code.co_filename == _CHECKPOINT:
            raise StateError(
                "activation checkpointing would compute a forward again under another mask; turn "
                "it off in the network (e.g. set_grad_checkpointing(False) in timm, "
                "gradient_checkpointing_disable() in transformers)"
            )
        frame = frame.f_back
