"""Memory that draws hold and need at most, each measured in a process of its own."""

import argparse
import json
import subprocess
import sys
from typing import Any

Row = dict[str, str | float]


def measure(network: str) -> list[Row]:
    """Return the rows of one torchvision network, in bytes per weight of its convolutions."""
    rows: list[Row] = []
    for granularity in ("weight", "connection", "neuron"):
        command = [sys.executable, "-m", "benchmarks.memory", network, granularity]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = json.loads(output.splitlines()[-1])
        rows += [
            {
                "network": network,
                "granularity": granularity,
                "measure": measure,
                "value": value,
                "unit": "bytes a weight",
            }
            for measure, value in found.items()
        ]
    return rows


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("network")
    parser.add_argument("granularity")
    arguments = parser.parse_args()
    print(json.dumps(_measure_here(arguments.network, arguments.granularity)))


def _measure_here(network: str, granularity: str) -> dict[str, float]:
    import torch
    import torchvision

    model = torchvision.models.get_model(network, weights=None).eval().requires_grad_(False)
    weights = sum(m.weight.numel() for m in model.modules() if isinstance(m, torch.nn.Conv2d))
    held, peak = held_and_peak(model, granularity)
    return {"held by a Redrawer": held / weights, "peak of rank + draw": peak / weights}


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
    before = _status("VmRSS")
    _reset_peak()
    prunable = network_prune.rank(model, granularity, p_prune=0.2)
    with network_prune.Redrawer(model, prunable, p_bern=0.5) as redrawer:
        redrawer.redraw()
        peak = _status("VmHWM")
        held = redrawer.held_bytes + prunable.elements.words.nbytes
    return held, max(peak - before, 0)


def _status(field: str) -> int:
    """Return a field of /proc/self/status, in bytes."""
    with open("/proc/self/status", encoding="ascii") as lines:
        line = next(line for line in lines if line.startswith(field))
    return 1024 * int(line.split()[1])


def _reset_peak() -> None:
    with open("/proc/self/clear_refs", "w", encoding="ascii") as refs:
        refs.write("5")


if __name__ == "__main__":
    _main()
