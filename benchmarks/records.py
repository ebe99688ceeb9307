"""Folders of many records: what it costs to list them, and to add a variant.

``python -m benchmarks.records 10000 100000`` writes the results into docs/reliability.md.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.tables import DOCS, Row, include, machine
from network_prune.reports.markdown import markdown_head, markdown_row

COMMAND: Final = [sys.executable, "-m", "network_prune"]
SWEEP: Final = [*COMMAND, "sweep", "--method", "weights", "--limit", "100", "--p-prune", "0.5"]
PAGE: Final = DOCS / "reliability.md"


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
        make_folder(folder, count)
        size = (folder / "records.jsonl").stat().st_size / count
        ways = {
            "list": [*COMMAND, "records", str(folder)],
            "one more variant": [*SWEEP, "--out", str(folder)],
            "a variant in a new folder": [*SWEEP, "--out", str(folder.with_name("new"))],
        }
        return [
            {"records": count, "kB each": f"{size / 1e3:.1f}", "what": what, **cost(command)}
            for what, command in ways.items()
        ]


def cost(command: list[str]) -> Row:
    """Return wall and CPU seconds and the most memory of a command."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return {
        "seconds": f"{time.perf_counter() - start:.1f}",
        "CPU seconds": f"{used.ru_utime + used.ru_stime:.1f}",
        "MB": f"{used.ru_maxrss / 1e3:.0f}",
    }


def table(rows: list[Row]) -> str:
    """Return the rows as Markdown."""
    head = markdown_head(list(rows[0]))
    return "\n".join([head, *(markdown_row(list(map(str, row.values()))) for row in rows)])


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
