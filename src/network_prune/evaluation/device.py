"""Choose the device that a command runs on."""

import torch

from network_prune.errors import ArgumentError


def choose_device(name: str) -> torch.device:
    """Return the device called ``name``; ``auto`` takes cuda, then mps, then cpu.

    Raises:
        ArgumentError: there is no such device, or not here.
    """
    if name == "auto":
        accelerators = [("cuda", torch.cuda.is_available()), ("mps", torch.mps.is_available())]
        name = next((kind for kind, is_there in accelerators if is_there), "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ArgumentError(f"device={name!r} isn't available here; pass auto or cpu") from None
    return device
