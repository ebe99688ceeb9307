"""Memory that draws hold and need at most, each measured in a process of its own."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.tables import Row

GRANULARITIES = ("weight", "connection", "neuron")


def measure(network: str) -> list[Row]:
    """Return the rows of one torchvision network, in bytes per weight of its convolutions."""
    command = [sys.executable, "-m", "benchmarks.memory", network, *GRANULARITIES]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = dict(zip(GRANULARITIES, map(json.loads, output.splitlines()), strict=True))
    return [
        {
            "network": network,
            "granularity": granularity,
            "measure": measure,
            "value": value,
            "unit": "bytes a weight",
        }
        for granularity, values in found.items()
        for measure, value in values.items()
    ]


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("network")
    parser.add_argument("granularity", nargs="+")
    arguments = parser.parse_args()
    import torchvision  # once for all

    assert torchvision.models
    for granularity in arguments.granularity:
        sys.stdout.flush()
        if child := os.fork():
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if code:
                sys.exit(code)
        else:
            print(json.dumps(_measure_here(arguments.network, granularity)))
            return


def _measure_here(network: str, granularity: str) -> dict[str, float]:
    import torch
    import torchvision

    model = torchvision.models.get_model(network, weights=None).eval().requires_grad_(False)
    weights = sum(m.weight.numel() for m in model.modules() if isinstance(m, torch.nn.Conv2d))
    held, peak = held_and_peak(model, granularity)
    return {
        "held by a Redrawer": held / weights,
        "peak of rank + draw": peak / weights,
        "peak of Diversified, forward + input gradient": _of_surrogate(model, granularity)
        / weights,
    }


def _of_surrogate(model: Any, granularity: str) -> int:
    """Return the bytes that a surrogate's step needs at most beside a small image's activations."""
    import torch

    import network_prune

    prunable = network_prune.rank(model, granularity, p_prune=0.2)
    surrogate = network_prune.Diversified(model, prunable, p_bern=0.5)

    def step(network: torch.nn.Module) -> None:
        network(torch.zeros(1, 3, 32, 32, requires_grad=True)).sum().backward()

    step(model)
    return _peak(lambda: step(surrogate))


def held_and_peak(model: Any, granularity: str) -> tuple[int, int]:
    """Return the bytes that a Redrawer holds, and those that ranking and a draw need at most.

    The peak is that of the whole process above what it used before.
    """
    import torch

    import network_prune

    # What the libraries load when they are first used isn't ours.
    small = torch.nn.Conv2d(8, 8, 3)
    with network_prune.Redrawer(small, network_prune.rank(small, p_prune=0.5), p_bern=0.5) as warm:
        warm.redraw()
    made: list[network_prune.Redrawer] = []

    def rank_and_draw() -> None:
        prunable = network_prune.rank(model, granularity, p_prune=0.2)
        made.append(network_prune.Redrawer(model, prunable, p_bern=0.5))
        made[0].redraw()

    peak = _peak(rank_and_draw)
    made[0].restore()
    return made[0].held_bytes + made[0].prunable.elements.words.nbytes, peak


def _peak(action: Callable[[], None]) -> int:
    """Return the bytes that the whole process needs at most above what it used before."""
    before = status("VmRSS")
    with open("/proc/self/clear_refs", "w", encoding="ascii") as refs:
        refs.write("5")
    action()
    return max(status("VmHWM") - before, 0)


def status(field: str) -> int:
    """Return a field of /proc/self/status, in bytes."""
    with open("/proc/self/status", encoding="ascii") as lines:
        line = next(line for line in lines if line.startswith(field))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    _main()
