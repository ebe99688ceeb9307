"""``python -m benchmarks.evaluation``: evaluating beside the plain loop, on the CPU."""

import argparse
import json
import statistics
from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import network_prune
from benchmarks.tables import DOCS, Row, include, machine
from benchmarks.timing import Timed, ratio, time_in_turn
from network_prune.pruning.faster_copy.prepare import Speed, prepare

BATCH = 32
SIDE = 224
SETTINGS = {
    "evaluate, everything off": {"channels_last": False, "fold": False},
    "evaluate": {},
    "evaluate, bfloat16": {"dtype": "bfloat16"},
}
PLAIN = "plain loop, contiguous"
BARE = "plain loop of evaluate's copy"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation", description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["resnet18", "resnet50"])
    parser.add_argument("--rounds", type=int, default=5, help="rounds that medians are taken over")
    parser.add_argument("--threads", type=int, default=2, help="torch's threads")
    parser.add_argument("--images", type=int, default=256, help="images in each evaluation")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows: list[Row] = []
    for name in arguments.networks:
        rows += measure(name, rounds=arguments.rounds, images=arguments.images)
    result = {"machine": machine("cpu"), "rounds": arguments.rounds, "rows": rows}
    path = DOCS / "evaluation-cpu.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    text = f"Measured on {result['machine']}.\n\n{table(rows)}"
    print(text)
    include(text, DOCS / "speed.md", mark="evaluation")


def measure(name: str, *, rounds: int, images: int) -> list[Row]:
    """Return one row for each way to evaluate a network of random weights."""
    model = random_network(name)
    generator = torch.Generator().manual_seed(1)
    pictures = torch.randn(images, 3, SIDE, SIDE, generator=generator)
    # What the network itself says, with every second answer moved, so that half are hits.
    labels = _answers(model, pictures)
    labels[::2] = (labels[::2] + 1) % 1000
    data = TensorDataset(pictures, labels)
    hits: dict[str, int] = {}

    def timed(way: str, count: Callable[[], int]) -> Timed:
        return Timed(lambda: hits.update({way: count()}), repeats=1)

    things = {PLAIN: timed(PLAIN, lambda: plain_loop(model, data))}
    things[BARE] = timed(BARE, lambda: _bare_loop(model, data))
    for way, options in SETTINGS.items():
        things[way] = timed(way, lambda options=options: _evaluate(model, data, options))
    times = time_in_turn(things, rounds=rounds)
    return [
        {
            "network": name,
            "way": way,
            "images a second": images / statistics.median(row[way] for row in times),
            "times the plain loop": ratio(times, PLAIN, way),
            "hits": hits[way],
            "images": images,
        }
        for way in things
    ]


def _bare_loop(model: nn.Module, data: TensorDataset) -> int:
    """Compute what `evaluate` computes with, and nothing around it."""
    with network_prune.kept_memory():
        return plain_loop(prepare(model, Speed()).model, data)


def _evaluate(model: nn.Module, data: TensorDataset, options: dict[str, Any]) -> int:
    with network_prune.kept_memory():
        return network_prune.evaluate(
            model, data, batch_size=BATCH, progress=False, **options
        ).hits1


def random_network(name: str) -> nn.Module:
    """Return a torchvision network of random weights whose BatchNorms have seen images."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = torchvision.models.get_model(name, weights=None).train()
        with torch.no_grad():
            for _ in range(3):
                model(torch.randn(8, 3, SIDE, SIDE))
    return model.eval()


@torch.no_grad()
def plain_loop(model: nn.Module, data: TensorDataset) -> int:
    """Return the number of hits, as anybody would count them."""
    hits = 0
    for images, labels in DataLoader(data, BATCH):
        hits += int((model(images).argmax(1) == labels).sum())
    return hits


@torch.no_grad()
def _answers(model: nn.Module, images: Tensor) -> Tensor:
    return torch.cat([model(batch).argmax(1) for batch in images.split(BATCH)])


def table(rows: list[Row]) -> str:
    """Return the rows in Markdown."""
    lines = [
        "| network | way | images a second | times the plain loop | hits at 1 |",
        "|---|---|--:|--:|--:|",
    ]
    for row in rows:
        lines.append(
            f"| {row['network']} | {row['way']} | {row['images a second']:.1f} | "
            f"{row['times the plain loop']:.2f} | {row['hits']} of {row['images']} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
