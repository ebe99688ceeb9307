"""A mask on one tensor of one module, as torch.nn.utils.prune keeps it.

The original Parameter moves from ``name`` to ``name_orig`` without losing its place,
the mask becomes the buffer ``name_mask`` and the masked tensor the plain attribute ``name``.

A mask has the original's dtype, 1 = keep and 0 = pruned, as torch's own masks have. As bool it
would take a quarter of the memory (float32) and save 6 % of a masked tensor's computation, but
torch.optim.swa_utils.AveragedModel with ``use_buffers`` and means of state dicts can't subtract
or divide bool, nor, in part, integers; besides, ``~mask`` of integers would keep everything.
"""

import weakref
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.utils.hooks import RemovableHandle

from network_prune.errors import UnsupportedNetworkError
from network_prune.pruning.hooks import drop_hooks
from network_prune.pruning.masks.changes import Seen, State, sample_of, state_of


class _ScriptingError(UnsupportedNetworkError, AttributeError):
    """Says that there is no ``__name__``, to whoever only asks, too."""


class MaskMethod(prune.PruningContainer):
    """Forward pre-hook that keeps a module's masked tensor up to date.

    Masked entries are +0.0 whatever stood there; whatever isn't 0 in a mask is kept as it is,
    so averages of masks keep what any of them keeps. While the original needs gradients
    the masked tensor is computed anew in every forward; for a frozen one on a CPU only
    after the original or the mask has changed, as far as `changes` tells.

    It is a container, in which torch.nn.utils.prune puts what it stacks on the mask.

    Args:
        name: the tensor's name in the module, e.g. ``weight``.

    Attributes:
        is_fresh: whether a module further out has brought the tensor up to date in this
            very forward.
        within: the module whose forward is computed inside a torch.func transform, while the
            tensor is one that ends with the transform.
        when_removed: called with this hook when its mask is gone.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._tensor_name: str = name
        self._computed_from: Seen | None = None
        self._shown: Tensor | None = None
        self._sample: Tensor | None = None
        self._handle: RemovableHandle | None = None
        self.is_fresh: bool = False
        self.within: nn.Module | None = None
        self.when_removed: list[Callable[[MaskMethod], None]] = []

    @property
    def __name__(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        # torch.jit.script asks every hook for its name; nothing else needs it.
        raise _ScriptingError(
            "torch.jit.script can't compile a network under masks; call "
            "network_prune.make_permanent(model) or restore(model) first, or use torch.jit.trace"
        )

    def __call__(self, module: nn.Module, inputs: object) -> None:
        """Bring the masked tensor up to date; a second call in one forward computes it anew."""
        self.refresh(module, module)
        if not torch.compiler.is_compiling():
            self.is_fresh = False

    def after_alone(self, module: nn.Module, inputs: object, output: object) -> None:
        """End a forward that was of this module alone."""
        if not torch.compiler.is_compiling():
            self.put_back(module, module)

    def __getstate__(self) -> dict[str, Any]:
        # A copy has tensors of its own, which nothing was computed from.
        seen = dict.fromkeys(("_computed_from", "_shown", "_sample", "within"))
        return {**self.__dict__, **seen}

    def refresh(self, module: nn.Module, called: nn.Module | None = None) -> None:
        """Bring the masked tensor up to date, in the forward of ``called`` if there is one."""
        if torch.compiler.is_compiling():
            setattr(module, self._tensor_name, self.apply_mask(module))
            return
        original, mask = self._tensors(module)
        state = state_of(original, mask)
        if not self._is_right(module, original, state):
            # A frozen one is kept for later forwards, which may want gradients of their input.
            with nullcontext() if original.requires_grad else torch.inference_mode(False):
                masked = self.apply_mask(module)
            if state is not None:
                self._shown, self.within = masked, None
            elif self.within is None:
                self._shown, self.within = module.__dict__.get(self._tensor_name), called
            setattr(module, self._tensor_name, masked)
            self._computed_from = None if state is None else Seen(state, original, mask)
            self._sample = sample_of(original) if self._is_kept(original, state) else None

    def renew(self, module: nn.Module) -> None:
        """Compute the masked tensor anew whatever it was computed from."""
        self._computed_from = None
        self.refresh(module)

    def put_back(self, module: nn.Module, called: nn.Module) -> None:
        """Show what was shown before the forward of ``called`` if it was inside a transform."""
        if self.within is called:
            setattr(module, self._tensor_name, self._shown)
            self.within = None

    def apply_mask(self, module: nn.Module) -> Tensor:
        """Return the original with +0.0 where the mask is 0; copy.deepcopy can copy it."""
        original, mask = self._tensors(module)
        masked = torch.where(mask.bool(), original, 0.0)
        if not torch.compiler.is_compiling() and masked.grad_fn is not None:
            masked.__deepcopy__ = _LeafCopy(masked)
        return masked

    def attach(self, module: nn.Module, mask: Tensor) -> None:
        """Put ``mask`` (of the tensor's shape) on the module; `take_off` undoes any part of it."""
        name = self._tensor_name
        _rename(module, name, f"{name}_orig")
        module.register_buffer(f"{name}_mask", mask)
        self.refresh(module)
        module.register_forward_pre_hook(self)
        self._handle = module.register_forward_hook(self.after_alone, always_call=True)

    def is_on(self, module: nn.Module) -> bool:
        """Whether the hook is in its place; torch.nn.utils.prune may have removed it."""
        return any(hook is self for hook in module._forward_pre_hooks.values())

    def remove(self, module: nn.Module) -> None:
        """Bake the zeros in; called by ``torch.nn.utils.prune.remove``, which drops the hook."""
        original, _ = self._tensors(module)
        with torch.inference_mode(original.is_inference()):
            original.data = self.apply_mask(module).detach()
        torch.clear_autocast_cache()
        self.uncover(module)

    def take_off(self, module: nn.Module) -> None:
        """Put the original back as it is, and drop the hook; harmless twice."""
        self.uncover(module)
        drop_hooks(module, self)

    def uncover(self, module: nn.Module) -> None:
        """Put the original Parameter back under its name and place; the hook is left alone."""
        name = self._tensor_name
        module.__dict__.pop(name, None)
        module._buffers.pop(f"{name}_mask", None)
        _rename(module, f"{name}_orig", name)
        if self._handle is not None:
            self._handle.remove()
        for tell in self.when_removed:
            tell(self)

    def _is_right(self, module: nn.Module, original: Tensor, state: State | None) -> bool:
        if self._computed_from is None or not self._computed_from.is_still(state):
            return False
        if module.__dict__.get(self._tensor_name) is not self._shown:
            return False  # of a copy that shares its hooks, as copy.copy makes them
        # Gradients may flow through a computed tensor once, so it serves one forward only.
        return self.is_fresh or (
            self._sample is not None and torch.equal(self._sample, sample_of(original))
        )

    def _is_kept(self, original: Tensor, state: State | None) -> bool:
        """Whether what is computed serves later forwards: on a CPU, where a look is cheap."""
        frozen = not original.requires_grad and not original.is_inference()
        return frozen and original.is_cpu and state is not None

    def _tensors(self, module: nn.Module) -> tuple[Tensor, Tensor]:
        return (
            _own(module, f"{self._tensor_name}_orig"),
            _own(module, f"{self._tensor_name}_mask"),
        )


def _own(module: nn.Module, name: str) -> Tensor:
    """Return a tensor of the module; while torch.fx traces, the tensor and not its symbol."""
    found = module._parameters.get(name)
    found = module._buffers.get(name) if found is None else found
    return getattr(module, name) if found is None else found


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


def _rename(module: nn.Module, old: str, new: str) -> None:
    """Rename a Parameter, if it is there, in its place: all at once, so that none is ever lost."""
    entries = module._parameters
    if old in entries:
        items = ((new if key == old else key, value) for key, value in entries.items())
        vars(module)["_parameters"] = type(entries)(items)
