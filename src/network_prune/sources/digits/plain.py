"""The embedded plain network: convolutions with biases, pooling, linear layers; no norms."""

from collections import OrderedDict

from torch import nn

from network_prune.sources.digits.pictures import CLASSES, PREPROCESSING

STAGES = ((8,), (24, 24), (48, 48))
HIDDEN = 128


def build_network(classes: int = CLASSES) -> nn.Module:
    """Return the plain network with fresh weights: input [n, 1, 32, 32], output [n, classes].

    After VGG: stages of 3x3 convolutions, each with a pooling behind it that halves the
    picture, and two linear layers.
    Source: arXiv 1409.1556.
    """
    features: list[nn.Module] = []
    channels = 1
    for widths in STAGES:
        for out in widths:
            features += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU(inplace=True)]
            channels = out
        features.append(nn.MaxPool2d(2))
    flat = channels * (PREPROCESSING.crop // 2 ** len(STAGES)) ** 2
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        features=nn.Sequential(*features),
        flatten=nn.Flatten(),
        classifier=nn.Sequential(
            nn.Linear(flat, HIDDEN), nn.ReLU(inplace=True), nn.Linear(HIDDEN, classes)
        ),
    )
    network = nn.Sequential(parts)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            assert module.bias is not None, "a network without norms has biases"
            nn.init.zeros_(module.bias)
    return network
