"""Networks that torchvision names, such as ``resnet18``."""

import re
from typing import Any

import torch
import torchvision
from torch import nn
from torchvision.models import WeightsEnum

from network_prune.errors import SourceError, unknown_name
from network_prune.sources.downloads import fetch_url
from network_prune.sources.networks.architecture import Architecture, Published, unfit
from network_prune.sources.networks.weights import State, read_weights
from network_prune.sources.preprocessing import Preprocessing, from_torchvision

# Side heads serve training only: in eval mode they never run, so they must not be ranked.
_SIDE_HEADS = {"googlenet": ("aux1.", "aux2."), "inception_v3": ("AuxLogits.",)}


def open_torchvision(name: str) -> Architecture:
    """Return the ways to make torchvision's classifier ``name``.

    Raises:
        SourceError: torchvision has no classifier of that name.
    """
    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        raise SourceError(unknown_name("network", name, ["digits", *names]))
    choices: Any = torchvision.models.get_model_weights(name)

    def published(weights: str | None) -> Published:
        return _with_weights(name, _choose(name, choices, weights))

    def preprocessing(_: nn.Module) -> Preprocessing:
        return from_torchvision(_choose(name, choices, None).transforms(), name=name)

    def adapt(state: State) -> State:
        return _adapt(name, state)

    return Architecture(lambda: _blank(name), published, preprocessing, adapt)


def list_torchvision() -> dict[str, tuple[str, ...]]:
    """Return the names of torchvision's classifiers, each with its weights, the default first."""
    found: dict[str, tuple[str, ...]] = {}
    for name in torchvision.models.list_models(module=torchvision.models):
        choices: Any = torchvision.models.get_model_weights(name)
        default = _choose(name, choices, None)
        found[name] = tuple(w.name for w in sorted(choices, key=lambda w: w is not default))
    return found


def count_torchvision(name: str) -> int:
    """Return the number of parameters of torchvision's ``name`` with its default weights."""
    if name not in _SIDE_HEADS:
        choices: Any = torchvision.models.get_model_weights(name)
        return _choose(name, choices, None).meta["num_params"]
    with torch.device("meta"):
        options = _options(name) | {"init_weights": False}
        model = torchvision.models.get_model(name, weights=None, **options)
    return sum(parameter.numel() for parameter in model.parameters())


def _options(name: str) -> dict[str, Any]:
    # Their published weights expect pictures normalised otherwise, and the network itself
    # converts; a file holds these weights as a rule.
    return {"transform_input": True, "aux_logits": False} if name in _SIDE_HEADS else {}


def _blank(name: str) -> nn.Module:
    options = _options(name) | ({"init_weights": True} if name in _SIDE_HEADS else {})
    return torchvision.models.get_model(name, weights=None, **options)


def _choose(name: str, choices: Any, weights: str | None) -> WeightsEnum:
    if weights is None:
        return choices.__members__.get("IMAGENET1K_V1") or choices["DEFAULT"]
    if weights not in choices.__members__:
        raise SourceError(unknown_name(f"weights for {name}", weights, choices.__members__))
    return choices[weights]


def _with_weights(name: str, weights: WeightsEnum) -> Published:
    # torchvision would download them itself, and let the file run code; so the file
    # is fetched and read safely once before torchvision finds it in its cache.
    path = fetch_url(weights.url)
    read_weights(path)
    try:
        model = torchvision.models.get_model(name, weights=weights, **_options(name))
    except RuntimeError as error:
        raise unfit(path, name, error) from error
    preprocessing = from_torchvision(weights.transforms(), name=f"{name} {weights.name}")
    return Published(model, weights.name, preprocessing)


def _adapt(name: str, state: State) -> State:
    dropped = _SIDE_HEADS.get(name, ())
    kept = {key: value for key, value in state.items() if not key.startswith(dropped)}
    if not name.startswith("densenet"):
        return kept
    # The published files still hold the names of torchvision's first densenets.
    return {
        re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", key): value
        for key, value in kept.items()
    }
