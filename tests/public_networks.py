"""The table of public networks in docs/networks.md, and how one of them is examined."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

import network_prune as npr
import networks
from network_prune.errors import SourceError, UnsupportedNetworkError

TABLE = Path(__file__).parents[1] / "docs" / "networks.md"
HEAD = "| network | parameters | input | Conv2d | Linear | ranked |"
GRANULARITIES = ("weight", "connection", "neuron")
# In this order of preference; a network's own layers may allow only some of them.
CHOICES: dict[str, tuple[type[nn.Module], ...]] = {
    "Conv2d and Linear": (nn.Conv2d, nn.Linear),
    "Conv2d": (nn.Conv2d,),
    "Linear": (nn.Linear,),
}
SIZES = (64, 96, 128, 160, 192, 224, 240, 256, 288, 299, 320, 336, 384, 448, 512)


@dataclass(frozen=True)
class Row:
    """One network of the table.

    ``parameters`` counts weights and biases, ``side`` is the input's in pixels, ``convolutions``
    and ``linear`` count ranked layers, ``ranked`` is one of CHOICES or why it is refused.
    """

    name: str
    parameters: int = 0
    side: int = 0
    convolutions: int = 0
    linear: int = 0
    ranked: str = ""

    def __str__(self) -> str:
        numbers = (f"{self.parameters:,}", self.side, self.convolutions, self.linear)
        return f"| `{self.name}` | {' | '.join(map(str, numbers))} | {self.ranked} |"


def read_table() -> dict[str, Row]:
    rows = {}
    _, _, table = TABLE.read_text(encoding="utf-8").partition(HEAD)
    for line in table.splitlines()[2:]:
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        if not any(cells):
            cells = ["0", "0", "0", "0", ""]
        *numbers, ranked = cells
        row = Row(name.strip("`"), *(int(text.replace(",", "")) for text in numbers), ranked)
        rows[row.name] = row
    return rows


def write_table(rows: dict[str, Row]) -> None:
    text, _, _ = TABLE.read_text(encoding="utf-8").partition(HEAD)
    lines = [HEAD, "|---|--:|--:|--:|--:|---|", *(str(row) for row in rows.values())]
    TABLE.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")


def load(name: str, side: int) -> nn.Module:
    size = {"resize": side, "crop": side} if side else {}
    return npr.load_network(name, weights="none", preprocessing=size).model


def smallest_side(name: str) -> int:
    for side in SIZES:
        try:
            load(name, side)
        except SourceError:
            continue
        return side
    raise AssertionError(f"{name} takes none of the sizes {SIZES}")


def examine(row: Row) -> Row:
    """Prune the network at every granularity, check what it computes and that it is restored."""
    model = load(row.name, row.side)
    x = torch.rand(1, 3, row.side, row.side, generator=torch.Generator().manual_seed(0))
    before = networks.snapshot(model)
    ranked = _what_can_be_ranked(model)
    for granularity in GRANULARITIES if ranked in CHOICES else ():
        _check(model, granularity, CHOICES[ranked], x)
    assert networks.snapshot(model) == before
    counts = [sum(isinstance(m, kind) for m in model.modules()) for kind in (nn.Conv2d, nn.Linear)]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return dataclasses.replace(
        row, parameters=parameters, convolutions=counts[0], linear=counts[1], ranked=ranked
    )


def _what_can_be_ranked(model: nn.Module) -> str:
    refusals = []
    for name, layers in CHOICES.items():
        try:
            npr.rank(model, "neuron", p_prune=0, layers=layers)
        except UnsupportedNetworkError as error:
            refusals.append(str(error))
        else:
            return name
    return f"refused: {refusals[0].partition(', so')[0]}"


@torch.no_grad()
def _check(
    model: nn.Module, granularity: str, layers: Sequence[type[nn.Module]], x: Tensor
) -> None:
    dense = model(x)
    prunable = npr.rank(model, granularity, p_prune=0.3, layers=layers)
    with npr.prune(model, prunable, p_bern=0.7, seed=3) as pruned:
        out = model(x)
    assert bool(out.isfinite().all())
    assert networks.same_bits(out, _with_zeros_by_hand(model, pruned.draw, x))
    assert networks.same_bits(model(x), dense)


def _with_zeros_by_hand(model: nn.Module, draw: npr.Draw, x: Tensor) -> Tensor:
    weights = [networks.weight_of(model, layer.name) for layer in draw.layers]
    originals = [weight.clone() for weight in weights]
    for layer, weight in zip(draw.layers, weights, strict=True):
        weight.masked_fill_(~draw.mask(layer.name), 0.0)
    out = model(x)
    for weight, original in zip(weights, originals, strict=True):
        weight.copy_(original)
    return out


def remove_from(row: Row, *, with_norm: bool) -> npr.Removed:
    """Prune half of each layer's neurons at random and remove them.

    Norms and scales get values of their own first, so that neurons send out constants and the
    output hangs on every part of the network.
    """
    model = load(row.name, row.side)
    _stir(model, row.side)
    x = torch.rand(1, 3, row.side, row.side, generator=torch.Generator().manual_seed(0))
    layers = CHOICES["Conv2d" if with_norm else row.ranked]
    prunable = npr.rank(model, "neuron", p_prune=0.5, scope="layer", layers=layers)
    with npr.prune(model, prunable, p_bern=0.7, seed=3, with_norm=with_norm):
        return npr.remove_neurons(model, x, repeats=0)


@torch.no_grad()
def _stir(model: nn.Module, side: int) -> None:
    random = torch.Generator().manual_seed(7)
    for name, parameter in model.named_parameters():
        if parameter.dim() and parameter.numel() == max(parameter.shape):
            low, high = (-0.5, 0.5) if name.endswith("bias") else (0.5, 1.5)
            parameter.copy_(torch.empty(parameter.shape).uniform_(low, high, generator=random))
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
    model.train()
    model(torch.rand(4, 3, side, side, generator=random))
    model.eval()
