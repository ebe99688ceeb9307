"""The embedded mixer: depthwise convolutions over the places, 1x1 ones over the channels."""

from collections import OrderedDict

from torch import Tensor, nn

from network_prune.sources.digits.pictures import CLASSES, PREPROCESSING

PATCH = 4
WIDTH = 64
BLOCKS = 4


class Block(nn.Module):
    """Mixes places, channel by channel, and adds what it was given; then mixes channels."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH)
        self.act1 = nn.GELU()
        self.bn1 = nn.BatchNorm2d(WIDTH)
        self.channels = nn.Conv2d(WIDTH, WIDTH, 1)
        self.act2 = nn.GELU()
        self.bn2 = nn.BatchNorm2d(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the shape of ``x`` [n, width, H, W]."""
        x = x + self.bn1(self.act1(self.places(x)))
        return self.bn2(self.act2(self.channels(x)))


def build_network(classes: int = CLASSES) -> nn.Module:
    """Return the mixer with fresh weights: input [n, 1, 32, 32], output [n, classes].

    Source: arXiv 2201.09792.
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        patches=nn.Conv2d(PREPROCESSING.channels, WIDTH, PATCH, PATCH),
        act=nn.GELU(),
        bn=nn.BatchNorm2d(WIDTH),
        blocks=nn.Sequential(*(Block() for _ in range(BLOCKS))),
        global_pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        fc=nn.Linear(WIDTH, classes),
    )
    return nn.Sequential(parts)
