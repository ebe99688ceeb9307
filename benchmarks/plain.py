"""``python -m benchmarks.plain``: one pruned evaluation as scripts do it; the sweep's peer.

PIL and torchvision's transforms decode each image, torch.nn.utils.prune's hooks multiply by
the masks in each forward, and the network runs in eager mode.
"""

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path

import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import prune
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.peers import convolutions, seed_prune, seed_restore

TRANSFORM = transforms.Compose(
    [
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)


class Photographs(Dataset[tuple[Tensor, int]]):
    """The images of a manifest with columns ``image`` and ``label``."""

    def __init__(self, manifest: Path) -> None:
        with manifest.open(newline="", encoding="utf-8") as file:
            self._rows = [
                (manifest.parent / r["image"], int(r["label"])) for r in csv.DictReader(file)
            ]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, label = self._rows[index]
        with Image.open(path) as image:
            return TRANSFORM(image.convert("RGB")), label


def read_network(weights: Path) -> nn.Module:
    """Return a ResNet-18 with the weights of a safetensors file."""
    model = torchvision.models.resnet18(weights=None)
    model.load_state_dict(load_file(weights))
    return model.eval()


def mask(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Put masks, by the layers' names, on a network by torch.nn.utils.prune."""
    for name, each in masks.items():
        prune.CustomFromMask.apply(model.get_submodule(name), "weight", each)


def unmask(model: nn.Module, originals: Mapping[str, Tensor]) -> None:
    """Take the masks off and put the original weights back."""
    for name, original in originals.items():
        layer = model.get_submodule(name)
        prune.remove(layer, "weight")
        layer.weight = nn.Parameter(original)


@torch.no_grad()
def evaluate(model: nn.Module, manifest: Path, batch_size: int) -> tuple[Tensor, Tensor]:
    """Return logits and labels of all images, after summing up loss and hits as scripts do."""
    loss, hits1, hits5 = 0.0, 0, 0
    found: list[tuple[Tensor, Tensor]] = []
    for images, labels in DataLoader(Photographs(manifest), batch_size):
        logits = model(images)
        loss += F.cross_entropy(logits, labels, reduction="sum").item()
        best = logits.topk(5).indices == labels[:, None]
        hits1 += int(best[:, 0].sum())
        hits5 += int(best.sum())
        found.append((logits, labels))
    return torch.cat([logits for logits, _ in found]), torch.cat([labels for _, labels in found])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plain", description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--p-prune", type=float, default=0.2)
    parser.add_argument("--p-bern", type=float, default=1.0)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = read_network(arguments.weights)
    layers = convolutions(model)
    p_prune, p_bern = arguments.p_prune, arguments.p_bern
    originals = seed_prune(layers, "connection", p_prune=p_prune, p_bern=p_bern)
    logits, labels = evaluate(model, arguments.manifest, arguments.batch_size)
    seed_restore(layers, originals)
    print(f"Acc@1 {100 * (logits.argmax(1) == labels).float().mean():.3f}")


if __name__ == "__main__":
    main()
