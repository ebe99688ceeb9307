"""Folders of many records: what it costs to list them, and to add a variant.

``python -m benchmarks.records 10000 100000`` writes the results into docs/reliability.md.
"""

import argparse
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from benchmarks.processes import COMMAND, Used, cost
from benchmarks.tables import DOCS, Row, include, machine
from network_prune.reports.markdown import markdown_head, markdown_row

SWEEP: Final = [*COMMAND, "sweep", "--method", "weights", "--limit", "100", "--p-prune", "0.5"]
PAGE: Final = DOCS / "reliability.md"
# What listing can't be faster than with Python's own means: reading each line and keeping nothing.
LEAST: Final = """
import json, sys
with open(sys.argv[1], "rb") as file:
    for line in file:
        json.loads(line)
"""


def make_folder(folder: Path, count: int) -> None:
    """Write a study of ``count`` records: one of a real sweep, under other draws' names."""
    from network_prune import sweep
    from network_prune.results.lines.record_lines import line_of
    from network_prune.results.record_key import record_key

    plan = {"method": "weights", "limit": 100, "p_prune": 0.5, "p_bern": 0.5, "seed": 1}
    dense, record = sweep(plan, out=folder)
    with (folder / "records.jsonl").open("wb") as file:
        file.write(line_of(dense) + b"\n")
        for index in range(count - 1):
            named = {**record, "variant": {**record["variant"], "index": index}}
            file.write(line_of({**named, "key": record_key(named)}) + b"\n")


def measure(count: int) -> list[Row]:
    """Return the rows of one size."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "study"
        making = get_context("spawn").Process(target=make_folder, args=(folder, count))
        making.start()
        making.join()
        size = (folder / "records.jsonl").stat().st_size / count
        listing = [*COMMAND, "records", str(folder)]
        ways = {
            "json.loads of each line": [sys.executable, "-c", LEAST, str(folder / "records.jsonl")],
            "list": listing,
            "list those of one seed": [*listing, "--where", "seed=1"],
            "one more variant": [*SWEEP, "--out", str(folder)],
            "a variant in a new folder": [*SWEEP, "--out", str(folder.with_name("new"))],
        }
        return [
            {"what": what, "records": count, "kB each": f"{size / 1e3:.1f}", **_row(cost(command))}
            for what, command in ways.items()
        ]


def _row(used: Used) -> Row:
    return {
        "seconds": f"{used.seconds:.1f}",
        "CPU seconds": f"{used.cpu_seconds:.1f}",
        "MB": f"{used.megabytes:.0f}",
    }


def table(rows: list[Row]) -> str:
    """Return the rows as Markdown."""
    head = markdown_head(list(rows[0]), words=1)
    return "\n".join([head, *(markdown_row(map(str, row.values())) for row in rows)])


def main() -> None:
    """Measure the sizes that are asked for, and publish them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=int, nargs="+")
    rows = [row for count in parser.parse_args().records for row in measure(count)]
    text = f"{table(rows)}\n\n{machine('cpu')}"
    include(text, PAGE, mark="records")
    print(text)


if __name__ == "__main__":
    main()
