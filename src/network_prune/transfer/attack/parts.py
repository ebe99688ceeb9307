"""The parts of an attack's iteration: what is followed, and how its gradient is made steadier."""

import random

import torch
from torch import Tensor
from torch.nn import functional as F

from network_prune.transfer.attack.settings import Loss

# Standard deviations that the kernel reaches to on each side, as in its authors' code.
_REACH = 3.0


def aim(logits: Tensor, classes: Tensor, loss: Loss, *, targeted: bool) -> Tensor:
    """Return what an attack increases, the sum over images of what each one contributes.

    Args:
        logits: ``[n, classes]``.
        classes: int64 ``[n]``, the targets, or the true classes of an untargeted attack.
        loss: the cross-entropy to the class (log-probability of a target) or its logit.
            Source of the logit: Zhao et al., "On success and simplicity: a second look at
            transferable targeted attacks", NeurIPS 2021.
        targeted: whether to come nearer to the classes, or to go away from them.

    Returns:
        Scalar tensor.
    """
    if loss is Loss.LOGIT:
        nearness = logits.gather(1, classes[:, None]).sum()
    else:
        nearness = -F.cross_entropy(logits, classes, reduction="sum")
    return nearness if targeted else -nearness


def diversify(images: Tensor, probability: float, scale: float, chance: random.Random) -> Tensor:
    """Return the images shrunk into a larger black frame, with ``probability``; else as they are.

    The frame has ``int(scale · S)`` pixels a side. The images are resized to a side between S
    and the frame's, put somewhere in it, and all is resized to S again. Images of one batch go
    the same way.

    Args:
        images: ``[n, C, S, S]``.
        probability: in [0, 1].
        scale: 1 or more.
        chance: decides; it is asked the same number of times whatever it says.

    Source: Xie et al., "Improving transferability of adversarial examples with input
    diversity", CVPR 2019; there the network takes the frame as it is.
    """
    size = images.shape[-1]
    frame = int(size * scale)
    happens, side, top, left = (chance.random() for _ in range(4))
    if happens >= probability or frame == size:
        return images
    side = size + int(side * (frame - size))
    free = frame - side
    top, left = int(top * (free + 1)), int(left * (free + 1))
    inner = F.interpolate(images, (side, side), mode="bilinear", align_corners=False)
    framed = F.pad(inner, (left, free - left, top, free - top))
    return F.interpolate(framed, (size, size), mode="bilinear", align_corners=False)


def smooth(gradient: Tensor, side: int) -> Tensor:
    """Return a gradient ``[n, C, S, S]`` convolved with a Gaussian kernel of ``side`` pixels.

    Beyond the border the gradient counts as 0; a side of 0 or 1 changes nothing.

    Source: Dong et al., "Evading defenses to transferable adversarial examples by
    translation-invariant attacks", CVPR 2019.
    """
    if side <= 1:
        return gradient
    places = torch.linspace(-_REACH, _REACH, side, dtype=torch.float64)
    line = torch.exp(-places.square() / 2)
    kernel = torch.outer(line, line)
    kernel = (kernel / kernel.sum()).to(gradient)
    channels = gradient.shape[1]
    return F.conv2d(
        gradient, kernel.expand(channels, 1, side, side), padding=side // 2, groups=channels
    )


def normalised(gradient: Tensor) -> Tensor:
    """Return each image's gradient over its mean absolute value; one that is all zero stays."""
    size = gradient.abs().mean(dim=(1, 2, 3), keepdim=True)
    return gradient / torch.where(size > 0, size, 1.0)


def bounds(images: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return the lowest and highest pixels that an attack may give, inside [0, 1].

    Whatever lies between differs from ``images`` by at most ``epsilon`` when float32 numbers
    are subtracted in float32.

    Args:
        images: float32, in [0, 1].
        epsilon: the bound, in (0, 1].
    """
    most = torch.tensor(epsilon, dtype=torch.float32)
    if float(most) > epsilon:
        most = torch.nextafter(most, torch.tensor(0.0))
    most = most.to(images.device)
    low = (images - most).clamp_(min=0.0)
    high = (images + most).clamp_(max=1.0)
    # A sum is rounded, and so may lie one step of float32 too far.
    low = torch.where(images - low > most, torch.nextafter(low, images), low)
    high = torch.where(high - images > most, torch.nextafter(high, images), high)
    return low, high
