"""A Compose of torchvision's transforms is read as it computes, or refused."""

import numpy as np
import pytest
import torch
import torchvision.transforms as T
from PIL import Image
from torchvision.transforms import v2

from network_prune.errors import SourceError
from network_prune.sources.networks.composes import read_compose
from network_prune.sources.preprocessing import Preprocessing

NORMALISE = T.Normalize((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
SCALE = v2.ToDtype(torch.float32, scale=True)
BOX = T.InterpolationMode.BOX


@pytest.mark.parametrize(
    "steps",
    [
        [T.Resize(40), T.CenterCrop(32), T.ToTensor(), NORMALISE],
        [T.Resize((32, 32)), T.ToTensor(), NORMALISE],
        [T.Resize((40, 40)), T.CenterCrop(32), T.ToTensor(), NORMALISE],
        [T.Resize(40, BOX), T.ToTensor(), T.CenterCrop([32]), NORMALISE],
        [T.Resize(40), T.CenterCrop(32), T.PILToTensor(), T.ConvertImageDtype(torch.float32)],
        [v2.Resize([40]), v2.CenterCrop(32), v2.ToImage(), SCALE, NORMALISE],
        [v2.Resize([40]), v2.CenterCrop(32), T.ToTensor(), v2.ToDtype(torch.float32), NORMALISE],
    ],
    ids=str,
)
def test_it_gives_what_the_compose_gives(steps):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    image = Image.fromarray(pixels)
    made = Preprocessing(**{"mean": (0, 0, 0), "std": (1, 1, 1)} | read_compose(steps, "x"))
    torch.testing.assert_close(made.transform()(image), T.Compose(steps)(image))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([T.CenterCrop(32), T.Resize(32)], r"with Resize\(.*which comes after CenterCrop"),
        ([T.Resize(40), T.Resize(32)], r"with Resize\(size=32.*its second Resize; only one works"),
        ([T.CenterCrop(40), T.CenterCrop(32)], r"size=\(32, 32\)\), its second CenterCrop"),
        ([T.ToTensor(), NORMALISE, NORMALISE], r"with Normalize\(.*its second Normalize"),
        ([T.PILToTensor(), NORMALISE], r"with Normalize\(.*before pixels are in \[0, 1\]"),
        ([v2.ToImage(), v2.ToDtype(torch.float32), NORMALISE], r"ToDtype\(.*pass it scale=True"),
        ([v2.ToImage(), v2.ToDtype(torch.uint8, scale=True), NORMALISE], r"with Normalize\("),
        ([T.Resize(32), T.PILToTensor()], r"leaves pixels in 0\.\.255; add ToTensor"),
        ([T.Resize(32, max_size=40)], r"with Resize\(.*whose max_size isn't supported"),
        ([v2.Resize(None, max_size=40)], r"with Resize\(.*whose max_size isn't supported"),
        ([T.Resize((32, 40))], r"with Resize\(.*which isn't supported; supported are Resize"),
        ([T.CenterCrop((32, 40))], r"with CenterCrop\(.*which isn't supported"),
        ([T.RandomCrop(32)], r"with RandomCrop\(.*which isn't supported"),
    ],
    ids=str,
)
def test_a_step_that_it_cannot_take_is_named(steps, message):
    with pytest.raises(SourceError, match=f"^x says a preprocessing .*{message}") as refusal:
        read_compose(steps, "x")
    assert "\n" not in str(refusal.value)
