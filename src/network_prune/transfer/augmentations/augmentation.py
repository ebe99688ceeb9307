"""What is done to a surrogate before each gradient, named on one line: ``dwp:p_bern=0.3``."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from network_prune.errors import ArgumentError, check_choice
from network_prune.option_checks import whole
from network_prune.options import OPTIONS
from network_prune.plain_numbers import plain_number

_CONVOLUTIONS: Final = {"layers": "conv2d", "tensors": "weight"}
_WEIGHTS: Final = {"method": "weights", "score": "l1", "scope": "global", "draws": 1}
# The settings of each augmentation, and what they are if nothing is said.
DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "none": {},
    "dwp": {"p_prune": 0.7, "p_bern": 0.5, **_WEIGHTS, **_CONVOLUTIONS},
    "rapa": {
        "p_bern": 0.05,
        "p_prune": 1.0,
        **_WEIGHTS,
        "draws": 5,
        "layers": "norm,linear",
        "tensors": "weight,bias",
    },
    "dropout": {"p_bern": 0.05, "draws": 1, **_CONVOLUTIONS},
    "scale": {"factor": 0.93, **_CONVOLUTIONS},
    "mup": {"p_prune": 0.15, **_CONVOLUTIONS},
}


def _factor(name: str, value: Any) -> float:
    number = plain_number(value)
    if number is None or not abs(number) <= sys.float_info.max:
        raise ArgumentError(f"{name}={value} is no number; pass what weights are multiplied by")
    return float(number)


_CHECKS: Final = {"draws": whole(1), "factor": _factor}


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What is done to a surrogate before each gradient.

    ``none`` leaves it alone; ``dwp`` prunes it afresh (arXiv 2208.08677); ``rapa`` prunes its
    norms' and linear layers' parameters, biases included, and averages several draws (arXiv
    2504.18594); ``dropout`` drops any weight and divides the others by 1 - p_bern; ``scale``
    multiplies all weights by one number; ``mup`` prunes the share of each layer that matters
    least for the images at hand (arXiv 2304.06908), which takes a pass of its own.

    Attributes:
        name: one of these.
        settings: the values of all that `DEFAULTS` has under the name.

    Raises:
        ArgumentError: when made with a name or value outside these.
    """

    name: str
    settings: Mapping[str, Any]

    def __post_init__(self) -> None:
        check_choice("augmentation", self.name, DEFAULTS)
        checked = {name: self._check(name, value) for name, value in self.settings.items()}
        object.__setattr__(self, "settings", {**DEFAULTS[self.name], **checked})

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``NAME`` or ``NAME:SETTING=VALUE,…``; a value with commas has + in their place.

        Raises:
            ArgumentError: the text names no augmentation, or a value isn't allowed.
        """
        name, _, said = text.partition(":")
        settings: dict[str, Any] = {}
        for part in filter(None, said.split(",")):
            setting, is_said, value = part.partition("=")
            if not is_said or setting in settings:
                raise ArgumentError(
                    f"augmentation {text!r}: {part!r} is no SETTING=VALUE of its own; pass e.g. "
                    "dwp:p_prune=0.5,p_bern=0.3"
                )
            settings[setting] = _plain(value.replace("+", ","))
        return cls(name, settings)

    def __str__(self) -> str:
        """The shortest text that `parse` reads as this augmentation."""
        return augmentation_text(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return name and settings as plain data, for JSON."""
        return {"name": self.name, **self.settings}

    @property
    def draws(self) -> int:
        """Draws an iteration, over which its gradient is the mean."""
        return self.settings.get("draws", 1)

    def passes(self, copies: int = 1) -> int:
        """Return what an iteration takes of each network, in forward-backward passes of an image.

        Args:
            copies: of the image, as scale invariance has them; mup looks at the first alone.
        """
        return self.draws * copies + (self.name == "mup")

    @property
    def is_random(self) -> bool:
        """Whether another seed gives something else."""
        return 0 < self.settings.get("p_bern", 0) < 1

    def _check(self, name: str, value: Any) -> Any:
        check_choice(f"setting of {self.name}", name, DEFAULTS[self.name])
        check = _CHECKS.get(name) or OPTIONS[name].check
        return check(name, value)


def augmentation_text(whole: Mapping[str, Any]) -> str:
    """Return the shortest text of an augmentation as plain data, be it another version's."""
    own = {"name": whole["name"], **DEFAULTS.get(whole["name"], {})}
    said = {name: value for name, value in whole.items() if value != own.get(name)}
    parts = [f"{name}={value}".replace(",", "+") for name, value in said.items()]
    return ":".join(filter(None, [whole["name"], ",".join(parts)]))


def _plain(text: str) -> Any:
    """Return the number that a text stands for, the text itself if it is none."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
