"""The settings of an attack, checked, and the usual ones by name."""

import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from network_prune.errors import ArgumentError, check_choice, check_fraction
from network_prune.option_checks import whole
from network_prune.plain_numbers import plain_number

# Far above what anybody uses, and small enough for the memory of any machine.
_LARGEST_SCALE: Final = 4
_LARGEST_KERNEL: Final = 99


class Goal(StrEnum):
    """What an adversarial image is to be taken for: a class chosen before, or any wrong one."""

    TARGETED = "targeted"
    UNTARGETED = "untargeted"


class Loss(StrEnum):
    """What is followed: the cross-entropy, or the logit of the class itself."""

    CROSS_ENTROPY = "cross-entropy"
    LOGIT = "logit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """An iterative sign attack within an L∞ bound; every part but the step can be left out.

    Attributes:
        goal: what the images are to be taken for.
        epsilon: the bound, a share of the pixels' range, in (0, 1].
        step: what one iteration changes a pixel by, in (0, 1].
        loss: what is followed.
        momentum: what share of the sum of earlier gradients goes on, 0 for none.
            Source: Dong et al., "Boosting adversarial attacks with momentum", CVPR 2018.
        normalise: divide each image's gradient by its mean absolute value before it is added.
        diversity: probability that an iteration's images are shrunk into a larger frame, 0 for
            never. Source: Xie et al., "Improving transferability of adversarial examples with
            input diversity", CVPR 2019.
        diversity_scale: the frame's side as a multiple of the images', in [1, 4].
        translation: side of the kernel that gradients are smoothed by, odd, up to 99; 0 or 1 for
            none.
            Source: Dong et al., "Evading defenses to transferable adversarial examples by
            translation-invariant attacks", CVPR 2019.
        scales: copies of the images, each half as bright as the one before, over which an
            iteration's gradient is the mean. Source: Lin et al., "Nesterov accelerated gradient
            and scale invariance for adversarial attacks", ICLR 2020.

    Raises:
        ArgumentError: when made with a value outside these.
    """

    goal: Goal = Goal.TARGETED
    epsilon: float = 16 / 255
    step: float = 2 / 255
    loss: Loss = Loss.CROSS_ENTROPY
    momentum: float = 1.0
    normalise: bool = True
    diversity: float = 0.0
    diversity_scale: float = 1.1
    translation: int = 0
    scales: int = 1

    def __post_init__(self) -> None:
        check_choice("goal", self.goal, Goal)
        check_choice("loss", self.loss, Loss)
        object.__setattr__(self, "goal", Goal(self.goal))
        object.__setattr__(self, "loss", Loss(self.loss))
        for name in ("epsilon", "step"):
            object.__setattr__(self, name, read_share(name, getattr(self, name)))
        for name, check in _CHECKS.items():
            object.__setattr__(self, name, check(name, getattr(self, name)))

    @property
    def is_targeted(self) -> bool:
        """Whether the images are to be taken for classes chosen before."""
        return self.goal is Goal.TARGETED

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data, for JSON."""
        return {**asdict(self), "goal": self.goal.value, "loss": self.loss.value}


def read_share(name: str, value: Any) -> float:
    """Return a share of the pixels' range, a number in (0, 1] or text such as ``16/255``.

    Raises:
        ArgumentError: it is none.
    """
    number = plain_number(value)
    above, _, below = str(value if number is None else number).partition("/")
    try:
        share = float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        share = math.nan
    if not 0 < share <= 1:
        raise ArgumentError(
            f"{name}={value} is outside (0, 1]; pass a share of the pixels' range, e.g. 16/255"
        )
    return share


def check_momentum(name: str, value: Any) -> float:
    """Return ``value`` if it is a decay factor.

    Raises:
        ArgumentError: it is negative or no finite number.
    """
    number = plain_number(value)
    if number is None or not 0 <= number <= sys.float_info.max:
        raise ArgumentError(f"{name}={value} is no decay; pass 0 for none, 1 to forget nothing")
    return float(number)


def check_scale(name: str, value: Any) -> float:
    """Return ``value`` if it is a frame's scale.

    Raises:
        ArgumentError: it is outside [1, 4].
    """
    number = plain_number(value)
    if number is None or not 1 <= number <= _LARGEST_SCALE:
        raise ArgumentError(
            f"{name}={value} is outside [1, {_LARGEST_SCALE}]; pass the frame's scale, e.g. 1.1"
        )
    return float(number)


def check_kernel(name: str, value: Any) -> int:
    """Return ``value`` if it is a kernel's side.

    Raises:
        ArgumentError: it is even, negative or above 99.
    """
    side = plain_number(value)
    if not isinstance(side, int) or not (side == 0 or (0 < side <= _LARGEST_KERNEL and side % 2)):
        raise ArgumentError(
            f"{name}={value} is no kernel's side; pass an odd number up to {_LARGEST_KERNEL}, or 0 "
            "for none"
        )
    return side


_CHECKS: Final = {
    "diversity": check_fraction,
    "momentum": check_momentum,
    "diversity_scale": check_scale,
    "translation": check_kernel,
    "scales": whole(1),
}


# The settings that a preset says; those by goal are for attacks of that goal alone.
_Settings = Mapping[str, Any]
PRESETS: Final[Mapping[str, Mapping[str, _Settings]]] = {
    "transferattack": {
        Goal.TARGETED: {"steps": 300, "loss": Loss.LOGIT, "diversity": 0.7, "translation": 5},
        Goal.UNTARGETED: {"steps": 10},
    },
    "rapa": {
        Goal.TARGETED: {"passes": 5000, "loss": Loss.LOGIT, "diversity": 0.7, "translation": 5},
        Goal.UNTARGETED: {"passes": 50},
    },
    "digits": {
        Goal.TARGETED: {"passes": 40, "epsilon": 0.3, "step": 0.05, "loss": Loss.LOGIT},
        Goal.UNTARGETED: {"passes": 20, "epsilon": 0.15, "step": 0.05},
    },
}
