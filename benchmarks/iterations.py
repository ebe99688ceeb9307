"""One iteration of an attack under an augmentation: what it costs beside the plain network's.

``python -m benchmarks.iterations`` times a pass forward and backward to the images, the sign
step and what it is made of; writes JSON and the table of docs/speed.md.
For each augmentation of ours it also says which share of an iteration its masks take.
"""

import argparse
import time
from collections.abc import Callable, Iterator

import timm
import torch
from torch import Tensor, nn

from benchmarks import peers
from benchmarks.tables import DOCS, Row, publish
from benchmarks.timing import Timed, ratio, time_in_turn
from network_prune.sources.preprocessing import Preprocessing
from network_prune.transfer.attack.iteration import run_attack
from network_prune.transfer.attack.settings import Attack, Loss
from network_prune.transfer.augmentations.augmentation import Augmentation
from network_prune.transfer.augmentations.surrogates import Drawing, make_surrogate
from network_prune.transfer.pixel_network import PixelNetwork

# One draw an iteration each, so that a pass is compared with a pass.
AUGMENTATIONS = {"dwp": "dwp", "rapa": "rapa:draws=1", "dropout": "dropout", "scale": "scale"}
SETTINGS = Attack(loss=Loss.LOGIT, diversity=0.7, translation=5)


class SeedsWay:
    """Connections pruned by torch.nn.utils.prune before each pass, and restored after it."""

    def __init__(self, network: PixelNetwork) -> None:
        self._network = network
        self._layers = peers.convolutions(network)

    def draws(self, number: int, aim_of: object) -> Iterator[Callable[[Tensor], Tensor]]:
        originals = peers.seed_prune(self._layers, "connection", p_prune=0.7, p_bern=0.5)
        yield self._network
        peers.seed_restore(self._layers, originals)
        self._network.requires_grad_(False)


def measure(name: str, *, batch: int, rounds: int, device: str) -> list[Row]:
    """Return the rows of one of timm's networks, with random weights."""
    torch.manual_seed(0)
    network, images, classes = _network(name, device), *_images(batch, device)

    def step(source: object) -> Callable[[], None]:
        def run() -> None:
            for _ in run_attack(source, images, classes, SETTINGS, iterations=1):
                pass

        return run

    things = {"none": Timed(step(make_surrogate(Augmentation.parse("none"), [network], seed=0)))}
    sources: dict[str, Drawing] = {}
    for label, text in AUGMENTATIONS.items():
        source = make_surrogate(Augmentation.parse(text), [network], seed=0)
        assert isinstance(source, Drawing)
        sources[label] = source
        things[label] = Timed(step(source))
    things["the seed's way of connections"] = Timed(step(SeedsWay(_network(name, device))))
    times = time_in_turn(things, rounds=rounds)

    def row(measure: str, value: float, unit: str) -> Row:
        text = f"{measure}, batch {batch}"
        return {
            "network": name,
            "granularity": "weight",
            "measure": text,
            "value": value,
            "unit": unit,
        }

    rows = [row(f"{it} / none", ratio(times, it, "none"), "×") for it in things if it != "none"]
    if device == "cpu":
        rows += [row(f"{it}: its masks", _share(sources[it], step), "share") for it in sources]
    return rows


def _share(source: Drawing, step: Callable[[object], Callable[[], None]]) -> float:
    """Return which share of three iterations goes into masks."""
    before, start = source.seconds_drawing, time.perf_counter()
    for _ in range(3):
        step(source)()
    return (source.seconds_drawing - before) / (time.perf_counter() - start)


def _network(name: str, device: str) -> PixelNetwork:
    model: nn.Module = timm.create_model(name, pretrained=False).eval().requires_grad_(False)
    model = model.to(device, memory_format=torch.channels_last)
    return PixelNetwork(model, Preprocessing(resize=224, crop=224))


def _images(batch: int, device: str) -> tuple[Tensor, Tensor]:
    images = torch.rand(batch, 3, 224, 224, device=device)
    return images, torch.arange(batch, device=device)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.iterations", description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["resnet18", "tf_efficientnet_lite0"])
    parser.add_argument(
        "--batches", type=int, nargs="+", default=[1, 8, 25], help="images at a time"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds that medians are taken over")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows: list[Row] = []
    for network in arguments.networks:
        for batch in arguments.batches:
            rows += measure(network, batch=batch, rounds=arguments.rounds, device=arguments.device)
    publish(
        rows,
        arguments.networks,
        name="iterations",
        page=DOCS / "speed.md",
        rounds=arguments.rounds,
        device=arguments.device,
        mark="iterations",
    )


if __name__ == "__main__":
    main()
