"""``python -m benchmarks.sensitivity``: each layer pruned alone, with and without sharing."""

import argparse
import contextlib
import json
import statistics
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from safetensors.torch import save_file

import network_prune
from benchmarks.evaluation import random_network
from benchmarks.sweeps import make_photographs, write_manifest
from benchmarks.tables import DOCS, Row, include, machine
from benchmarks.timing import Timed, ratio, time_in_turn
from network_prune.evaluation.shared_prefix.prefix import SharedPrefix

BATCH = 32
SHARED, WHOLE = "shared", "whole"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sensitivity", description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["squeezenet1_0", "resnet18"])
    parser.add_argument("--images", type=int, default=128, help="JPEG photographs, made up")
    parser.add_argument("--rounds", type=int, default=2, help="rounds that medians are taken over")
    parser.add_argument("--threads", type=int, default=2, help="torch's threads")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        make_photographs(Path(folder), arguments.images)
        write_manifest(Path(folder) / "images.csv", [n % 1000 for n in range(arguments.images)])
        rows = [measure(name, Path(folder), rounds=arguments.rounds) for name in arguments.networks]
    path = DOCS / "sensitivity-cpu.json"
    result = {"machine": machine("cpu"), "images": arguments.images, "rows": rows}
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    text = f"Measured on {result['machine']}; {arguments.images} images.\n\n{table(rows)}"
    print(text)
    include(text, DOCS / "speed.md", mark="sensitivity")


def measure(name: str, folder: Path, *, rounds: int, **options: Any) -> Row:
    """Return a row for a network of random weights and the photographs in ``folder``."""
    weights = folder / f"{name}.safetensors"
    save_file(random_network(name).state_dict(), weights)
    data = str(folder / "images.csv")
    plan = {"arch": name, "weights": str(weights), "data": data, "scope": "alone", **options}
    plan |= {"method": "connections", "p_prune": 0.2, "p_bern": 0.5, "workers": 0}
    plan |= {"batch_size": BATCH}
    found: dict[str, Any] = {}

    def study(way: str) -> None:
        with network_prune.kept_memory(), _whole() if way == WHOLE else contextlib.nullcontext():
            found[way] = network_prune.sweep(plan, progress=False)

    things = {way: Timed(lambda way=way: study(way), repeats=1) for way in (SHARED, WHOLE)}
    times = time_in_turn(things, rounds=rounds)
    same = sum(one == other for one, other in zip(found[SHARED], found[WHOLE], strict=True))
    return {
        "network": name,
        **{way: statistics.median(each[way] for each in times) for way in things},
        "times as fast": ratio(times, WHOLE, SHARED),
        "same records": f"{same} of {len(found[WHOLE])}",
    }


@contextlib.contextmanager
def _whole() -> Generator[None]:
    """Let every variant be computed from the images on."""
    with mock.patch.object(SharedPrefix, "may_help", return_value=False):
        yield


def table(rows: list[Row]) -> str:
    """Return rows as Markdown."""
    lines = [
        "| network | seconds, shared | seconds, as a whole | times as fast | same records |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        cells = f"{row[SHARED]:.1f} | {row[WHOLE]:.1f} | {row['times as fast']:.2f}"
        lines.append(f"| {row['network']} | {cells} | {row['same records']} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
