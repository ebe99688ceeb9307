"""Choose the device that a command runs on."""

import logging
import os

import torch

from network_prune.errors import ArgumentError, one_line
from network_prune.plain_text import counted

_LOG = logging.getLogger(__name__)


def choose_device(name: str) -> torch.device:
    """Return the device called ``name``; ``auto`` takes cuda, then mps, then cpu.

    Of several GPUs a process that torchrun started takes the one of its ``LOCAL_RANK``, unless
    ``name`` says which.

    Raises:
        ArgumentError: there is no such device, or not here.
    """
    name = _fastest() if name == "auto" else name
    local = os.environ.get("LOCAL_RANK", "")
    if name == "cuda" and local.isdecimal() and torch.cuda.device_count() > 1:
        name = f"cuda:{local}"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ArgumentError(
            f"device={name!r} isn't available here ({one_line(error)}); pass auto or cpu"
        ) from None
    _LOG.info("device: %s", describe_device(device))
    return device


def describe_device(device: torch.device) -> str:
    """Return a device's name and threads, or what it is called by who made it."""
    if device.type == "cpu":
        return f"cpu ({counted(torch.get_num_threads(), 'thread')})"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return f"{device} ({name})" if name else str(device)


def _fastest() -> str:
    accelerators = [("cuda", torch.cuda.is_available()), ("mps", torch.mps.is_available())]
    return next((kind for kind, is_there in accelerators if is_there), "cpu")


def device_type(name: str) -> str:
    """Return the type of the device called ``name``, e.g. ``cuda``, which needn't be here.

    Raises:
        ArgumentError: there is no such device.
    """
    try:
        return choose_device(name).type if name == "auto" else torch.device(name).type
    except RuntimeError:
        raise ArgumentError(f"device={name!r} is no device; pass auto or cpu") from None
