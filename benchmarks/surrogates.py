"""A fresh draw in every forward: what it costs beside the dense network, and beside the seed's way.

``python -m benchmarks.surrogates`` times a forward and the gradient of its input, writes JSON
and the table of docs/surrogates.md.
"""

import argparse
import copy
from collections.abc import Callable

import torch
import torchvision
from torch import nn

import network_prune
from benchmarks import peers
from benchmarks.tables import DOCS, Row, publish
from benchmarks.timing import Timed, ratio, time_in_turn

P_PRUNE, P_BERN = 0.2, 0.5


def measure(network: str, *, batches: list[int], rounds: int, device: str) -> list[Row]:
    """Return the rows of one torchvision network."""
    torch.manual_seed(0)
    model = torchvision.models.get_model(network, weights=None)
    model = model.eval().requires_grad_(False).to(device)
    rows: list[Row] = []
    for batch in batches:
        image = torch.randn(batch, 3, 224, 224, device=device)
        for granularity in ("weight", "connection", "neuron"):
            rows += _measure(network, model, image, granularity, rounds)
    return rows


def _measure(
    network: str, model: nn.Module, image: torch.Tensor, granularity: str, rounds: int
) -> list[Row]:
    prunable = network_prune.rank(model, granularity, p_prune=P_PRUNE)
    kinds = {"Diversified": network_prune.Diversified, "BackwardOnly": network_prune.BackwardOnly}
    things = {"dense": Timed(_step(model, image))}
    for name, kind in kinds.items():
        things[name] = Timed(_step(kind(model, prunable, p_bern=P_BERN), image))
    prepared = network_prune.Diversified(model, prunable, p_bern=P_BERN, prepare=True)
    things["Diversified, prepared"] = Timed(_step(prepared, image))
    if granularity != "weight":
        things["the seed's way"] = Timed(_seed_step(copy.deepcopy(model), image, granularity))
    times = time_in_turn(things, rounds=rounds)
    return [
        {
            "network": network,
            "granularity": granularity,
            "measure": f"{name} / dense, batch {len(image)}",
            "value": ratio(times, name, "dense"),
            "unit": "×",
        }
        for name in things
        if name != "dense"
    ]


def _step(model: nn.Module, image: torch.Tensor) -> Callable[[], None]:
    def step() -> None:
        model(image.clone().requires_grad_()).sum().backward()

    return step


def _seed_step(model: nn.Module, image: torch.Tensor, granularity: str) -> Callable[[], None]:
    layers = peers.convolutions(model)
    run = _step(model, image)

    def step() -> None:
        originals = peers.seed_prune(layers, granularity, p_prune=P_PRUNE, p_bern=P_BERN)
        run()
        peers.seed_restore(layers, originals)

    return step


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.surrogates", description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["resnet18", "resnet50"])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8], help="images at a time")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that medians are taken over")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows: list[Row] = []
    for network in arguments.networks:
        rows += measure(
            network, batches=arguments.batches, rounds=arguments.rounds, device=arguments.device
        )
    publish(
        rows,
        arguments.networks,
        name="surrogates",
        page=DOCS / "surrogates.md",
        rounds=arguments.rounds,
        device=arguments.device,
    )


if __name__ == "__main__":
    main()
