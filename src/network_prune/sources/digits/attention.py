"""The embedded attention network: a small vision transformer."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from network_prune.sources.digits.pictures import CLASSES, PREPROCESSING

PATCH = 8
WIDTH = 64
HEADS = 4
BLOCKS = 4


class Patches(nn.Module):
    """Cuts pictures into patches: one vector each, with what is learned of its place added."""

    def __init__(self) -> None:
        super().__init__()
        count = (PREPROCESSING.crop // PATCH) ** 2
        self.projection = nn.Conv2d(PREPROCESSING.channels, WIDTH, PATCH, PATCH)
        self.places = nn.Parameter(torch.randn(count, WIDTH) * 0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors [n, patches, width] of pictures [n, C, H, W]."""
        return self.projection(x).flatten(2).transpose(1, 2) + self.places


class Attention(nn.Module):
    """Self-attention of several heads; each projection is a linear layer that is called."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH)
        self.value = nn.Linear(WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Return what each of the vectors ``x`` [n, patches, width] gathers from all of them."""
        query, key, value = (
            project(x).unflatten(2, (HEADS, -1)).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        gathered = F.scaled_dot_product_attention(query, key, value)
        return self.out(gathered.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then two linear layers for each vector; each is added to what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.attention = Attention()
        self.norm2 = nn.LayerNorm(WIDTH)
        self.hidden = nn.Linear(WIDTH, 2 * WIDTH)
        self.act = nn.GELU()
        self.out = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors of the shape of ``x`` [n, patches, width]."""
        x = x + self.attention(self.norm1(x))
        return x + self.out(self.act(self.hidden(self.norm2(x))))


class Mean(nn.Module):
    """The mean over all patches."""

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, width] of vectors ``x`` [n, patches, width]."""
        return x.mean(1)


def build_network(classes: int = CLASSES) -> nn.Module:
    """Return the attention network with fresh weights: input [n, 1, 32, 32], output [n, classes].

    Source: arXiv 2010.11929, with the mean over the patches in the place of a class token.
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        patches=Patches(),
        blocks=nn.Sequential(*(Block() for _ in range(BLOCKS))),
        norm=nn.LayerNorm(WIDTH),
        pool=Mean(),
        head=nn.Linear(WIDTH, classes),
    )
    network = nn.Sequential(parts)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.05)
            nn.init.zeros_(module.bias)
    return network
