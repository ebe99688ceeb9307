"""The embedded default: a small trained network and scikit-learn's handwritten digits."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from network_prune.sources.preprocessing import Preprocessing

CLASSES = 10
HELD_OUT = 500
WEIGHTS = Path(__file__).with_name("digits.safetensors")
PREPROCESSING = Preprocessing(
    resize=32, crop=32, interpolation="bilinear", mean=(0.305,), std=(0.376,)
)


def build_network() -> nn.Module:
    """Return the digits network with fresh weights: input [n, 1, 32, 32], output [n, 10].

    A residual network of four stages; all but the first halve the picture
    and have 1x1 convolutions on their shortcuts.
    """
    from timm.models.resnet import BasicBlock, ResNet

    return ResNet(
        BasicBlock,  # pyright: ignore[reportArgumentType]
        layers=(1, 1, 1, 1),
        channels=(16, 32, 64, 96),
        stem_type="deep",
        stem_width=8,
        in_chans=1,
        num_classes=CLASSES,
    )


def read_digits(*, held_out: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels, uint8 [n, 8, 8], and labels, int64 [n], of one part of the digits.

    The last 500 of the 1797 digits are held out, the first 1297 are for
    training: a cut in scikit-learn's order, which no random generator can change.
    Source: scikit-learn, ``load_digits``.
    """
    # scikit-learn takes a second to import, and other data doesn't need it.
    from sklearn.datasets import load_digits

    digits: Any = load_digits()
    part = slice(-HELD_OUT, None) if held_out else slice(None, -HELD_OUT)
    pixels = np.rint(digits.images[part] * (255 / 16)).astype(np.uint8)
    return pixels, digits.target[part].astype(np.int64)
