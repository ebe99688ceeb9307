"""``python -m benchmarks.start``: what a command costs, beside importing PyTorch alone."""

import argparse
import sys
from statistics import median
from typing import Final

from benchmarks.processes import COMMAND, Used, cost
from benchmarks.tables import DOCS, include, machine
from network_prune.reports.markdown import markdown_head, markdown_row

ALONE: Final = "import torch, alone"
WAYS: Final = {
    ALONE: [sys.executable, "-c", "import torch"],
    "network-prune --help": [*COMMAND, "--help"],
    "network-prune inspect": [*COMMAND, "inspect"],
    "network-prune eval": [*COMMAND, "eval"],
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds that medians are taken over")
    arguments = parser.parse_args()
    for command in WAYS.values():
        cost(command)  # which compiles what is imported
    rounds = [
        {what: cost(command) for what, command in WAYS.items()} for _ in range(arguments.rounds)
    ]
    text = f"Measured on {machine('cpu')}.\n\n{table(rounds)}"
    print(text)
    include(text, DOCS / "speed.md", mark="start")


def table(rounds: list[dict[str, Used]]) -> str:
    """Return medians over rounds in Markdown."""
    titles = ["what", "seconds", "CPU seconds", "of PyTorch's alone", "MB"]
    rows = [markdown_row([what], _cells([each[what] for each in rounds], rounds)) for what in WAYS]
    return "\n".join([markdown_head(titles, words=1), *rows])


def _cells(used: list[Used], rounds: list[dict[str, Used]]) -> list[str]:
    ratios = [
        one.cpu_seconds / each[ALONE].cpu_seconds for one, each in zip(used, rounds, strict=True)
    ]
    return [
        f"{median(one.seconds for one in used):.2f}",
        f"{median(one.cpu_seconds for one in used):.2f}",
        f"{median(ratios):.2f}",
        f"{median(one.megabytes for one in used):.0f}",
    ]


if __name__ == "__main__":
    main()
