"""Made-up pictures, for trying things out and for measuring speed."""

import numpy as np
from PIL import Image

from network_prune.errors import SourceError
from network_prune.sources.data.listing import Listing, Request
from network_prune.sources.preprocessing import PixelTransform

_CLASSES = 1000
_SIDE = 224


class NoiseImages:
    """Pictures of random RGB pixels, each fixed by its position alone.

    Args:
        side: width and height in pixels.
    """

    def __init__(self, side: int) -> None:
        self.side = side

    def read(self, position: int) -> Image.Image:
        """Return one picture."""
        # RandomState's stream is frozen for good, unlike that of numpy's newer generators.
        noise = np.random.RandomState(position).bytes(3 * self.side**2)
        return Image.frombytes("RGB", (self.side, self.side), noise)


def list_fake(spec: str, request: Request) -> Listing:
    """List N made-up pictures for ``fake:N``, of the size that the network takes.

    Picture i has the label i modulo the number of classes.

    Raises:
        SourceError: N isn't a whole number above 0.
    """
    text = spec.removeprefix("fake:")
    if not text.isdecimal() or int(text) == 0 or len(text) > 12:
        raise SourceError(f"{spec!r} says no number of pictures; pass e.g. fake:64")
    transform = request.transform
    side = transform.preprocessing.crop if isinstance(transform, PixelTransform) else _SIDE
    labels = np.arange(int(text), dtype=np.int64) % (request.classes or _CLASSES)
    return Listing(
        labels=labels,
        first_label=None,
        where=lambda position: f"{spec} picture {position}",
        source=NoiseImages(side),
        content=f"noise {side}".encode(),
        decoded=True,
    )
