"""``network-prune --version``: versions at once, and the device once PyTorch is imported."""

import platform

from network_prune.cli.output import say_on
from network_prune.errors import NetworkPruneError, failure_text
from network_prune.version import __version__


def say_version() -> None:
    """Print versions and the device that commands take by default, on one line."""
    say_on(f"network-prune {__version__}, Python {platform.python_version()}, {_torch()}")
    say_on(f", {_device()}\n")


def _torch() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"torch {version('torch')}"
    except PackageNotFoundError:
        return "no torch"


def _device() -> str:
    """Return the device that ``--device auto`` takes, or why there is none."""
    try:
        from network_prune.evaluation.device import choose_device, describe_device

        return describe_device(choose_device("auto"))
    except (ImportError, OSError, NetworkPruneError) as error:
        return f"no device: {failure_text(error)}"
