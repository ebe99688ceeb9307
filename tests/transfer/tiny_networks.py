"""Networks of a few weights for 8 by 8 grey pictures of ten classes, and some that are refused."""

import torch
from torch import nn


def build(seed: int, *, classes: int = 10, side: int = 8, channels: int = 1) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(channels, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 8, 3, stride=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, classes),
        )
    network.preprocessing = {
        "resize": side,
        "crop": side,
        "mean": [0.3] * channels,
        "std": [0.4] * channels,
    }
    return network


def first() -> nn.Module:
    return build(1)


def second() -> nn.Module:
    return build(2)


def third() -> nn.Module:
    return build(3)


def larger() -> nn.Module:
    return build(4, side=16)


def of_seven() -> nn.Module:
    return build(5, classes=7)


def of_one() -> nn.Module:
    return build(5, classes=1)


def coloured() -> nn.Module:
    return build(6, channels=3)


class Blind(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = build(7)
        self.preprocessing = self.network.preprocessing

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images.detach())


def blind() -> nn.Module:
    return Blind()


class Undefined(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = build(8)
        self.preprocessing = self.network.preprocessing

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images) / (images.mean(dim=(1, 2, 3)) > 0)[:, None]


def undefined() -> nn.Module:
    return Undefined()
