"""A network and its images, loaded and on the device, for a study of that one network."""

from dataclasses import dataclass
from typing import Any

import torch

from network_prune.cli import output
from network_prune.core.scores import parse_score
from network_prune.sources.data.load import LoadedData
from network_prune.sources.inputs import Inputs
from network_prune.sources.networks.load import LoadedNetwork
from network_prune.study.identity import describe_inputs, describe_versions


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a study needs, and how it is told.

    Attributes:
        network: on the device.
        data: the images.
        device: where the network is.
        inputs: the options.
    """

    network: LoadedNetwork
    data: LoadedData
    device: torch.device
    inputs: Inputs

    def head(self, pruning: str) -> str:
        """Return the lines above the results."""
        return output.head_lines(
            {
                **output.inputs_head(self.network, self.data),
                "pruning": pruning,
                "device": str(self.device),
            }
        )

    def record(self, pruning: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        """Return everything as plain data, for JSON."""
        return {
            **describe_inputs(self.network, self.data),
            "pruning": pruning,
            "running": {**self.inputs.reading, "device": str(self.device)},
            **results,
            "versions": describe_versions(),
        }


def load(inputs: Inputs, arch: str, *, data: str, score: str) -> Loaded:
    """Check the options, load the network called ``arch`` and the images called ``data``.

    Raises:
        NetworkPruneError: an option is wrong, or one of both can't be loaded or doesn't fit.
    """
    parse_score(score)
    device = inputs.choose_device()
    inputs.check(data)
    network = inputs.load_network(arch)
    images = inputs.load_data(data, network)
    network.model.to(device)
    return Loaded(network, images, device, inputs)
