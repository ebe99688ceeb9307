"""What decides a figure, as plain data for JSON."""

import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
import torchvision

from network_prune.evaluation.variant import PruneSettings
from network_prune.sources.data.load import LoadedData
from network_prune.sources.networks.load import LoadedNetwork
from network_prune.version import __version__


def describe_network(network: LoadedNetwork) -> dict[str, Any]:
    """Return what identifies a network, as plain data."""
    return {
        "name": network.name,
        "weights": network.weights,
        "weights_sha256": network.weights_sha256,
        "classes": network.classes,
    }


def describe_inputs(network: LoadedNetwork, data: LoadedData) -> dict[str, Any]:
    """Return what identifies a network, its preprocessing and the images, as plain data."""
    return {
        "network": describe_network(network),
        "preprocessing": network.preprocessing.to_dict(),
        "data": {"name": data.name, "n": data.n, "identity": data.identity},
    }


def describe_settings(settings: PruneSettings) -> dict[str, Any]:
    """Return the pruning options as plain data."""
    return {**asdict(settings), "layers": settings.layer_names}


def describe_versions() -> dict[str, str]:
    """Return the versions of the libraries that decide the figures."""
    return {
        "network_prune": __version__,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "timm": version("timm"),  # importing it takes more than a second
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
