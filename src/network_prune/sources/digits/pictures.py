"""Handwritten digits, and how the embedded networks see them.

``digits.npz`` holds 1797 pictures of 8 × 8 pixels, from 0 to 16, in the order in which scikit-learn
has them: the test set of E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI
Machine Learning Repository, 1998, doi 10.24432/C50P49, under CC BY 4.0.
"""

from pathlib import Path
from typing import Final

import numpy as np

from network_prune.sources.preprocessing import Preprocessing

CLASSES = 10
HELD_OUT = 500
PREPROCESSING = Preprocessing(
    resize=32, crop=32, interpolation="bilinear", mean=(0.305,), std=(0.376,)
)
_FILE: Final = Path(__file__).with_name("digits.npz")


def read_digits(*, held_out: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels, uint8 [n, 8, 8], and labels, int64 [n], of one part of the digits.

    The last 500 of the 1797 digits are held out, the first 1297 are for training: a cut
    in their order, which no random generator can change.
    """
    with np.load(_FILE) as digits:
        levels, labels = digits["pixels"], digits["labels"]
    part = slice(-HELD_OUT, None) if held_out else slice(None, -HELD_OUT)
    pixels = np.rint(levels[part] * (255 / 16)).astype(np.uint8)
    return pixels, labels[part].astype(np.int64)
