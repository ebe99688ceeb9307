"""scikit-learn's handwritten digits, and how the embedded networks see them."""

from typing import Any

import numpy as np

from network_prune.sources.preprocessing import Preprocessing

CLASSES = 10
HELD_OUT = 500
PREPROCESSING = Preprocessing(
    resize=32, crop=32, interpolation="bilinear", mean=(0.305,), std=(0.376,)
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
