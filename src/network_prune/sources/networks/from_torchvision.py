"""Networks that torchvision names, such as ``resnet18``.

torchvision takes seconds to import, and networks of other kinds don't need it.
"""

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from network_prune.errors import SourceError, unknown_name
from network_prune.extras import is_installed, require
from network_prune.sources.digits.names import NAMES as EMBEDDED
from network_prune.sources.downloads import fetch_url
from network_prune.sources.networks.architecture import Architecture, Published, unfit
from network_prune.sources.networks.weights.checkpoints import Checkpoint
from network_prune.sources.networks.weights.files import State
from network_prune.sources.networks.weights.fit import fit
from network_prune.sources.preprocessing import Preprocessing, from_torchvision
from network_prune.sources.published_files import weights_text

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

# Side heads serve training only: in eval mode they never run, so they must not be ranked.
_SIDE_HEADS = {"googlenet": ("aux1.", "aux2."), "inception_v3": ("AuxLogits.",)}


def open_torchvision(name: str) -> Architecture:
    """Return the ways to make torchvision's classifier ``name``.

    Raises:
        SourceError: torchvision isn't installed, or has no classifier of that name.
    """
    require("torchvision", what=f"the network {name}")
    import torchvision

    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        raise SourceError(_elsewhere(name) or unknown_name("network", name, [*EMBEDDED, *names]))

    def preprocessing(_: nn.Module) -> Preprocessing:
        return from_torchvision(_choose(name).transforms(), name=name)

    def published(weights: str | None = None) -> Published:
        return _with_weights(name, _choose(name, weights))

    def resized(outputs: int | None) -> Architecture:
        options: dict[str, Any] = {} if outputs is None else {"num_classes": outputs}
        blank = partial(_build, name, **options)
        adapt = partial(_adapt, name)
        return Architecture(blank, published, preprocessing, published, adapt, resized)

    return resized(None)


def _elsewhere(name: str) -> str:
    """Return an error text for a name that timm knows; empty if it doesn't."""
    if not is_installed("timm"):
        return ""
    import timm

    family = name.partition(".")[0]
    if not timm.is_model(family):
        return ""
    return f"unknown network {name!r}; torchvision has none of that name, but timm: timm:{name}"


def list_torchvision() -> dict[str, tuple[str, ...]]:
    """Return the names of torchvision's classifiers, each with its weights, the default first.

    There are none where torchvision isn't installed.
    """
    if not is_installed("torchvision"):
        return {}
    import torchvision

    found: dict[str, tuple[str, ...]] = {}
    for name in torchvision.models.list_models(module=torchvision.models):
        choices: Any = torchvision.models.get_model_weights(name)
        default = _choose(name)
        found[name] = tuple(w.name for w in sorted(choices, key=lambda w: w is not default))
    return found


def count_torchvision(name: str) -> int:
    """Return the number of parameters of torchvision's ``name`` with its default weights."""
    if name not in _SIDE_HEADS:
        return _choose(name).meta["num_params"]
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in _build(name, fresh=False).parameters())


def _build(name: str, *, fresh: bool = True, **options: Any) -> nn.Module:
    """Return the network with random weights, which needn't be good ones unless it is ``fresh``."""
    import torchvision

    if name in _SIDE_HEADS:
        # Their published weights expect pictures normalised otherwise, and the network itself
        # converts; a file holds these weights as a rule.
        options |= {"transform_input": True, "aux_logits": False, "init_weights": fresh}
    return torchvision.models.get_model(name, weights=None, **options)


def _choose(name: str, weights: str | None = None) -> "WeightsEnum":
    import torchvision

    choices: Any = torchvision.models.get_model_weights(name)
    if weights is None:
        return choices.__members__.get("IMAGENET1K_V1") or choices["DEFAULT"]
    # As torchvision writes its members, e.g. ResNet50_Weights.IMAGENET1K_V2.
    weights = weights.removeprefix(f"{choices.__name__}.")
    if weights not in choices.__members__:
        raise SourceError(unknown_name(f"weights for {name}", weights, choices.__members__))
    return choices[weights]


def _with_weights(name: str, weights: "WeightsEnum") -> Published:
    # torchvision would let the file run code, so it is read here.
    path = fetch_url(weights.url)
    text = weights_text(weights.name, path)
    checkpoint = Checkpoint(str(path))
    # What torchvision's own builders take from the weights, too.
    options = {"image_size": weights.meta["min_size"][0]} if name.startswith("vit_") else {}
    model = _build(name, fresh=False, **options)
    problems = fit(model, checkpoint, partial(_adapt, name)).problems
    if problems:
        raise unfit(path, name, "; ".join(problems))
    preprocessing = from_torchvision(weights.transforms(), name=f"{name} {weights.name}")
    return Published(model, text, preprocessing, tuple(weights.meta["categories"]))


def _adapt(name: str, state: State, _: nn.Module) -> State:
    dropped = _SIDE_HEADS.get(name, ())
    kept = {key: value for key, value in state.items() if not key.startswith(dropped)}
    if not name.startswith("densenet"):
        return kept
    # The published files still hold the names of torchvision's first densenets.
    return {
        re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", key): value
        for key, value in kept.items()
    }
