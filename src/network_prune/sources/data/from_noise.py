"""Made-up pictures, for trying things out and for measuring speed."""

from functools import partial

import numpy as np
from PIL import Image

from network_prune.errors import SourceError
from network_prune.sources.data.listing import Lister, Listing, Request
from network_prune.sources.data.pictures import Transform
from network_prune.sources.digests import Picture, of_pixels
from network_prune.sources.outputs import Outputs
from network_prune.sources.preprocessing import PixelTransform

_CLASSES = 1000
_SIDE = 224


def list_fake(request: Request) -> Lister:
    """List N made-up pictures for ``fake:N``, of the size that the network takes.

    Picture i has the label i modulo the number of classes.

    Raises:
        SourceError: N isn't a whole number above 0.
    """
    spec = request.spec
    text = spec.removeprefix("fake:")
    if not text.isdecimal() or int(text) == 0 or len(text) > 12:
        raise SourceError(f"{spec!r} says no number of pictures; pass e.g. fake:64")

    def list_for(outputs: Outputs, transform: Transform | None) -> Listing:
        side = transform.preprocessing.crop if isinstance(transform, PixelTransform) else _SIDE
        return Listing(
            labels=np.arange(int(text), dtype=np.int64) % (outputs.count or _CLASSES),
            first_label=None,
            where=lambda position: f"{spec} picture {position}",
            source=partial(_make_noise, side),
            content=f"noise {side}".encode(),
            decoded=True,
        )

    return list_for


def _make_noise(side: int, position: int) -> Picture:
    """Return a picture of random RGB pixels, ``side`` wide and high, fixed by its position."""
    # RandomState's stream is frozen for good, unlike that of numpy's newer generators.
    noise = np.random.RandomState(position).bytes(3 * side**2)
    return of_pixels(Image.frombytes("RGB", (side, side), noise))
