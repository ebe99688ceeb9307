"""``python -m benchmarks``: measure everything, write JSON and the table of docs/speed.md."""

import argparse
import json
import os

import torch

from benchmarks import docs, draws, growth, memory


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
    rows: list[draws.Row] = []
    for network in arguments.networks:
        rows += draws.measure(network, rounds=arguments.rounds, device=arguments.device)
        if arguments.device == "cpu":
            rows += memory.measure(network)
    points: list[growth.Point] = []
    if arguments.growth:
        points = growth.measure()
        growth.plot(points, docs.FOLDER / "growth.svg")
    result = {"machine": docs.machine(arguments.device), "rounds": arguments.rounds, "rows": rows}
    result["growth"] = points
    name = f"speed-{arguments.device.partition(':')[0]}.json"
    (docs.FOLDER / name).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    table = _table(rows, arguments.networks)
    print(f"{result['machine']}\n\n{table}")
    if arguments.device == "cpu":
        docs.include(f"Measured on {result['machine']}.\n\n{table}", "table")


def _table(rows: list[draws.Row], networks: list[str]) -> str:
    figures = {(r["granularity"], r["measure"], r["unit"]): {} for r in rows}
    for row in rows:
        key = (row["granularity"], row["measure"], row["unit"])
        figures[key][row["network"]] = f"{row['value']:.2f}"
    lines = [
        f"| elements | measure | unit | {' | '.join(networks)} |",
        f"|---|---|---|{'--:|' * len(networks)}",
    ]
    for (granularity, measure, unit), values in figures.items():
        cells = " | ".join(values.get(network, "–") for network in networks)
        lines.append(f"| {granularity}s | {measure} | {unit} | {cells} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
