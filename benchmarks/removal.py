"""``python -m benchmarks.removal``: networks without their silenced neurons, beside masked ones."""

import argparse
import json
import statistics
from itertools import product

import torch
from torch import nn

import network_prune
from benchmarks.evaluation import SIDE, random_network
from benchmarks.tables import DOCS, Row, include, machine
from benchmarks.timing import Timed, ratio, time_in_turn

MASKED = "masked"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.removal", description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["resnet18", "resnet50", "mobilenet_v2"])
    parser.add_argument("--rounds", type=int, default=7, help="rounds that medians are taken over")
    parser.add_argument("--threads", type=int, default=1, help="torch's threads")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8], help="images at once")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows: list[Row] = []
    for name, batch, with_norm in product(arguments.networks, arguments.batches, (True, False)):
        rows.append(measure(name, with_norm, rounds=arguments.rounds, batch=batch))
    result = {"machine": machine("cpu"), "rounds": arguments.rounds, "rows": rows}
    path = DOCS / "removal-cpu.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    text = f"Measured on {result['machine']}.\n\n{table(rows)}"
    print(text)
    include(text, DOCS / "removal.md")


def measure(name: str, with_norm: bool, *, rounds: int, batch: int) -> Row:
    """Return what half of the neurons of each layer cost a network of random weights."""
    model = random_network(name)
    _stir(model)
    images = torch.randn(batch, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    prunable = network_prune.rank(model, "neuron", p_prune=0.5, scope="layer")
    network_prune.prune(model, prunable, with_norm=with_norm)
    removed = network_prune.remove_neurons(model, images, repeats=0)
    network_prune.make_permanent(model)
    with torch.no_grad():
        networks = {MASKED: model, "removed": removed.model}
        times = time_in_turn(
            {way: Timed(lambda net=net: net(images)) for way, net in networks.items()},
            rounds=rounds,
        )
    return {
        "network": name,
        "with_norm": str(with_norm),
        "batch": batch,
        "parameters before": removed.before.parameters,
        "parameters": removed.after.parameters,
        "multiply-adds before": removed.before.multiply_adds,
        "multiply-adds": removed.after.multiply_adds,
        **{f"ms, {way}": 1e3 * statistics.median(row[way] for row in times) for way in networks},
        "times as fast": ratio(times, MASKED, "removed"),
        "difference": removed.difference,
    }


@torch.no_grad()
def _stir(model: nn.Module) -> None:
    """Give BatchNorms weights and biases as training does, so that silenced neurons send some."""
    random = torch.Generator().manual_seed(2)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for parameter, middle in ((module.weight, 1.0), (module.bias, 0.0)):
                parameter.copy_(middle + 0.2 * torch.randn(parameter.shape, generator=random))


def table(rows: list[Row]) -> str:
    """Return the rows in Markdown."""
    lines = [
        "| network | images | with_norm | parameters, M | multiply-adds, M | ms a forward "
        "| times as fast | outputs differ by |",
        "|---|--:|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        counts = " | ".join(
            f"{row[f'{name} before'] / 1e6:.2f} → {row[name] / 1e6:.2f}"
            for name in ("parameters", "multiply-adds")
        )
        cells = (
            *(str(row[name]) for name in ("network", "batch", "with_norm")),
            counts,
            f"{row['ms, masked']:.1f} → {row['ms, removed']:.1f}",
            f"{row['times as fast']:.2f}",
            f"{row['difference']:.1e}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
