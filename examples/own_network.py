r"""A network and images of your own: rank, prune, evaluate with intervals, restore.

Here a small network learns to tell noisy shapes apart, in seconds and without a download; put your
module in the place of ``Net``, with its weights, and your dataset in the place of ``Shapes``::

    python examples/own_network.py

On the command line a network is ``file.py:callable``, and data may be a folder that has a folder of
pictures for each class. With a folder's name the script leaves weights and pictures there::

    python examples/own_network.py shapes
    network-prune eval --arch examples/own_network.py:Net --weights shapes/net.safetensors \
        --data shapes/pictures --p-prune 0.6 --p-bern 0.5 --seed 7
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

import network_prune

SIDE = 32  # pixels
SIDES = (3, 4, 40)  # of the shapes; the last one is a disc to the eye


class Net(nn.Module):
    """Input [n, 1, 32, 32], output [n, 3].

    The command line reads from its attributes how pictures become inputs, and which output is
    which folder.
    """

    class_names = ("triangle", "square", "disc")

    def __init__(self) -> None:
        super().__init__()
        self.preprocessing = {"resize": SIDE, "crop": SIDE, "mean": (0.5,), "std": (0.25,)}
        self.body = nn.Sequential(layer(1, 16), layer(16, 32), layer(32, 64))
        self.head = nn.Linear(64, len(self.class_names))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of pictures."""
        return self.head(self.body(x).amax((2, 3)))


def layer(before: int, after: int) -> nn.Module:
    """Return a convolution that halves both sides, with its norm."""
    convolution = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU())


class Shapes(Dataset[tuple[Tensor, int]]):
    """Shapes somewhere in noise, tilted and of different sizes: images and class numbers."""

    def __init__(self, count: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.pictures = [draw(SIDES[place % len(SIDES)], random) for place in range(count)]

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        pixels = torch.from_numpy(np.array(self.pictures[place])) / 255
        return (pixels[None] - 0.5) / 0.25, place % len(SIDES)


def draw(sides: int, random: np.random.Generator) -> Image.Image:
    """Return a grey picture of a shape."""
    picture = Image.new("L", (SIDE, SIDE), 90)
    circle, turn = (*random.uniform(11, 21, 2), random.uniform(7, 11)), random.uniform(-15, 15)
    ImageDraw.Draw(picture).regular_polygon(circle, sides, turn, fill=165)
    noisy = np.asarray(picture) + random.normal(0, 25, (SIDE, SIDE))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def trained(images: Shapes, epochs: int = 6) -> Net:
    """Return a network that has learned from images."""
    torch.manual_seed(0)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.7)
    for _ in range(epochs):
        for x, y in DataLoader(images, batch_size=64, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        schedule.step()
    return model.eval()


def pruned_and_back(model: nn.Module, images: Dataset[tuple[Tensor, int]]) -> None:
    """Print what a network does with images: as it is, pruned at random, and restored."""
    show("dense", network_prune.evaluate(model, images))
    prunable = network_prune.rank(model, "connection", p_prune=0.6)
    with network_prune.prune(model, prunable, p_bern=0.5, seed=7) as pruned:
        show("draw 0", network_prune.evaluate(model, images))
        pruned.redraw()
        show("draw 1", network_prune.evaluate(model, images))
        print(pruned.summary())
    show("restored", network_prune.evaluate(model, images))


def show(name: str, found: network_prune.Metrics) -> None:
    """Print figures in a line."""
    low, high = found.acc1_interval
    print(f"{name:9} {found}  95% of Acc@1 [{low:.3f}, {high:.3f}]")


def leave(folder: Path, model: nn.Module, images: Shapes) -> None:
    """Write weights and pictures as the command line takes them."""
    for place, picture in enumerate(images.pictures):
        file = folder / "pictures" / Net.class_names[images[place][1]] / f"{place:04d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.save(file)
    save_file(model.state_dict(), folder / "net.safetensors")


if __name__ == "__main__":
    network, held_out = trained(Shapes(2000, seed=1)), Shapes(400, seed=2)
    pruned_and_back(network, held_out)
    for name in sys.argv[1:2]:
        leave(Path(name), network, held_out)
