"""What we make is the same whatever PyTorch's global settings are."""

from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from network_prune.errors import StateError
from network_prune.process_wide import ProcessWide


@contextmanager
def usual_settings() -> Generator[None]:
    """Let PyTorch make tensors as it does when it starts.

    float32 on the CPU, which gradients may flow through, and in no lower precision, whatever the
    default dtype, default device, inference mode and autocast around are.

    Raises:
        StateError: what `check_no_transform` raises.
    """
    check_no_transform()
    # Even the usual device, if it is set, keeps attention from its fast path.
    is_elsewhere = torch.get_default_device().type != "cpu"
    with (
        _float32.needed(),
        torch.device("cpu") if is_elsewhere else nullcontext(),
        torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext(),
        _GradientsOn(),
        torch.autocast("cpu", enabled=False),
    ):
        yield


class _GradientsOn:
    """Lets gradients flow meanwhile.

    Where Ctrl-C cut the end short, the generator around this is closed when nobody refers to it any
    more. Gradients are as whoever is running by then has them, so they are left alone.
    """

    def __enter__(self) -> None:
        self._before = torch.is_grad_enabled()
        torch.set_grad_enabled(True)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not GeneratorExit:
            torch.set_grad_enabled(self._before)


_float32 = ProcessWide(torch.get_default_dtype, torch.set_default_dtype, lambda: torch.float32)


def check_no_transform() -> None:
    """Raise a StateError inside a torch.func transform, where tensors have no memory to look at."""
    functorch: Any = torch._C._functorch  # pyright: ignore[reportAttributeAccessIssue]
    if functorch.peek_interpreter_stack() is not None:
        raise StateError(
            "inside a torch.func transform (grad, vmap, jvp, …) networks can't be loaded, ranked, "
            "pruned or evaluated; do that before, and only run the network inside"
        )
