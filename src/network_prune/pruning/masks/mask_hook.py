"""A mask on one tensor of one module, as torch.nn.utils.prune keeps it.

The original Parameter moves from ``name`` to ``name_orig`` without losing its place,
the mask becomes the buffer ``name_mask`` (True = keep) and the masked tensor the plain
attribute ``name``.
"""

import weakref
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune


class MaskMethod(prune.BasePruningMethod):
    """Forward pre-hook that keeps a module's masked tensor up to date.

    Masked entries are +0.0 whatever stood there. While the original needs gradients
    the masked tensor is computed anew in every forward; for a frozen one only after
    the original or the mask has changed.

    Args:
        name: the tensor's name in the module, e.g. ``weight``.
    """

    PRUNING_TYPE = "unstructured"

    def __init__(self, name: str) -> None:
        self._tensor_name: str = name
        self._computed_from: tuple[Any, ...] | None = None
        # Whether a module further out has brought the tensor up to date in this very forward.
        self.is_fresh: bool = False
        self._hook_id: int = -1

    def __call__(self, module: nn.Module, inputs: object) -> None:
        """Bring the masked tensor up to date; a second call in one forward computes it anew."""
        self.refresh(module)
        if not torch.compiler.is_compiling():
            self.is_fresh = False

    def refresh(self, module: nn.Module) -> None:
        """Bring the masked tensor up to date."""
        if torch.compiler.is_compiling():
            setattr(module, self._tensor_name, self.apply_mask(module))
            return
        original, mask = self._tensors(module)
        state = (*_state(original), *_state(mask))
        if original.requires_grad:
            # Gradients may flow through a computed tensor once, so it serves one forward only.
            state = (*state, torch.is_grad_enabled())
            if not self.is_fresh or state != self._computed_from:
                self._set(module, self.apply_mask(module))
            self._computed_from = state
        elif state != self._computed_from:
            # Kept for later forwards, which may want gradients of their input.
            with torch.inference_mode(False):
                self._set(module, self.apply_mask(module))
            self._computed_from = None if original.is_inference() else state

    def compute_mask(  # pyright: ignore[reportIncompatibleMethodOverride]  (stub says None)
        self, t: Tensor, default_mask: Tensor
    ) -> Tensor:
        """Return the mask that is there: it was made by a draw, not from ``t``."""
        return default_mask

    def apply_mask(self, module: nn.Module) -> Tensor:
        """Return the original with +0.0 where the mask is False."""
        original, mask = self._tensors(module)
        return torch.where(mask, original, 0.0)

    def attach(self, module: nn.Module, mask: Tensor) -> None:
        """Put ``mask`` (bool, the tensor's shape) on the module, wholly or not at all."""
        name = self._tensor_name
        rename(module._parameters, name, f"{name}_orig")
        try:
            module.register_buffer(f"{name}_mask", mask)
            self.refresh(module)
            self._hook_id = module.register_forward_pre_hook(self).id
        except BaseException:
            uncover(module, name)
            raise

    def is_on(self, module: nn.Module) -> bool:
        """Whether the hook is in its place; torch.nn.utils.prune may remove it or stack on it."""
        return module._forward_pre_hooks.get(self._hook_id) is self

    def redraw(self, module: nn.Module, mask: Tensor) -> None:
        """Exchange the mask; the old mask tensor stays as it was for graphs that hold it."""
        module._buffers[f"{self._tensor_name}_mask"] = mask
        self._computed_from = None
        self.refresh(module)

    def remove(self, module: nn.Module) -> None:
        """Bake the zeros in; called by ``torch.nn.utils.prune.remove``, which drops the hook."""
        original, _ = self._tensors(module)
        original.data = self.apply_mask(module).detach()
        torch.clear_autocast_cache()
        uncover(module, self._tensor_name)

    def _tensors(self, module: nn.Module) -> tuple[Tensor, Tensor]:
        return (
            getattr(module, f"{self._tensor_name}_orig"),
            getattr(module, f"{self._tensor_name}_mask"),
        )

    def _set(self, module: nn.Module, masked: Tensor) -> None:
        if masked.grad_fn is not None:
            masked.__deepcopy__ = _LeafCopy(masked)
        setattr(module, self._tensor_name, masked)


class _LeafCopy:
    """Lets copy.deepcopy copy a tensor that carries a graph; the next forward recomputes it."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = weakref.ref(tensor)

    def __call__(self, memo: dict[int, Any]) -> Tensor:
        tensor = self._tensor()
        assert tensor is not None, "it is only reached through its tensor"
        return tensor.detach().clone()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()


def uncover(module: nn.Module, name: str) -> None:
    """Put the original Parameter back under its name and place; the hook is left alone."""
    module.__dict__.pop(name, None)
    module._buffers.pop(f"{name}_mask", None)
    rename(module._parameters, f"{name}_orig", name)


def rename(entries: dict[str, Any], old: str, new: str) -> None:
    """Rename a key without changing the order of the entries."""
    items = [(new if key == old else key, value) for key, value in entries.items()]
    entries.clear()
    entries.update(items)


def _state(tensor: Tensor) -> tuple[Any, ...]:
    version = 0 if tensor.is_inference() else tensor._version
    return (tensor.data_ptr(), version, tensor.dtype, tensor.device)
