"""What the benchmarks share of their output: the machine's name and the tables in docs/."""

import json
import platform
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
Row = dict[str, str | float]


def machine(device: str) -> str:
    """Return processor or GPU, PyTorch's version and its number of threads."""
    import torch

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


def include(text: str, page: Path, *, mark: str = "table") -> None:
    """Put ``text`` between the page's comments ``mark`` and ``end of mark``."""
    first, last = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    head, _, rest = page.read_text(encoding="utf-8").partition(first)
    _, _, tail = rest.partition(last)
    page.write_text(f"{head}{first}\n{text}\n{last}{tail}", encoding="utf-8")


def publish(
    rows: list[Row],
    networks: list[str],
    *,
    name: str,
    page: Path,
    rounds: int,
    device: str,
    mark: str = "table",
    **more: object,
) -> None:
    """Print rows as a table, write them as JSON with ``more``, and put the table into a page.

    What was measured on another device than the CPU stands between marks of its own, e.g.
    ``table, cuda``.
    """
    where, kind = machine(device), device.partition(":")[0]
    result = {"machine": where, "rounds": rounds, "rows": rows, **more}
    file = DOCS / f"{name}-{kind}.json"
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    text = f"Measured on {where}.\n\n{table(rows, networks)}"
    print(text)
    include(text, page, mark=mark if kind == "cpu" else f"{mark}, {kind}")
