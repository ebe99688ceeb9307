"""The embedded residual network, which ``digits`` names."""

from collections import OrderedDict

from torch import Tensor, nn

from network_prune.sources.digits.pictures import CLASSES


class Block(nn.Module):
    """A residual block of two 3x3 convolutions, with a 1x1 one on the shortcut if it halves."""

    def __init__(self, channels: int, out: int, *, stride: int) -> None:
        super().__init__()
        shortcut = None
        if stride > 1:
            shortcut = nn.Sequential(_convolution(channels, out, 1, stride), nn.BatchNorm2d(out))
        self.conv1 = _convolution(channels, out, 3, stride)
        self.bn1 = nn.BatchNorm2d(out)
        self.act1 = nn.ReLU(inplace=True)
        self.conv2 = _convolution(out, out, 3)
        self.bn2 = nn.BatchNorm2d(out)
        self.act2 = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return features [n, out, H / stride, W / stride] of ``x`` [n, channels, H, W]."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x)))))
        return self.act2(x + shortcut)


def build_network(classes: int = CLASSES) -> nn.Module:
    """Return the digits network with fresh weights: input [n, 1, 32, 32], output [n, classes].

    A residual network of four stages; all but the first halve the picture
    and have 1x1 convolutions on their shortcuts. It is timm's ``ResNet`` of the same
    weights and names, spelled out because timm and torchvision take seconds to import.
    """
    stem: list[nn.Module] = []
    for channels, out, stride in ((1, 8, 2), (8, 8, 1)):
        stem += [_convolution(channels, out, 3, stride), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Sequential(*stem, _convolution(8, 16, 3)),
        bn1=nn.BatchNorm2d(16),
        act1=nn.ReLU(inplace=True),
        maxpool=nn.MaxPool2d(3, stride=2, padding=1),
        layer1=nn.Sequential(Block(16, 16, stride=1)),
        layer2=nn.Sequential(Block(16, 32, stride=2)),
        layer3=nn.Sequential(Block(32, 64, stride=2)),
        layer4=nn.Sequential(Block(64, 96, stride=2)),
        global_pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        fc=nn.Linear(96, classes),
    )
    network = nn.Sequential(parts)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, Block):
            nn.init.zeros_(module.bn2.weight)
    return network


def _convolution(channels: int, out: int, side: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, out, side, stride, padding=side // 2, bias=False)
