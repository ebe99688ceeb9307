"""``python -m benchmarks``: measure everything, write JSON and the table of docs/speed.md."""

import argparse
import os

import torch

from benchmarks import draws, growth, memory
from benchmarks.tables import DOCS, Row, publish


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["resnet18", "resnet50"])
    parser.add_argument("--rounds", type=int, default=7, help="rounds that medians are taken over")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="torch's threads")
    parser.add_argument(
        "--growth", action="store_true", help="also the plot from 1 M to 300 M weights"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)  # for processes of their own
    rows: list[Row] = []
    for network in arguments.networks:
        rows += draws.measure(network, rounds=arguments.rounds, device=arguments.device)
        if arguments.device == "cpu":
            rows += memory.measure(network)
    points: list[growth.Point] = []
    if arguments.growth:
        points = growth.measure()
        growth.plot(points, DOCS / "growth.svg")
    publish(
        rows,
        arguments.networks,
        name="speed",
        page=DOCS / "speed.md",
        rounds=arguments.rounds,
        device=arguments.device,
        growth=points,
    )


if __name__ == "__main__":
    main()
