"""Memory that draws hold and need at most, each measured in a process of its own."""

import argparse
import json
import subprocess
import sys

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

    import network_prune

    model = torchvision.models.get_model(network, weights=None).eval().requires_grad_(False)
    weights = sum(m.weight.numel() for m in model.modules() if isinstance(m, torch.nn.Conv2d))
    # What the libraries load when they are first used isn't ours.
    small = torch.nn.Conv2d(8, 8, 3)
    with network_prune.Redrawer(small, network_prune.rank(small, p_prune=0.5), p_bern=0.5) as warm:
        warm.redraw()
    before = _status("VmRSS")
    _reset_peak()
    prunable = network_prune.rank(model, granularity, p_prune=0.2)
    redrawer = network_prune.Redrawer(model, prunable, p_bern=0.5)
    redrawer.redraw()
    peak = _status("VmHWM")
    held = redrawer.held_bytes + prunable.elements.words.nbytes
    return {
        "held by a Redrawer": held / weights,
        "peak of rank + draw": max(peak - before, 0) / weights,
    }


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
