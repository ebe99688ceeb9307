"""How time and memory of ranking and drawing grow from 1 M to 300 M weights."""

import argparse
import json
import math
import statistics
import subprocess
import sys
from pathlib import Path

SIZES = (1, 3, 10, 30, 100, 300)
MEASURES = ("rank", "new draw", "restore", "copy")
Point = dict[str, float]


def measure() -> list[Point]:
    """Return one point for each size, each measured in a process of its own."""
    points: list[Point] = []
    for millions in SIZES:
        command = [sys.executable, "-m", "benchmarks.growth", str(millions)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        points.append(json.loads(output.splitlines()[-1]))
    return points


def slope(points: list[Point], name: str) -> float:
    """Return the exponent of growth from the first size to the last: 1 is in proportion."""
    first, last = points[0], points[-1]
    return math.log(last[name] / first[name]) / math.log(last["weights"] / first["weights"])


def plot(points: list[Point], path: Path) -> None:
    """Draw time and peak memory over the number of weights."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    times, memory = figure.subplots(1, 2)
    weights = [point["weights"] for point in points]
    for name in MEASURES:
        label = f"{name}, exponent {slope(points, name):.2f}"
        times.loglog(weights, [1000 * point[name] for point in points], "o-", label=label)
    times.set(xlabel="weights", ylabel="milliseconds", title="single weights, p_prune 0.2")
    times.legend()
    memory.semilogx(weights, [point["peak"] / point["weights"] for point in points], "o-")
    memory.set(xlabel="weights", ylabel="bytes a weight", title="peak of rank + draw", ylim=(0, 4))
    for axes in (times, memory):
        axes.grid(alpha=0.3)
    figure.savefig(path, metadata={"Date": None})


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("millions", type=int)
    print(json.dumps(_measure_here(parser.parse_args().millions)))


def _measure_here(millions: int) -> Point:
    import torch
    from torch import nn

    import network_prune
    from benchmarks.memory import held_and_peak
    from benchmarks.timing import Timed, time_in_turn

    width = 512 if millions >= 10 else 128
    layers = round(millions * 1e6 / (9 * width * width))
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Conv2d(width, width, 3, bias=False) for _ in range(layers)))
    model.requires_grad_(False)
    _, peak = held_and_peak(model, "weight")
    weights = [layer.get_parameter("weight") for layer in model]
    room = [torch.empty_like(weight) for weight in weights]
    redrawer = network_prune.Redrawer(model, network_prune.rank(model, p_prune=0.2), p_bern=0.5)

    def copy() -> None:
        for to, weight in zip(room, weights, strict=True):
            to.copy_(weight)

    things = {
        "copy": Timed(copy),
        "rank": Timed(lambda: network_prune.rank(model, p_prune=0.2)),
        "new draw": Timed(redrawer.redraw),
        "restore": Timed(redrawer.restore, redrawer.redraw),
    }
    times = time_in_turn(things, rounds=5)
    point = {name: statistics.median(row[name] for row in times) for name in things}
    return point | {"weights": sum(weight.numel() for weight in weights), "peak": peak}


if __name__ == "__main__":
    _main()
