"""Train one of the embedded networks on the digits and write its weights.

Run ``python scripts/train_digits.py --network digits-plain`` from the repository root; it takes
a minute or two on a CPU. The seed fixes every figure on one machine and library version.
"""

import argparse
import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from network_prune.sources.digits import names
from network_prune.sources.digits.embedded import NETWORKS
from network_prune.sources.digits.pictures import PREPROCESSING, read_digits

SEED = 0
BATCH = 64


@dataclass(frozen=True, slots=True)
class Course:
    """How long and how fast a network learns.

    Attributes:
        epochs: how often it sees every picture.
        rate: the learning rate at its highest.
    """

    epochs: int
    rate: float


COURSES = {
    names.RESIDUAL: Course(40, 4e-3),
    names.PLAIN: Course(40, 2e-3),
    names.ATTENTION: Course(60, 2e-3),
    names.MIXER: Course(30, 4e-3),
}


def load_part(*, held_out: bool) -> tuple[Tensor, Tensor]:
    """Return preprocessed digits, float32 [n, 1, 32, 32], and labels, int64 [n]."""
    pixels, labels = read_digits(held_out=held_out)
    transform = PREPROCESSING.transform()
    images = [transform(Image.fromarray(picture)) for picture in pixels]
    return torch.stack(images), torch.from_numpy(labels)


def vary(images: Tensor) -> Tensor:
    """Turn, scale, shear and shift each of ``images`` [n, 1, H, W] a little, at random."""

    def between(low: float, high: float) -> Tensor:
        return torch.empty(len(images)).uniform_(low, high)

    angle, scale, shear = between(-0.26, 0.26), between(0.85, 1.15), between(-0.18, 0.18)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    rows = [cos, shear * cos - sin, between(-0.2, 0.2), sin, shear * sin + cos, between(-0.2, 0.2)]
    matrices = torch.stack(rows, dim=1).view(-1, 2, 3)
    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
    # What comes in from outside the picture is zero, so black must be zero meanwhile.
    black = -PREPROCESSING.mean[0] / PREPROCESSING.std[0]
    return F.grid_sample(images - black, grid, align_corners=False) + black


def train(name: str, images: Tensor, labels: Tensor, course: Course) -> nn.Module:
    """Return the network ``name`` trained on ``images`` [n, 1, 32, 32]; seeds torch globally."""
    torch.manual_seed(SEED)
    network = NETWORKS[name].build().train()
    steps = math.ceil(len(labels) / BATCH) * course.epochs
    optimizer = torch.optim.AdamW(network.parameters(), lr=course.rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, course.rate, total_steps=steps)
    for _ in range(course.epochs):
        for chosen in torch.randperm(len(labels)).split(BATCH):
            outputs = network(vary(images[chosen]))
            loss = F.cross_entropy(outputs, labels[chosen], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


@torch.no_grad()
def accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of ``images`` put into their class, in percent."""
    return 100 * (network(images).argmax(1) == labels).double().mean().item()


def main() -> None:
    """Train, print the accuracy on both parts, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=NETWORKS, default=names.RESIDUAL)
    parser.add_argument("--out", type=Path, help="file to write, by default the package's own")
    parser.add_argument("--epochs", type=int, help="instead of the network's own number")
    options = parser.parse_args()
    name, course = options.network, COURSES[options.network]
    course = replace(course, epochs=options.epochs or course.epochs)
    out = options.out or NETWORKS[name].weights
    # Sums over several threads come out in another order, and so do the weights.
    torch.set_num_threads(1)
    images, labels = load_part(held_out=False)
    network = train(name, images, labels, course)
    print(f"training part: {accuracy(network, images, labels):.2f} % of {len(labels)}")
    images, labels = load_part(held_out=True)
    print(f"held-out part: {accuracy(network, images, labels):.2f} % of {len(labels)}")
    save_file(network.state_dict(), out)
    print(f"wrote {out}, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
