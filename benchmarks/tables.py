"""What the benchmarks share of their output: the machine's name and the tables in docs/."""

import platform
from pathlib import Path

import torch

DOCS = Path(__file__).parents[1] / "docs"
MARKS = ("<!-- table -->", "<!-- end of table -->")
Row = dict[str, str | float]


def machine(device: str) -> str:
    """Return processor or GPU, PyTorch's version and its number of threads."""
    processor = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
    name = torch.cuda.get_device_name() if device.startswith("cuda") else processor
    return f"{name}, torch {torch.__version__} with --threads {torch.get_num_threads()}"


def table(rows: list[Row], networks: list[str]) -> str:
    """Return rows as Markdown, a column for each network."""
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


def include(page: str, text: str) -> None:
    """Put ``text`` between the marks of a page in docs/."""
    path = DOCS / page
    head, _, rest = path.read_text(encoding="utf-8").partition(MARKS[0])
    _, _, tail = rest.partition(MARKS[1])
    path.write_text(f"{head}{MARKS[0]}\n{text}\n{MARKS[1]}{tail}", encoding="utf-8")
