"""PyTorch's modes of a thread, which an interruption at the end of a ``with`` would leave on."""

import torch


class ThreadModes:
    """Whether gradients are on, and how many dispatch and function modes, when this is made."""

    def __init__(self) -> None:
        self._grad = torch.is_grad_enabled()
        self._modes = _lengths()

    def put_back(self) -> None:
        """Switch gradients as they were, and drop modes that were entered since."""
        torch.set_grad_enabled(self._grad)
        dispatch, function = self._modes
        while torch._C._len_torch_dispatch_stack() > dispatch:
            torch._C._pop_torch_dispatch_stack(None)
        while torch._C._len_torch_function_stack() > function:
            torch._C._pop_torch_function_stack()


def _lengths() -> tuple[int, int]:
    return torch._C._len_torch_dispatch_stack(), torch._C._len_torch_function_stack()
