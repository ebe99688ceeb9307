"""Ranking, drawing and restoring, in copies of the convolutions' weights and beside peers."""

import copy
import gc
from collections.abc import Callable

import torch
import torchvision
from torch import nn

import network_prune
from benchmarks import peers
from benchmarks.tables import Row
from benchmarks.timing import Timed, ratio, time_in_turn

GRANULARITIES = ("weight", "connection", "neuron")
P_PRUNE = 0.2


def measure(network: str, *, rounds: int, device: str) -> list[Row]:
    """Return the rows of one torchvision network."""
    rows: list[Row] = []
    for granularity in GRANULARITIES:
        rows += _measure_draws(_Setting(network, granularity, device), rounds)
        gc.collect()
    rows += _measure_forward(network, rounds, device)
    return rows


class _Setting:
    """A network, its weights and room for a copy of them."""

    def __init__(self, network: str, granularity: str, device: str) -> None:
        torch.manual_seed(0)
        model = torchvision.models.get_model(network, weights=None)
        self.network = network
        self.granularity = granularity
        self.model = model.eval().requires_grad_(False).to(device)
        self.peer = copy.deepcopy(self.model)
        self.layers = peers.convolutions(self.peer)
        self.weights = [layer.weight for layer in peers.convolutions(self.model)]
        self.room = [torch.empty_like(weight) for weight in self.weights]

    def copy(self) -> None:
        for room, weight in zip(self.room, self.weights, strict=True):
            room.copy_(weight)

    def rank(self) -> network_prune.PrunableSet:
        return network_prune.rank(self.model, self.granularity, p_prune=P_PRUNE)

    def in_place(self) -> None:
        with network_prune.Redrawer(self.model, self.rank(), p_bern=1.0) as redrawer:
            redrawer.redraw()

    def by_hooks(self) -> None:
        network_prune.prune(self.model, self.rank()).restore()

    def by_peer(self) -> None:
        if self.granularity == "weight":
            peers.torch_prune(self.layers, P_PRUNE)
        else:
            peers.seed_restore(self.layers, self.seed_prune())

    def seed_prune(self) -> list[torch.Tensor]:
        return peers.seed_prune(self.layers, self.granularity, p_prune=P_PRUNE, p_bern=1.0)

    def undo_peer(self) -> None:
        for layer, weight in zip(self.layers, self.weights, strict=True):
            layer.weight.data.copy_(weight)


def _measure_draws(setting: _Setting, rounds: int) -> list[Row]:
    prunable = setting.rank()
    half, third = (
        network_prune.Redrawer(copy.deepcopy(setting.model), prunable, p_bern=p) for p in (0.5, 0.3)
    )
    restoring = network_prune.Redrawer(copy.deepcopy(setting.model), prunable, p_bern=0.5)
    things = {
        "copy": Timed(setting.copy, repeats=5),
        "rank": Timed(setting.rank),
        "in place": Timed(setting.in_place),
        "hooks": Timed(setting.by_hooks),
        "peer": Timed(setting.by_peer, setting.undo_peer, repeats=1),
        "draw 0.5": Timed(half.redraw, repeats=5),
        "draw 0.3": Timed(third.redraw, repeats=5),
        "restore": Timed(restoring.restore, restoring.redraw, repeats=5),
    }
    if setting.granularity == "weight":
        things["dense draw"] = Timed(_dense_draw(setting, prunable))
    times = time_in_turn(things, rounds=rounds)
    one = "global_unstructured + remove" if setting.granularity == "weight" else "the seed's way"
    rows = [
        _row(setting, "rank", ratio(times, "rank", "copy"), "copies"),
        _row(setting, f"{one} / rank + prune + restore in place", ratio(times, "peer", "in place")),
        _row(setting, f"{one} / rank + prune + restore by hooks", ratio(times, "peer", "hooks")),
        _row(setting, "new draw, p_bern 0.5", ratio(times, "draw 0.5", "copy"), "copies"),
        _row(setting, "new draw, p_bern 0.3", ratio(times, "draw 0.3", "copy"), "copies"),
        _row(setting, "restore", ratio(times, "restore", "copy"), "copies"),
    ]
    if setting.granularity == "weight":
        dense = ratio(times, "dense draw", "draw 0.5")
        rows.append(_row(setting, "dense Bernoulli + where / new draw", dense))
    return rows


def _dense_draw(setting: _Setting, prunable: network_prune.PrunableSet) -> Callable[[], object]:
    lowest = [prunable.prunable(layer.name).to(setting.room[0].device) for layer in prunable.layers]

    def draw() -> None:
        peers.dense_draw(setting.room, setting.weights, lowest, 0.5)

    return draw


def _measure_forward(network: str, rounds: int, device: str) -> list[Row]:
    setting = _Setting(network, "weight", device)
    dense, pruned = setting.model, copy.deepcopy(setting.model)
    network_prune.prune(pruned, setting.rank(), p_bern=0.5)
    image = torch.randn(1, 3, 224, 224, device=device)
    things = {
        f"{kind} {name}": Timed(lambda run=run, model=model: run(model, image))
        for kind, run in (("forward", _forward), ("gradient", _input_gradient))
        for name, model in (("dense", dense), ("pruned", pruned))
    }
    times = time_in_turn(things, rounds=3 * rounds)
    return [
        _row(setting, f"{text}, batch 1, pruned by hooks / dense", ratio(times, *names))
        for text, names in (
            ("forward", ("forward pruned", "forward dense")),
            ("forward + input gradient", ("gradient pruned", "gradient dense")),
        )
    ]


@torch.no_grad()
def _forward(model: nn.Module, image: torch.Tensor) -> None:
    model(image)


def _input_gradient(model: nn.Module, image: torch.Tensor) -> None:
    model(image.clone().requires_grad_()).sum().backward()


def _row(setting: _Setting, measure: str, value: float, unit: str = "×") -> Row:
    return {
        "network": setting.network,
        "granularity": setting.granularity,
        "measure": measure,
        "value": value,
        "unit": unit,
    }
