import numpy as np
from PIL import Image


def photo(width: int = 61, height: int = 47, *, seed: int = 0, mode: str = "RGB") -> Image.Image:
    """A picture with edges, gradients and noise."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.RandomState(seed).randint(0, 60, (height, width, 3))
    base = np.stack([3 * x, 4 * y, 60 * ((x // 7 + y // 5) % 3)], axis=2)
    return Image.fromarray(np.clip(base + noise, 0, 255).astype(np.uint8)).convert(mode)
