"""Small networks whose neurons can be removed, with everything that removal must mind."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def stirred(model: nn.Module, seed: int = 3) -> nn.Module:
    """Give norms statistics, and everything weights, that show when a constant is lost."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.5)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(torch.randn(buffer.shape, generator=random))
            elif name.endswith("running_var"):
                buffer.copy_(torch.rand(buffer.shape, generator=random) + 0.5)
    return model.eval()


def chain(act: type[nn.Module] = nn.ReLU, padding: int = 1, mode: str = "zeros") -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        act(),
        nn.Conv2d(8, 8, 3, padding=padding, padding_mode=mode),
        nn.BatchNorm2d(8),
        act(),
        nn.Conv2d(8, 6, 3, padding=padding, padding_mode=mode),
    )


class Residual(nn.Module):
    """Branches that are added up, in place, each of which loses neurons of its own."""

    def __init__(self, act: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), act())
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(8, 8, 3, padding=1, bias=False),
                nn.BatchNorm2d(8),
                act(),
                nn.Conv2d(8, 8, 3, padding=1, bias=False),
                nn.BatchNorm2d(8),
            )
            for _ in range(2)
        )
        self.act = act()
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.stem(x), 3, 2, 1)
        for block in self.blocks:
            branch = block(x)
            branch += x
            x = self.act(branch)
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Dense(nn.Module):
    """Values joined along their channels, more than once."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 6, 3, padding=1)
        self.second = nn.Sequential(nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 5, 3, padding=1))
        self.third = nn.Sequential(nn.BatchNorm2d(11), nn.SiLU(), nn.Conv2d(11, 4, 3, padding=1))
        self.last = nn.Conv2d(15, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        second = self.second(first)
        joined = torch.cat([first, second], 1)
        return self.last(torch.cat([joined, self.third(joined)], 1))


class Separable(nn.Module):
    """A depthwise convolution and squeeze-and-excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Sequential(nn.Conv2d(4, 12, 1), nn.BatchNorm2d(12), nn.ReLU6())
        self.depth = nn.Sequential(
            nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False),
            nn.BatchNorm2d(12),
            nn.Hardswish(),
        )
        self.squeeze = nn.Conv2d(12, 3, 1)
        self.excite = nn.Conv2d(3, 12, 1)
        self.narrow = nn.Conv2d(12, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        made = self.depth(self.wide(x))
        gate = self.excite(self.squeeze(made.mean((2, 3), keepdim=True)).relu()).sigmoid()
        return x + self.narrow(made * gate)


class Block(nn.Module):
    """A transformer's block: what is between the two linear maps of its MLP gets narrower."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(4, 8, 2, stride=2)
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        normed = self.norm(tokens)
        tokens = tokens + self.attention(normed, normed, normed, need_weights=False)[0]
        return tokens + self.mlp(tokens)


class Shuffled(nn.Module):
    """Channels cut in two, and exchanged between the groups of a grouped convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 8, 1)
        self.second = nn.Conv2d(8, 8, 3, padding=1, groups=4)
        self.last = nn.Conv2d(4, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        made = self.second(self.first(x).relu())
        n, _, h, w = made.shape
        one, other = made.view(n, 2, 4, h, w).transpose(1, 2).reshape(n, 8, h, w).chunk(2, 1)
        return self.last(one) * other.mean()


class Borrowed(nn.Module):
    """Its layers' weights are read, shared or used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Conv2d(4, 4, 3, padding=1)
        self.twice = nn.Conv2d(4, 4, 3, padding=1)
        self.tied = nn.Conv2d(4, 4, 3, padding=1)
        self.other = nn.Conv2d(4, 4, 3, padding=1)
        self.other.weight = self.tied.weight
        self.last = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x, self.read.weight, self.read.bias, padding=1)
        x = self.twice(self.twice(x).relu())
        return self.last(self.other(self.tied(x).relu()))


class SamePadding(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (1, 1, 1, 1)), self.weight, self.bias)


class Activated(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return F.silu(super().forward(x), inplace=True)


class Adding(nn.Conv2d):
    """Adds what it was given to what it makes."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + x


class Elsewhere(nn.Module):
    """A layer that is given one value and computes with another."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 8, 3, padding=1)
        self.second = nn.Conv2d(4, 8, 3, padding=1)
        self.odd = Keeping(8, 8, 1)
        self.odd.kept = []
        self.last = nn.Conv2d(8, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.odd.kept = [self.first(x).relu()]
        made = self.odd(self.second(x).relu())
        self.odd.kept = []
        return self.last(made)


class Keeping(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.kept[0])


def adding() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(4, 8, 1), nn.ReLU(), Adding(8, 8, 3, padding=1), nn.Conv2d(8, 3, 1)
    )


def own_classes() -> nn.Module:
    return nn.Sequential(
        SamePadding(4, 8, 3), Activated(8), SamePadding(8, 8, 3), Activated(8), SamePadding(8, 3, 3)
    )


def upwards() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(8, 8, 3, stride=2, padding=1, output_padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.Tanh(),
        nn.ConvTranspose2d(8, 6, 2, groups=2),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(6, 2, 3, padding=1),
    )


def flattened() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(4, 6, 3),
        nn.BatchNorm2d(6),
        nn.ELU(),
        nn.AvgPool2d(3, 2, padding=1),
        nn.Flatten(),
        nn.Linear(54, 10),
        nn.BatchNorm1d(10),
        nn.Softplus(),
        nn.Dropout(),
        nn.Linear(10, 3),
    )


NETWORKS = {
    "chain": chain,
    "chain, SiLU": lambda: chain(nn.SiLU),
    "chain without padding": lambda: chain(padding=0),
    "chain, reflected borders": lambda: chain(mode="reflect"),
    "chain, circular borders": lambda: chain(mode="circular"),
    "residual": Residual,
    "residual, SiLU": lambda: Residual(nn.SiLU),
    "dense": Dense,
    "separable": Separable,
    "transformer": Block,
    "shuffled": Shuffled,
    "borrowed": Borrowed,
    "own classes": own_classes,
    "adding": adding,
    "elsewhere": Elsewhere,
    "upwards": upwards,
    "flattened": flattened,
}
LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
