"""A network that retrains in moments, and images for it."""

import torch
from torch import nn

import network_prune as npr
import networks

IMAGES = torch.randn(18, 3, 8, 8, generator=torch.Generator().manual_seed(3))
LABELS = torch.arange(18) % 5
DATA = (IMAGES, LABELS)


def network(*, dropout=0.0):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv2d(6, 5, 3),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )


def retrain(model, data=DATA, **options):
    usual = {"p_prune": 0.5, "epochs": 2, "lr": 0.05, "batch_size": 4, "progress": False}
    if callable(options.get("optimizer")):
        usual.pop("lr")
    return npr.retrain(model, data, **{**usual, **options})


def weights(model):
    """Return the bits of all tensors of a network, masks off and zeros in."""
    return {name: networks.bits(value) for name, value in model.state_dict().items()}
