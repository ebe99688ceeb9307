"""Attacks of another library, on the same images and surrogates as our own."""

import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from inspect import signature
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from network_prune.errors import ArgumentError, check_choice
from network_prune.extras import require
from network_prune.transfer.attack.parts import bounds
from network_prune.transfer.attack.settings import Attack

PREFIX: Final = "torchattack:"
# What stays within a bound in L∞ by so many steps, with any network that gives logits for
# pictures of any size.
NAMES: Final = (
    "Admix",
    "BSR",
    "DIFGSM",
    "DeCoWA",
    "GRA",
    "IFGSM",
    "MIFGSM",
    "MIG",
    "NIFGSM",
    "PGD",
    "SINIFGSM",
    "TIFGSM",
    "VMIFGSM",
    "VNIFGSM",
)
# Their kernels are made for three channels.
COLOUR_ALONE: Final = ("TIFGSM",)

PeerAttack = Callable[[Tensor, Tensor, int], Tensor]


def torchattack_attack(
    name: str, model: nn.Module, attack: Attack, *, steps: int, classes: int
) -> PeerAttack:
    """Return torchattack's attack ``name`` on a network.

    Goal, bound, step and momentum are those of ``attack``; all else, such as loss and input
    diversity, is the library's own. It computes the network at least once a step, some attacks
    many times: whoever counts passes counts the calls.

    Args:
        name: the attack as torchattack calls it, e.g. ``MIFGSM``.
        model: gives logits ``[n, classes]`` for pixels ``[n, C, S, S]`` in [0, 1].
        attack: the settings.
        steps: number of iterations, 1 or more.
        classes: number of the network's outputs.

    Returns:
        A callable that takes float32 images ``[n, C, S, S]`` in [0, 1], int64 classes ``[n]``
        (targets, or true ones of an untargeted attack) and a seed, and returns images of the
        same shape, in [0, 1] and within the bound. An image that the library makes no numbers
        of stays as it is. Neither random generators nor gradients of parameters are changed.

    Raises:
        SourceError: torchattack isn't installed.
        ArgumentError: it has no such attack, or one that needs more than such a network; when
            called, the images are grey and the attack takes colour alone.
    """
    kind = _find(name)
    taken = signature(kind).parameters
    settings = {
        "eps": attack.epsilon,
        "alpha": attack.step,
        "steps": steps,
        "decay": attack.momentum,
        "targeted": attack.is_targeted,
        "num_classes": classes,
    }
    settings = {key: value for key, value in settings.items() if key in taken}

    def run(images: Tensor, labels: Tensor, seed: int = 0) -> Tensor:
        if images.shape[1] != 3 and name in COLOUR_ALONE:
            raise ArgumentError(
                f"{PREFIX}{name} takes images of three channels, not {images.shape[1]}; pass "
                f"another, such as {PREFIX}MIFGSM"
            )
        low, high = bounds(images, attack.epsilon)
        with _seeded(seed, images.device), _frozen(model), torch.enable_grad():
            made: Tensor = kind(model, device=images.device, **settings)(images, labels).detach()
        finite = torch.isfinite(made).all(dim=(1, 2, 3), keepdim=True)
        return torch.where(finite, made, images).clamp_(low, high)

    return run


def _find(name: str) -> Callable[..., Any]:
    require("torchattack", extra="torchattack", what=f"--attack {PREFIX}{name}")
    attacks: Any = import_module("torchattack.attack")
    known: dict[str, Callable[..., Any]] = attacks.ATTACK_REGISTRY
    check_choice("attack of torchattack", name, known)
    if name not in NAMES:
        raise ArgumentError(
            f"{PREFIX}{name} needs more than the logits of a network and a bound in L∞, such as "
            f"inner layers or pictures of one size; pass one of {', '.join(NAMES)}"
        )
    return known[name]


@contextmanager
def _seeded(seed: int, device: torch.device) -> Generator[None]:
    """Seed all generators that torchattack asks, and put them back."""
    plain, numbers = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed % 2**32)
            yield
    finally:
        random.setstate(plain)
        np.random.set_state(numbers)


@contextmanager
def _frozen(model: nn.Module) -> Generator[None]:
    """Keep gradients from the parameters, which torchattack's backward would fill."""
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in learning:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
