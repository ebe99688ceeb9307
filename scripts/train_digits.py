"""Train the embedded digits network and write its weights.

Run ``python scripts/train_digits.py`` from the repository root; it takes about
a minute on a CPU. The seed fixes every figure on one machine and library version.
"""

import argparse
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from network_prune.sources import digits

SEED = 0
EPOCHS = 40
BATCH = 64
LEARNING_RATE = 4e-3


def load_part(*, held_out: bool) -> tuple[Tensor, Tensor]:
    """Return preprocessed digits, float32 [n, 1, 32, 32], and labels, int64 [n]."""
    pixels, labels = digits.read_digits(held_out=held_out)
    transform = digits.PREPROCESSING.transform()
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
    black = -digits.PREPROCESSING.mean[0] / digits.PREPROCESSING.std[0]
    return F.grid_sample(images - black, grid, align_corners=False) + black


def train(images: Tensor, labels: Tensor, *, epochs: int) -> nn.Module:
    """Return the digits network trained on ``images`` [n, 1, 32, 32]; seeds torch globally."""
    torch.manual_seed(SEED)
    network = digits.build_network().train()
    steps = math.ceil(len(labels) / BATCH) * epochs
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for _ in range(epochs):
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
    parser.add_argument("--out", type=Path, default=digits.WEIGHTS, help="file to write")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    # Sums over several threads come out in another order, and so do the weights.
    torch.set_num_threads(1)
    images, labels = load_part(held_out=False)
    network = train(images, labels, epochs=options.epochs)
    print(f"training part: {accuracy(network, images, labels):.2f} % of {len(labels)}")
    images, labels = load_part(held_out=True)
    print(f"held-out part: {accuracy(network, images, labels):.2f} % of {len(labels)}")
    save_file(network.state_dict(), options.out)
    print(f"wrote {options.out}, {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
