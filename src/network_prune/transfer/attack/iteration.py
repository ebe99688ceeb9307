"""Attack a batch of images, iteration by iteration."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from network_prune.core.foreign_code import no_exits
from network_prune.errors import UnsupportedNetworkError
from network_prune.transfer.attack.parts import aim, bounds, diversify, normalised, smooth
from network_prune.transfer.attack.settings import Attack

Compute = Callable[[Tensor], Tensor]


class Source(Protocol):
    """What gradients come from: a surrogate, under as many draws an iteration as it likes."""

    def draws(self, number: int, aim_of: Callable[[Compute], Tensor]) -> Iterator[Compute]:
        """Yield for each draw of an iteration what computes logits from pixels.

        Args:
            number: names the iteration's draws.
            aim_of: returns what the attack increases, computed by a network on the present
                images, for those that have to look at a gradient first.
        """
        ...


@dataclass(frozen=True, slots=True)
class Point:
    """Adversarial images after some iterations.

    Attributes:
        iteration: number of iterations.
        images: float32 ``[n, C, S, S]`` in [0, 1], within the bound.
    """

    iteration: int
    images: Tensor


def run_attack(
    source: Source,
    images: Tensor,
    classes: Tensor,
    attack: Attack,
    *,
    iterations: int,
    at: Sequence[int] = (),
    seed: int = 0,
    first: int = 0,
) -> Iterator[Point]:
    """Yield the adversarial images after some iterations, at last after all.

    What is random is named by ``seed`` and ``first``: no global random generator is read or
    changed, and a batch gives the same whatever ran before it. In an iteration in which an
    image's gradient isn't finite, the image gains nothing.

    Args:
        source: what gradients come from.
        images: float32 ``[n, C, S, S]`` in [0, 1], on the source's device.
        classes: int64 ``[n]``: the targets, or the true classes of an untargeted attack.
        attack: the settings.
        iterations: how many, 1 or more.
        at: iterations after which to yield as well.
        seed: integer in [0, 2**64).
        first: position of the batch's first image among all, below 2**31.

    Raises:
        UnsupportedNetworkError: the logits have no gradient to the images.
    """
    chance = random.Random(f"{seed} {first}")
    low, high = bounds(images, attack.epsilon)
    present, direction = images, torch.zeros_like(images)
    for iteration in range(iterations):
        gradient = _gradient(source, present, classes, attack, (first << 32) + iteration, chance)
        gradient = smooth(gradient, attack.translation)
        if attack.normalise:
            gradient = normalised(gradient)
        direction = direction.mul_(attack.momentum).add_(gradient)
        present = torch.add(present, direction.sign(), alpha=attack.step).clamp_(low, high)
        if iteration + 1 == iterations or iteration + 1 in at:
            yield Point(iteration + 1, present)


def _gradient(
    source: Source,
    images: Tensor,
    classes: Tensor,
    attack: Attack,
    number: int,
    chance: random.Random,
) -> Tensor:
    """Return the mean gradient of the iteration's draws and copies, 0 for what isn't finite."""
    images = images.detach().requires_grad_()

    def aim_of(compute: Compute, brightness: float = 1.0) -> Tensor:
        seen = diversify(images, attack.diversity, attack.diversity_scale, chance)
        logits = compute(seen * brightness if brightness != 1.0 else seen)
        return aim(logits, classes, attack.loss, targeted=attack.is_targeted)

    total, count = torch.zeros_like(images, requires_grad=False), 0
    with torch.enable_grad():
        for compute in source.draws(number, aim_of):
            for copy in range(attack.scales):
                value = aim_of(compute, 0.5**copy)
                total += _to_images(value, images)
                count += 1
    total /= count
    finite = torch.isfinite(total).all(dim=(1, 2, 3), keepdim=True)
    return torch.where(finite, total, 0.0)


def _to_images(value: Tensor, images: Tensor) -> Tensor:
    if not value.requires_grad:
        raise UnsupportedNetworkError(
            "the network's logits have no gradient to the images, so they can't be attacked; pass "
            "a network that computes them by differentiable operations, outside torch.no_grad"
        )
    with no_exits():
        (gradient,) = torch.autograd.grad(value, images, materialize_grads=True)
    return gradient
